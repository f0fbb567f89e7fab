// The stored HTML and the editor's document: one into the other, without a loss that can be avoided.

import { DOMParser as DocumentParser, DOMSerializer, type Node as DocumentNode, type Schema } from "@tiptap/pm/model";
import { dropSheets, parseInert } from "./inert-html";
import { unpackKept } from "./kept-attributes";
import { decodeEntities, lift, lower, MARK, markOf } from "./expression-marks";
import { isInline } from "./html-loss";

export const EXPRESSION = "data-expression";
export const BOXED = "data-boxed";
export const LOOSE = "data-loose";

/** Read stored HTML; each expression in its text becomes a chip. */
export function readStored(schema: Schema, html: string): DocumentNode {
  const { marked, written } = lift(html);
  const parsed = parseInert(marked);
  dropSheets(parsed);
  const meant = written.map(decodeEntities);
  for (const element of parsed.body.querySelectorAll("*")) {
    for (const attribute of element.attributes) attribute.value = lower(attribute.value, meant);
  }
  markLoose(parsed.body);
  showChips(parsed, written);
  for (const filler of parsed.querySelectorAll("p > br:only-child")) {
    if (filler.parentNode?.childNodes.length === 1) filler.remove();
  }
  return DocumentParser.fromSchema(schema).parse(parsed.body);
}

/** Write the document as it is to be stored. */
export function writeStored(doc: DocumentNode): string {
  const inert = document.implementation.createHTMLDocument();
  const root = inert.createElement("div");
  root.append(
    DOMSerializer.fromSchema(doc.type.schema).serializeFragment(doc.content, { document: keepingStyles(inert) }),
  );
  const written: string[] = [];
  for (const chip of root.querySelectorAll(`[${EXPRESSION}]`)) {
    chip.replaceWith(markOf(written.length));
    written.push(chip.getAttribute(EXPRESSION) ?? "");
  }
  unbox(root);
  unpackKept(root);
  dropTrailingParagraph(root);
  unwrapLoose(root);
  return root.innerHTML === "<p></p>" ? "" : lower(filled(root), written);
}

/** Text that stands in no paragraph gets one, and loses it again unless it has become more than that. */
function markLoose(body: HTMLElement): void {
  const isLoose = [...body.childNodes].every((node) => !(node instanceof Element) || isInline(node.localName));
  if (!isLoose || !body.textContent.trim()) return;
  const paragraph = body.ownerDocument.createElement("p");
  paragraph.setAttribute(LOOSE, "");
  paragraph.append(...body.childNodes);
  body.append(paragraph);
}

/** Elements of this document take a style as it is written; a browser would write it anew, and drop what only mail readers know. */
function keepingStyles(inert: Document): Document {
  const createElement = (name: string): HTMLElement =>
    Object.defineProperty(inert.createElement(name), "style", { value: undefined });
  return new Proxy(inert, {
    get(target, key) {
      if (key === "createElement") return createElement;
      const value = Reflect.get(target, key, target) as unknown;
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

function showChips(parsed: Document, written: string[]): void {
  const texts = parsed.createTreeWalker(parsed.body, NodeFilter.SHOW_TEXT);
  const marked: Text[] = [];
  while (texts.nextNode())
    if ((texts.currentNode as Text).data.search(MARK) >= 0) marked.push(texts.currentNode as Text);
  for (const text of marked) {
    const parts = text.data.split(MARK).map((part, index) => {
      if (index % 2 === 0) return part;
      const chip = parsed.createElement("span");
      chip.setAttribute(EXPRESSION, written[Number(part)] ?? "");
      return chip;
    });
    text.replaceWith(...parts);
  }
}

/** A list item or cell holds its first paragraph's text itself, unless it was written otherwise. */
function unbox(root: HTMLElement): void {
  for (const paragraph of root.querySelectorAll("li > p:first-child, td > p:first-child, th > p:first-child")) {
    const isAlone = [...(paragraph.parentElement?.children ?? [])].every(
      (one) => one === paragraph || one.localName !== "p",
    );
    if (isAlone && paragraph.attributes.length === 0) paragraph.replaceWith(...paragraph.childNodes);
  }
  for (const paragraph of root.querySelectorAll(`[${BOXED}]`)) paragraph.removeAttribute(BOXED);
}

function unwrapLoose(root: HTMLElement): void {
  for (const paragraph of root.querySelectorAll(`[${LOOSE}]`)) {
    paragraph.removeAttribute(LOOSE);
    if (root.childElementCount === 1 && paragraph.attributes.length === 0)
      paragraph.replaceWith(...paragraph.childNodes);
  }
}

/** The empty paragraph behind a table or line is a place for the cursor only. */
function dropTrailingParagraph(root: HTMLElement): void {
  const last = root.lastElementChild;
  const before = last?.previousElementSibling;
  if (before && /^(?:table|hr)$/.test(before.localName) && last.outerHTML === "<p></p>") last.remove();
}

/** An empty paragraph has no height in a mail, unless something is in it. */
function filled(root: HTMLElement): string {
  for (const paragraph of root.querySelectorAll("p:empty")) paragraph.append(root.ownerDocument.createElement("br"));
  return root.innerHTML;
}
