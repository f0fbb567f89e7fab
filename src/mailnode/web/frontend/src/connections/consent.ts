/** Consent to a connection: the provider's page in another tab, and what comes back from there. */

import { Problem, call, showProblem } from "../api";
import type { Shown } from "./types";
import { addressOf, part } from "./types";

interface Begun {
  url: string;
  redirectUri: string;
  comesBack: boolean;
}

interface Authorized {
  connection: Shown;
  warning: string;
}

const POLL_MS = 1500;

/** Ask for consent until it is there, `signal` ends it, or it can't be asked for; give what is to be said then. */
export async function authorize(view: HTMLElement, name: string, signal: AbortSignal): Promise<string | undefined> {
  const before = await call<Shown>("GET", addressOf(name));
  const begun = await call<Begun>("POST", addressOf(name, "/authorize"), {});
  const section = part(view, "[data-part=consent]");
  const form = part<HTMLFormElement>(view, "[data-part=paste]");
  part<HTMLAnchorElement>(view, "[data-part=consent-link]").href = begun.url;
  part(view, "#connection-address-hint").textContent = begun.comesBack
    ? `It comes back to ${begun.redirectUri} by itself. Only if that can't be shown, copy its address to here.`
    : `It ends at ${begun.redirectUri}, which can't be shown: copy the whole address of that page to here.`;
  form.reset();
  section.hidden = false;
  part<HTMLAnchorElement>(view, "[data-part=consent-link]").focus();
  const said = await Promise.race([pasted(form, name, signal), seen(before, signal)]);
  if (!signal.aborted) section.hidden = true;
  return said;
}

/** Wait for the address that a person pastes; after a wrong one another may come. */
async function pasted(form: HTMLFormElement, name: string, signal: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      const address = part<HTMLInputElement>(form, "[name=address]").value;
      try {
        const done = await call<Authorized>("POST", addressOf(name, "/authorize/finish"), { address });
        resolve(thanks(done.connection, done.warning));
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        showProblem(form, error);
      }
    };
    signal.addEventListener("abort", () => resolve(undefined));
  });
}

/** Look now and then whether the other tab has brought the consent: it makes the connection another revision. */
async function seen(before: Shown, signal: AbortSignal): Promise<string | undefined> {
  while (!signal.aborted) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    if (signal.aborted) break;
    const now = await call<Shown>("GET", addressOf(before.name)).catch(() => before);
    if (now.revision !== before.revision && now.state === "ready") return thanks(now, "");
  }
  return undefined;
}

function thanks(shown: Shown, warning: string): string {
  return `${shown.name} is authorized; the next mail uses it.${warning ? ` ${warning}` : ""}`;
}
