// Deliveries, runs and the inbox: parts that renew themselves, and questions that come as dialogs.

import { at } from "../base-path";
import { mountBulk } from "./bulk";
import { defineMorph } from "./morph";

interface Swap {
  shouldSwap: boolean;
  requestConfig: { elt: Element };
}

export async function mountRecords(): Promise<void> {
  defineMorph();
  mountBulk();
  // On the document, because a step back in the browser's history brings another main.
  document.addEventListener("htmx:load", (event) => showAsked(event.target as Element));
  // A button that is taken away between press and release is never clicked: what is under a finger is renewed later.
  let pressed: Node | null = null;
  document.addEventListener("pointerdown", (event) => (pressed = event.target as Node), true);
  for (const end of ["pointerup", "pointercancel"]) {
    document.addEventListener(end, () => setTimeout(() => (pressed = null)), true);
  }
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { detail } = event as CustomEvent<Swap>;
    if ((event.target as Element).contains(pressed)) detail.shouldSwap = false;
    detail.requestConfig.elt.closest("dialog")?.close();
  });
  // A session has its end, and the page of the login is no part of this one.
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const { xhr } = (event as CustomEvent<{ xhr: XMLHttpRequest }>).detail;
    if (new URL(xhr.responseURL).pathname !== at("/login")) return;
    event.preventDefault();
    location.reload();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt, successful } = (event as CustomEvent<{ elt: Element; successful: boolean }>).detail;
    if (successful) elt.closest("dialog")?.close();
  });
  const again = document.querySelector<HTMLElement>('[data-action="run-again"]');
  if (again) (await import("../run/again")).mountAgain(again);
}

/** A dialog that the server sends wants to be seen at once. */
function showAsked(within: Element): void {
  const asked = within.matches("dialog[data-show]") ? within : within.querySelector("dialog[data-show]");
  if (asked instanceof HTMLDialogElement && !asked.open) asked.showModal();
}
