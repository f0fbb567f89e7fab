// Text that stands beside blocks, in no paragraph: it gets one while it is edited, and loses it again.

import { isSection } from "./blocks";
import { isInline } from "./html-loss";

export const LOOSE = "data-loose";

const BOXES = /^(?:li|td|th)$/;

/** Put a paragraph around each run of loose text. */
export function markLoose(body: HTMLElement): void {
  const holders = [...body.querySelectorAll("*")].filter(
    (one) => isSection(one) || one.localName === "blockquote" || BOXES.test(one.localName),
  );
  for (const holder of [body, ...holders]) {
    const runs = runsIn(holder);
    // A cell that holds only text has a way of its own (see `unbox`).
    const isBox = BOXES.test(holder.localName) && !holder.querySelector(":scope > :is(div, p, table, blockquote, hr)");
    if (isBox) continue;
    for (const run of runs) {
      const paragraph = body.ownerDocument.createElement("p");
      paragraph.setAttribute(LOOSE, "");
      run[0]?.before(paragraph);
      paragraph.append(...run);
    }
  }
}

function runsIn(holder: Element): ChildNode[][] {
  const runs: ChildNode[][] = [];
  let run: ChildNode[] = [];
  const end = (): void => {
    if (run.some((node) => node.nodeType === Node.ELEMENT_NODE || node.textContent?.trim())) runs.push(run);
    run = [];
  };
  for (const node of holder.childNodes) {
    if (node instanceof Element && !isInline(node.localName)) end();
    else if (!(node instanceof Comment)) run.push(node);
  }
  end();
  return runs;
}

/** Take the paragraphs away again, unless two would run together or more was made of one. */
export function unwrapLoose(root: ParentNode): void {
  const marked = [...root.querySelectorAll(`[${LOOSE}]`)];
  const isFree = marked.map(
    (one) =>
      one.attributes.length === 1 &&
      !one.previousElementSibling?.hasAttribute(LOOSE) &&
      !one.nextElementSibling?.hasAttribute(LOOSE),
  );
  marked.forEach((paragraph, index) => {
    paragraph.removeAttribute(LOOSE);
    if (isFree[index]) paragraph.replaceWith(...paragraph.childNodes);
  });
}
