// Parts of a page that renew themselves change what has changed and leave the rest: a press, a selection, the focus and
// what is scrolled stay as they are.

import htmx from "htmx.org";
import { Idiomorph } from "idiomorph";
import { localTimes } from "../times";

const STYLE = "morph";

/** Have htmx know `hx-swap="morph"`. */
export function defineMorph(): void {
  htmx.defineExtension("morph", {
    isInlineSwap: (style) => style === STYLE,
    handleSwap: (style, target, fragment) => style === STYLE && morph(target as Element, fragment as DocumentFragment),
  });
}

/** Put a part that the server has made into a place, and let it renew itself from there. */
export function showLive(place: HTMLElement, html: string): void {
  defineMorph();
  place.innerHTML = html;
  localTimes(place);
  htmx.process(place);
}

function morph(target: Element, fragment: DocumentFragment): Node[] {
  localTimes(fragment); // or each time would count as changed
  return Idiomorph.morph(target, fragment.children, {
    morphStyle: "outerHTML",
    callbacks: {
      // What a reader has opened, closed or ticked stays so, and a question until it is answered.
      beforeAttributeUpdated: (name: string, node: Element) =>
        name !== "checked" && !(name === "open" && node.matches("details, dialog")),
      beforeNodeRemoved: (node: Node) => !(node instanceof HTMLDialogElement && node.open),
    },
  }) as Node[];
}
