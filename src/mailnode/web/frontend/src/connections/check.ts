/** The test of a connection's server: each finding is shown as it comes. */

import { linesOf, Problem } from "../api";
import type { Connection, FindingLine, Problem as Failure, SummaryLine, TestedServer } from "../api-types";
import { element, find } from "../dom";

const SIGNS = { ok: "✓", warning: "!", failed: "✗", skipped: "–" };
const STEPS: Record<FindingLine["step"], string> = {
  settings: "Settings",
  resolve: "DNS lookup",
  connect: "Connection",
  port: "Port",
  tls: "TLS",
  greeting: "Greeting",
  ehlo: "EHLO",
  token: "Access token",
  auth: "Login",
  mail: "Sender",
  rcpt: "Recipient",
  quit: "Goodbye",
};
const WORDS = { ok: "OK", warning: "warning", failed: "failed", skipped: "skipped" };

/** Let a person say which server is tested; a service knows its own. */
export function offer(form: HTMLFormElement, { hosts }: Connection, server: TestedServer): void {
  form.hidden = !hosts?.length;
  const host = find<HTMLSelectElement>(form, "[name=host]");
  host.replaceChildren(...(hosts ?? []).map((one) => new Option(one)));
  if (server.host && hosts?.includes(server.host)) host.value = server.host;
  find<HTMLInputElement>(form, "[name=port]").value = String(server.port ?? "");
  find<HTMLSelectElement>(form, "[name=tlsOption]").value = server.tlsOption ?? "";
}

/** What a person said of it; a port that is none is refused by the server, beside its field. */
export function chosen(form: HTMLFormElement): TestedServer {
  if (form.hidden) return {};
  const said = [...new FormData(form)].map(([key, text]) => [key, typeof text === "string" ? text.trim() : ""]);
  return Object.fromEntries(said.filter(([, text]) => text)) as TestedServer;
}

/** Test a connection's server until all is found, or `signal` ends it; a Problem says why it can't begin. */
export async function check(view: HTMLElement, name: string, body: TestedServer, signal: AbortSignal): Promise<void> {
  const list = find(view, "[data-part=findings]");
  const said = find(view, "[data-part=check-said]");
  find(view, "[data-part=check]").hidden = false;
  list.replaceChildren();
  said.className = "muted";
  said.textContent = "Testing…";
  const failed: string[] = [];
  try {
    for await (const line of linesOf("POST /api/connections/{name}/test", { path: { name }, body, signal })) {
      if ("step" in line) {
        list.append(row(line));
        if (line.status === "failed") failed.push(STEPS[line.step]);
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
    said.textContent = "The connection to mailnode was lost during the test.";
  }
}

function row({ status, step, ms, found, hint }: FindingLine): HTMLElement {
  const sign = element("span", { className: "finding-sign", textContent: SIGNS[status], ariaHidden: "true" });
  const head = element(
    "p",
    { className: "finding-head" },
    element("strong", { textContent: STEPS[step] }),
    element("span", { className: "visually-hidden", textContent: ` ${WORDS[status]} ` }),
    element("span", { className: "muted mono", textContent: status === "skipped" ? "" : `${Math.round(ms)} ms` }),
  );
  const item = element("li", { className: `finding ${status}` }, sign, head);
  item.append(element("p", { className: "finding-found", textContent: found }));
  if (hint) item.append(element("p", { className: "hint finding-hint", textContent: hint }));
  return item;
}

function words(line: SummaryLine | Failure, failed: readonly string[]): string {
  if ("error" in line) return [line.error.message, line.error.hint].filter(Boolean).join(" ");
  const { ok, settings } = line;
  const server = settings ? `host ${settings.host}, port ${settings.port}, TLS ${settings.tlsOption}` : "";
  if (ok) return `Everything works: ${server}. No email was sent.`;
  const steps = [...new Set(failed)].join(", ");
  return `Failed: ${steps}. No email was sent.${server ? ` These settings would work: ${server}.` : ""}`;
}
