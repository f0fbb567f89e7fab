// The one way to the HTTP API: routes and JSON are those of its OpenAPI document, errors are Problems.

import { at, pathHere } from "./base-path";
import type { ErrorDetail, Problem as ProblemBody, Routes } from "./api-types";
import { element } from "./dom";

type Route = keyof Routes;
type ParameterOf<R> = R extends `${string}{${infer Name}}${infer Rest}` ? Name | ParameterOf<Rest> : never;
type PathOf<R extends Route> = [ParameterOf<R>] extends [never] ? unknown : { path: Record<ParameterOf<R>, string> };
type BodyOf<R extends Route> = Pick<Routes[R], keyof Routes[R] & "body">;
interface Extras {
  signal?: AbortSignal;
  query?: Record<string, string>;
  headers?: Record<string, string>;
  /** A body that is sent as it is. */
  file?: File;
}
type RequestOf<R extends Route> = PathOf<R> & BodyOf<R> & Extras;
type ArgumentsOf<R extends Route> = Partial<RequestOf<R>> extends RequestOf<R> ? [RequestOf<R>?] : [RequestOf<R>];
type AnswerOf<R extends Route> = Routes[R] extends { answer: infer Answer } ? Answer : never;
type LineOf<R extends Route> = Routes[R] extends { line: infer Line } ? Line : never;

interface AnyRequest extends Extras {
  path?: Record<string, string>;
  body?: unknown;
}

export class Problem extends Error {
  readonly hint: string;
  readonly key: string;

  constructor(
    readonly detail: Partial<ErrorDetail>,
    readonly status = 0,
    /** All that is wrong with the request, `detail` too. */
    readonly all: ErrorDetail[] = [],
  ) {
    super(detail.message ?? "The server gave no reason.");
    this.hint = detail.hint ?? "";
    this.key = detail.key ?? "";
  }
}

/** Send a request, and give the JSON that answers it. */
export async function call<R extends Route>(route: R, ...[request]: ArgumentsOf<R>): Promise<AnswerOf<R>> {
  const response = await send(route, request);
  return (response.status === 204 ? undefined : await response.json()) as AnswerOf<R>;
}

/** Send a request, and give each line of JSON that answers it as soon as it is there. */
export async function* linesOf<R extends Route>(route: R, ...[request]: ArgumentsOf<R>): AsyncGenerator<LineOf<R>> {
  const { body } = await send(route, request);
  if (!body) return;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield JSON.parse(line) as LineOf<R>;
  }
}

/** Give the text at an address of this server, as a part of a page. */
export async function textAt(address: string): Promise<string> {
  const response = await fetch(address);
  if (!response.ok || response.redirected)
    throw new Problem({ message: "The page could not be loaded." }, response.status);
  return response.text();
}

async function send(route: Route, request: AnyRequest = {}): Promise<Response> {
  const { path = {}, query, body, file, signal } = request;
  const [method = "", template = ""] = route.split(" ");
  const csrf = document.querySelector<HTMLMetaElement>('meta[name="csrf-token"]')?.content ?? "";
  const headers: Record<string, string> = { "X-CSRF-Token": csrf, Accept: "application/json", ...request.headers };
  const options: RequestInit = { method, headers };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  if (file) {
    headers["Content-Type"] = "application/octet-stream";
    options.body = file;
  }
  if (signal) options.signal = signal;
  const address = template.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(path[name] ?? ""));
  const search = query ? `?${new URLSearchParams(query).toString()}` : "";
  let response: Response;
  try {
    response = await fetch(at(address) + search, options);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem({ message: "The server does not answer.", hint: "Check that mailnode serve is running." });
  }
  if (response.status === 401) location.assign(at(`/login?next=${encodeURIComponent(pathHere())}`));
  if (!response.ok) throw await problemIn(response);
  return response;
}

async function problemIn(response: Response): Promise<Problem> {
  try {
    const { error, errors } = (await response.json()) as ProblemBody;
    return new Problem(error, response.status, errors);
  } catch {
    return new Problem({ message: `The server answered with status ${response.status}.` }, response.status);
  }
}

/** Give what an error says, whatever it is. */
export function detailOf(error: unknown): ErrorDetail {
  const detail = error instanceof Problem ? error.detail : { message: String(error) };
  return { code: "", phase: "settings", message: "", hint: "", node: "", key: "", line: 0, ...detail };
}

/** Give all that an error says is wrong. */
export function detailsOf(error: unknown): ErrorDetail[] {
  return error instanceof Problem && error.all.length ? [...error.all] : [detailOf(error)];
}

/** Say what is wrong, and under it what to do. */
export function wordsOf({ message, hint }: { message: string; hint: string }): string {
  return hint ? `${message}\n${hint}` : message;
}

/** Put an error beside the field that it is about, or at the form's end, and lead the reader there. */
export function showProblem(form: HTMLElement, error: unknown): void {
  showProblems(form, detailsOf(error));
}

/** Put each error beside its field, or at the form's end, and lead the reader to the first. */
export function showProblems(form: HTMLElement, errors: readonly ErrorDetail[]): void {
  clearProblems(form);
  const left: string[] = [];
  for (const detail of errors) {
    const field = detail.key ? fieldOf(form, detail.key) : null;
    if (field) markField(field, wordsOf(detail));
    else left.push(wordsOf(detail));
  }
  form.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  if (!left.length) return;
  const place = form.querySelector<HTMLElement>(".form-error");
  if (place) {
    place.textContent = left.join("\n");
    place.hidden = false;
  } else {
    toast(left.join("\n"));
  }
}

/** Find the field of a key, or what is nearest around it: attachments for attachments[1].url. */
export function fieldOf(form: ParentNode, key: string): HTMLElement | null {
  for (let near = key; near; near = outwards(near)) {
    const field = form.querySelector<HTMLElement>(`.field[data-key="${CSS.escape(near)}"]`);
    if (field) return field;
  }
  return null;
}

function outwards(key: string): string {
  return key.slice(0, Math.max(key.lastIndexOf("."), key.lastIndexOf("["), 0));
}

export function markField(field: HTMLElement, words: string): void {
  const error = field.querySelector<HTMLElement>(":scope > .error, .error");
  if (error) {
    error.textContent = error.hidden ? words : `${error.textContent}\n${words}`;
    error.hidden = false;
  }
  field.querySelector("input, select, textarea")?.setAttribute("aria-invalid", "true");
}

export function clearProblems(form: ParentNode): void {
  for (const error of form.querySelectorAll<HTMLElement>(".error")) {
    error.hidden = true;
    error.textContent = "";
  }
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
}

/** Say something for a moment, to eyes and to screen readers, with a button if there is something to do about it. */
export function toast(words: string, action?: { words: string; work: () => void }): void {
  const said = element("div", { className: "toast", textContent: words });
  if (action) {
    const button = element("button", { type: "button", className: "button", textContent: action.words });
    button.addEventListener("click", () => {
      said.remove();
      action.work();
    });
    said.append(button);
  }
  document.querySelector("#toasts")?.append(said);
  setTimeout(() => said.remove(), action ? 12_000 : 6000);
}
