// HTML read without a word of it coming to life, or being complained about: a browser holds the page's content security
// policy against event handlers and style sheets also in documents that run none.

const QUIET = "\uFDD2"; // a noncharacter; with it a name means nothing to a browser
const HANDLER = /on(?=[a-z]+[\s/]*=)/gi;
const SHEET = /<\/?style(?=[\s/>])/gi;

/** Parse HTML; names of event handlers and style sheets stay marked (see `plainName`). */
export function parseInert(html: string): Document {
  const quiet = html.replace(HANDLER, `${QUIET}$&`).replace(SHEET, `$&${QUIET}`);
  const parsed = new DOMParser().parseFromString(quiet, "text/html");
  if (quiet.includes(QUIET)) {
    const nodes = parsed.createTreeWalker(parsed, NodeFilter.SHOW_ALL);
    while (nodes.nextNode()) unmark(nodes.currentNode);
  }
  return parsed;
}

/** The name of an attribute or element as it was written. */
export function plainName(name: string): string {
  return name.replace(QUIET, "");
}

/** Take style sheets out: what they say is no text. */
export function dropSheets(root: ParentNode): void {
  for (const element of root.querySelectorAll(`style${QUIET}`)) element.remove();
}

/** Give the text of each style sheet. */
export function sheetsIn(root: ParentNode): string[] {
  // Its name is not that of a style sheet here, so that a comment in it is one.
  const sheets = [...root.querySelectorAll(`style${QUIET}`)];
  return sheets.map(({ childNodes }) => [...childNodes].map(({ nodeValue }) => nodeValue ?? "").join(""));
}

function unmark(node: Node): void {
  if (node instanceof CharacterData) {
    if (node.data.includes(QUIET)) node.data = node.data.replaceAll(QUIET, "");
  } else if (node instanceof Element) {
    for (const attribute of node.attributes) {
      if (attribute.value.includes(QUIET)) attribute.value = attribute.value.replaceAll(QUIET, "");
    }
    if (node instanceof HTMLTemplateElement) node.innerHTML = "";
  }
}
