/** Consent to a connection: the provider's page in another tab, and what comes back from there. */

import { call, Problem, showProblem } from "../api";
import { find } from "../dom";

const POLL_MS = 700;

/** What came of it, in words; `isGood` is whether there are tokens now. */
export interface Consented {
  said: string;
  isGood: boolean;
}

/** Ask for consent until it is there, refused, or `signal` ends it; a Problem says why it can't be asked for. */
export async function authorize(view: HTMLElement, name: string, signal: AbortSignal): Promise<Consented | undefined> {
  const { url, redirectUri } = await call("POST /api/connections/{name}/authorize", { path: { name } });
  const section = find(view, "[data-part=consent]");
  const form = find<HTMLFormElement>(view, "[data-part=paste]");
  const link = find<HTMLAnchorElement>(view, "[data-part=consent-link]");
  link.href = url;
  find(view, "#connection-address-hint").textContent =
    `You are sent back to ${redirectUri}. Only if that page does not open, paste its whole address here.`;
  form.reset();
  section.hidden = false;
  link.focus();
  const ended = new AbortController();
  const said = await Promise.race([pasted(form, name, ended.signal), noticed(name, signal), aborted(signal)]);
  ended.abort();
  if (!signal.aborted) section.hidden = true;
  return said;
}

/** Wait for the address that a person pastes; after a wrong one another may come. */
async function pasted(form: HTMLFormElement, name: string, ended: AbortSignal): Promise<Consented | undefined> {
  return new Promise((resolve) => {
    const submitted = async (event: Event): Promise<void> => {
      event.preventDefault();
      const body = { address: find<HTMLInputElement>(form, "[name=address]").value };
      try {
        const done = await call("POST /api/connections/{name}/authorize/finish", { path: { name }, body });
        resolve(thanks(name, done.warning));
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        showProblem(form, error);
      }
    };
    form.addEventListener("submit", (event) => void submitted(event), { signal: ended });
  });
}

/** Look now and then what has come of it in the other tab. */
async function noticed(name: string, signal: AbortSignal): Promise<Consented | undefined> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    if (signal.aborted) return undefined;
    const now = await call("GET /api/connections/{name}/authorize", { path: { name } }).catch(() => undefined);
    if (now?.state === "authorized") return thanks(name, now.warning ?? "");
    if (now?.state === "failed" && now.error) {
      return { said: [`${name} is not authorized.`, now.error.message, now.error.hint].join(" "), isGood: false };
    }
    if (now?.state === "none") {
      return { said: `${name} is not authorized: no answer came in time. Authorize it again.`, isGood: false };
    }
  }
}

async function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(undefined)));
}

function thanks(name: string, warning: string): Consented {
  return { said: `${name} is authorized; the next email uses it.${warning ? ` ${warning}` : ""}`, isGood: true };
}
