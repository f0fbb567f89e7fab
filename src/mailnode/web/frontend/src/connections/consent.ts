/** Consent to a connection: the provider's page in another tab, and what comes back from there. */

import { call, Problem, showProblem } from "../api";
import type { Connection } from "../api-types";
import { find } from "../dom";

const POLL_MS = 1500;

/** Ask for consent until it is there, `signal` ends it, or it can't be asked for; give what is to be said then. */
export async function authorize(view: HTMLElement, name: string, signal: AbortSignal): Promise<string | undefined> {
  const before = await call("GET /api/connections/{name}", { path: { name } });
  const { url, redirectUri, comesBack } = await call("POST /api/connections/{name}/authorize", { path: { name } });
  const section = find(view, "[data-part=consent]");
  const form = find<HTMLFormElement>(view, "[data-part=paste]");
  const link = find<HTMLAnchorElement>(view, "[data-part=consent-link]");
  link.href = url;
  find(view, "#connection-address-hint").textContent = comesBack
    ? `You are sent back to ${redirectUri}. Only if that page does not open, paste its address here.`
    : `You are sent to ${redirectUri}, which does not open: paste the whole address of that page here.`;
  form.reset();
  section.hidden = false;
  link.focus();
  const said = await Promise.race([pasted(form, name, signal), noticed(before, signal)]);
  if (!signal.aborted) section.hidden = true;
  return said;
}

/** Wait for the address that a person pastes; after a wrong one another may come. */
async function pasted(form: HTMLFormElement, name: string, signal: AbortSignal): Promise<string | undefined> {
  const ended = new AbortController();
  return new Promise<string | undefined>((resolve) => {
    const submitted = async (event: Event): Promise<void> => {
      event.preventDefault();
      const body = { address: find<HTMLInputElement>(form, "[name=address]").value };
      try {
        const done = await call("POST /api/connections/{name}/authorize/finish", { path: { name }, body });
        resolve(thanks(done.connection, done.warning));
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        showProblem(form, error);
      }
    };
    form.addEventListener("submit", (event) => void submitted(event), { signal: ended.signal });
    signal.addEventListener("abort", () => resolve(undefined));
  }).finally(() => ended.abort());
}

/** Look now and then whether the other tab has brought the consent: it makes the connection another revision. */
async function noticed(before: Connection, signal: AbortSignal): Promise<string | undefined> {
  const { name } = before;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    if (signal.aborted) return undefined;
    const now = await call("GET /api/connections/{name}", { path: { name } }).catch(() => before);
    if (now.revision !== before.revision && now.state === "ready") return thanks(now, "");
  }
}

function thanks({ name }: Connection, warning: string): string {
  return `${name} is authorized; the next email uses it.${warning ? ` ${warning}` : ""}`;
}
