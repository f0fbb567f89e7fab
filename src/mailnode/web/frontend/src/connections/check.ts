/** The doctor at a connection's server: each finding is shown as it comes. */

import { Problem, request } from "../api";
import type { Server, Shown } from "./types";
import { addressOf, part } from "./types";

interface Finding {
  step: string;
  status: "ok" | "warning" | "failed" | "skipped";
  found: string;
  ms: number;
  hint: string;
}

interface Summary {
  ok: boolean;
  settings: { host: string; port: number; tlsOption: string } | null;
}

interface Failure {
  error: { message: string; hint: string };
}

type Line = Finding | Summary | Failure;

const SIGNS = { ok: "✓", warning: "!", failed: "✗", skipped: "–" };
const WORDS = { ok: "well", warning: "warning", failed: "failed", skipped: "skipped" };

/** Let a person say which server is looked at; a service knows its own. */
export function offer(form: HTMLFormElement, shown: Shown, server: Server): void {
  const hosts = shown.hosts ?? [];
  form.hidden = hosts.length === 0;
  const host = part<HTMLSelectElement>(form, "[name=host]");
  host.replaceChildren(...hosts.map((one) => new Option(one)));
  if (server.host && hosts.includes(server.host)) host.value = server.host;
  part<HTMLInputElement>(form, "[name=port]").value = String(server.port ?? "");
  part<HTMLSelectElement>(form, "[name=tlsOption]").value = server.tlsOption ?? "";
}

/** What a person said of it. */
export function chosen(form: HTMLFormElement): Server {
  if (form.hidden) return {};
  const said = [...new FormData(form)].map(([key, text]) => [key, String(text).trim()]);
  return Object.fromEntries(said.filter(([, text]) => text)) as Server;
}

/** Look at a connection's server until it is seen, or `signal` ends it; a Problem says why it can't begin. */
export async function check(view: HTMLElement, name: string, server: Server, signal: AbortSignal): Promise<void> {
  const list = part(view, "[data-part=findings]");
  const said = part(view, "[data-part=check-said]");
  part(view, "[data-part=check]").hidden = false;
  list.replaceChildren();
  said.className = "muted";
  said.textContent = "Looking…";
  const failed: string[] = [];
  try {
    for await (const line of lines(name, server, signal)) {
      if ("step" in line) {
        list.append(row(line));
        if (line.status === "failed") failed.push(line.step);
      } else {
        said.className = "ok" in line && line.ok ? "good" : "bad";
        said.textContent = words(line, failed);
      }
    }
  } catch (error) {
    if (signal.aborted) return;
    said.className = "bad";
    said.textContent = "";
    if (error instanceof Problem) throw error;
    said.textContent = "mailnode went away in the middle of it";
  }
}

async function* lines(name: string, server: Server, signal: AbortSignal): AsyncGenerator<Line> {
  const answer = await request("POST", addressOf(name, "/test"), server, signal);
  if (!answer.body) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop() ?? "";
    for (const text of parts) yield JSON.parse(text) as Line;
  }
}

function row(finding: Finding): HTMLElement {
  const item = document.createElement("li");
  item.className = `finding ${finding.status}`;
  const sign = element("span", "finding-sign", SIGNS[finding.status]);
  sign.setAttribute("aria-hidden", "true");
  const time = finding.status === "skipped" ? "" : `${Math.round(finding.ms)} ms`;
  const head = element("p", "finding-head", "");
  head.append(
    element("strong", "", finding.step),
    element("span", "visually-hidden", ` ${WORDS[finding.status]} `),
    element("span", "muted mono", time),
  );
  item.append(sign, head, element("p", "finding-found", finding.found));
  if (finding.hint) item.append(element("p", "hint finding-hint", finding.hint));
  return item;
}

function element(tag: string, className: string, text: string): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function words(line: Summary | Failure, failed: readonly string[]): string {
  if ("error" in line) return [line.error.message, line.error.hint].filter(Boolean).join(": ");
  const found = line.settings;
  const way = found ? `host ${found.host}, port ${found.port}, tlsOption ${found.tlsOption}` : "";
  if (line.ok) return `All is well: ${way}. No mail was sent.`;
  const steps = [...new Set(failed)].join(", ");
  return `Failed: ${steps}. No mail was sent.${way ? ` Settings that would work: ${way}.` : ""}`;
}
