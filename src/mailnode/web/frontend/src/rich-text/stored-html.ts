// The stored HTML and the editor's document: one into the other, without a loss that can be avoided.

import {
  DOMParser as DocumentParser,
  DOMSerializer,
  type Fragment,
  type Node as DocumentNode,
  type Schema,
} from "@tiptap/pm/model";
import { dropSheets, parseInert } from "./inert-html";
import { unpackKept } from "./kept-attributes";
import { decodeEntities, lift, lower, MARK, markOf } from "./expression-marks";
import { DIRECTED } from "./directives";
import { HOLLOW, markGroups, markHollow, regroup } from "./blocks";
import { LOOSE, markLoose, unwrapLoose } from "./loose";

export const EXPRESSION = "data-expression";
export const BOXED = "data-boxed";

const LINES = "div, center, section, article, header, footer, main, aside, address, figure";
const FILLER = `:is(p:not([${LOOSE}]), ${LINES}) > br:only-child:not(${DIRECTED})`;

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
  markGroups(parsed.body);
  markHollow(parsed.body);
  showChips(parsed, written);
  for (const filler of parsed.querySelectorAll(FILLER)) {
    if (filler.parentNode?.childNodes.length === 1) filler.remove();
  }
  return parserOf(schema).parse(parsed.body);
}

/** A parser that goes by elements only: a style is kept as it was written, whatever it looks like. */
export function parserOf(schema: Schema): DocumentParser {
  const rules = DocumentParser.fromSchema(schema).rules.filter((rule) => !("style" in rule));
  return new DocumentParser(schema, rules);
}

/** Write the document as it is to be stored. */
export function writeStored(doc: DocumentNode): string {
  const inert = document.implementation.createHTMLDocument();
  const root = inert.createElement("div");
  root.append(
    DOMSerializer.fromSchema(doc.type.schema).serializeFragment(withoutTrailing(doc), {
      document: keepingStyles(inert),
    }),
  );
  const written: string[] = [];
  for (const chip of root.querySelectorAll(`[${EXPRESSION}]`)) {
    chip.replaceWith(markOf(written.length));
    written.push(chip.getAttribute(EXPRESSION) ?? "");
  }
  unbox(root);
  unpackKept(root);
  regroup(root);
  unwrapLoose(root);
  freeBlanks(root);
  return root.innerHTML === "<p></p>" ? "" : lower(filled(root), written);
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

/** Between a condition and its other case stands nothing but blanks, and no format of them. */
function freeBlanks(root: HTMLElement): void {
  for (const other of root.querySelectorAll("span[data-else]")) {
    const blank = other.previousElementSibling;
    if (blank && !blank.matches(DIRECTED) && !blank.firstElementChild && /^[ \t\r\n\f]+$/.test(blank.textContent))
      blank.replaceWith(...blank.childNodes);
  }
}

/** The empty paragraph behind a table or the like is a place for the cursor only. */
function withoutTrailing({ content, lastChild: last }: DocumentNode): Fragment {
  const before = content.maybeChild(content.childCount - 2);
  const isPlace =
    before && last?.type.name === "paragraph" && last.childCount === 0 && last.hasMarkup(last.type) && !isText(before);
  return isPlace ? content.cut(0, content.size - last.nodeSize) : content;
}

function isText({ type }: DocumentNode): boolean {
  return /^(?:paragraph|heading|bulletList|orderedList)$/.test(type.name);
}

/** An empty paragraph has no height in a mail, unless something is in it. */
function filled(root: HTMLElement): string {
  for (const paragraph of root.querySelectorAll(`:is(p, ${LINES}):empty:not([${HOLLOW}])`))
    paragraph.append(root.ownerDocument.createElement("br"));
  for (const hollow of root.querySelectorAll(`[${HOLLOW}]`)) hollow.removeAttribute(HOLLOW);
  return root.innerHTML;
}
