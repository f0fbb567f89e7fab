// The login page: a link with a code logs in by itself, once.

import { at } from "./base-path";
import { find } from "./dom";

/** Exchange the code in the address for a session; it stands in the fragment, which browsers send to nobody. */
export async function enterByLink(main: HTMLElement): Promise<void> {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (!code) return;
  // A used code in the history would only mislead.
  history.replaceState(null, "", location.pathname + location.search);
  const answer = await fetch(at("/login/code"), { method: "POST", body: new URLSearchParams({ code }) });
  if (answer.ok) {
    location.replace(at(find<HTMLInputElement>(main, "[name=next]").value));
    return;
  }
  const error = find(main, "#token-error");
  error.textContent = "This link has been used, or is older than a minute. Paste the token instead.";
  error.hidden = false;
}
