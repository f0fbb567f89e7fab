// The one way to the HTTP API: JSON out and in, errors as Problems, and those beside the fields that they name.

export interface Told {
  code: string;
  phase: string;
  message: string;
  hint: string;
  node: string;
  key: string;
  line: number;
}

export class Problem extends Error {
  readonly code: string;
  readonly hint: string;
  readonly key: string;

  constructor(
    readonly told: Partial<Told>,
    readonly status: number,
  ) {
    super(told.message ?? "the server did not say why");
    this.code = told.code ?? "";
    this.hint = told.hint ?? "";
    this.key = told.key ?? "";
  }
}

export function csrf(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="csrf-token"]')?.content ?? "";
}

/** Send a request; a body is sent as JSON. The answer's own reader is the caller's (streams, downloads). */
export async function request(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { "X-CSRF-Token": csrf(), Accept: "application/json" };
  const said: RequestInit = { method, headers };
  if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    said.body = JSON.stringify(body);
  }
  if (signal) said.signal = signal;
  let response: Response;
  try {
    response = await fetch(path, said);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem({ message: "the server does not answer", hint: "see that mailnode serve is running" }, 0);
  }
  if (response.status === 401) location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
  if (!response.ok) throw new Problem(await problemIn(response), response.status);
  return response;
}

/** Send a request and give the JSON that answers it. */
export async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await request(method, path, body, signal);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

async function problemIn(response: Response): Promise<Partial<Told>> {
  try {
    return ((await response.json()) as { error: Partial<Told> }).error;
  } catch {
    return { message: `the server answered ${response.status}` };
  }
}

/** Give what an error tells, whatever it is. */
export function toldBy(problem: unknown): Told {
  const told = problem instanceof Problem ? problem.told : { message: String(problem) };
  return { code: "", phase: "settings", message: "", hint: "", node: "", key: "", line: 0, ...told };
}

/** Say what is wrong, and under it what to do. */
export function wordsOf(told: { message: string; hint: string }): string {
  return told.hint ? `${told.message}\n${told.hint}` : told.message;
}

/** Put an error beside the field that it is about, or at the form's end, and lead the reader there. */
export function showProblem(form: HTMLElement, problem: unknown): void {
  clearProblems(form);
  const told = problem instanceof Problem ? problem : new Problem({ message: String(problem) }, 0);
  const field = told.key ? fieldOf(form, told.key) : null;
  const words = wordsOf(told);
  if (field) {
    markField(field, words);
    field.querySelector<HTMLElement>("input, select, textarea")?.focus();
    return;
  }
  const place = form.querySelector<HTMLElement>(".form-error");
  if (place) {
    place.textContent = words;
    place.hidden = false;
  } else {
    toast(words);
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

/** Say something for a moment, to eyes and to screen readers. */
export function toast(words: string): void {
  const said = document.createElement("div");
  said.className = "toast";
  said.textContent = words;
  document.querySelector("#toasts")?.append(said);
  setTimeout(() => said.remove(), 6000);
}
