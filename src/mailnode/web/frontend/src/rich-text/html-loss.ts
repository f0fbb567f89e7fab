// Whether two pieces of HTML say the same: attribute order, the nesting of inline marks and blanks that no reader sees apart.

import { decodeEntities, lift, type Lifted, MARK } from "./expression-marks";
import { innerOf } from "./expression";
import { parseInert, plainName } from "./inert-html";
import { declarationsOf } from "./style";

const INLINE = new Set(
  "a abbr b big cite code del dfn em font i ins kbd label mark q s samp small span strike strong sub sup tt u var".split(
    " ",
  ),
);
const SAME_LOOK: Record<string, string> = { b: "strong", i: "em", strike: "s", del: "s" };
const FILLED = new Set(["p", "div", "center", "section", "article"]);
const LEAVES = new Set(["img", "br", "hr", "input", "wbr"]);

const DIRECTIVE = /^data-(?:each|if|else)=/;

/** Selects what is no part of a line. */
export const NOT_INLINE = `:not(${[...INLINE, "img", "br"].join(", ")})`;

export function isInline(name: string): boolean {
  return INLINE.has(name) || name === "img" || name === "br";
}

interface Piece {
  kind: "edge" | "text" | "leaf";
  token: string;
  marks: string;
}

/** Tell what `before` has and `after` lacks, as words for a reader (`<div>`, `style of <p>`); empty when they are the same. */
export function lossOf(before: string, after: string): string[] {
  const was = piecesOf(before);
  const is = piecesOf(after);
  if (JSON.stringify(was) === JSON.stringify(is)) return [];
  const left = new Map<string, number>();
  for (const word of namesIn(after)) left.set(word, (left.get(word) ?? 0) + 1);
  const lost = new Set<string>();
  for (const word of namesIn(before)) {
    const count = left.get(word) ?? 0;
    if (count === 0) lost.add(word);
    else left.set(word, count - 1);
  }
  // Of an element that is lost its attributes go without saying.
  const named = [...lost].filter((word) => !(word.includes(" of ") && lost.has(word.replace(/^.* of /, ""))));
  return named.length ? named : ["the arrangement of its elements"];
}

function piecesOf(html: string): Piece[] {
  const lifted = lift(html);
  const parsed = parseInert(lifted.marked);
  const walk = new Walk(lifted);
  const frame: Node[] = [parsed, parsed.documentElement, parsed.head, parsed.body];
  for (const outer of frame) {
    if (outer instanceof Element && outer.attributes.length) walk.edge(tokensOf(outer, lifted).join(" "));
    for (const child of outer.childNodes) if (!frame.includes(child)) walk.node(child, []);
    walk.edge("end");
  }
  return walk.pieces;
}

class Walk {
  readonly pieces: Piece[] = [];
  private isPreformatted = false;

  constructor(private readonly lifted: Lifted) {}

  node(node: Node, marks: string[]): void {
    if (node instanceof Text) this.text(node.data, marks);
    else if (node instanceof DocumentType) this.edge("<!doctype>");
    else if (node instanceof Comment) this.edge(`<!--${node.data}-->`);
    else if (node instanceof Element) this.element(node, marks);
  }

  private element(element: Element, marks: string[]): void {
    const tokens = tokensOf(element, this.lifted);
    const name = plainName(element.localName);
    if (LEAVES.has(name)) {
      if (name === "br" && isFiller(element)) return;
      if (name !== "img") this.trimEnd();
      this.pieces.push({ kind: "leaf", token: tokens.join(" "), marks: said(marks) });
    } else if (INLINE.has(name)) {
      this.inline(element, name === "span" ? tokens.slice(1) : tokens, marks);
    } else {
      const isImplied = name === "tbody" && tokens.length === 1;
      if (!isImplied) this.edge(tokens.join(" "));
      const isOuter = this.isPreformatted;
      this.isPreformatted ||= name === "pre";
      for (const child of element.childNodes) this.node(child, marks);
      if (!isImplied) this.edge(`</${name}>`);
      this.isPreformatted = isOuter;
    }
  }

  /** What is repeated or shown on a condition begins and ends somewhere, whatever else it is. */
  private inline(element: Element, tokens: string[], marks: string[]): void {
    const directives = tokens.filter((token) => DIRECTIVE.test(token));
    const others = tokens.filter((token) => !DIRECTIVE.test(token));
    const leaf = (token: string): unknown => this.pieces.push({ kind: "leaf", token, marks: "" });
    if (directives.length) leaf(`<${directives.join(" ")}>`);
    for (const child of element.childNodes) this.node(child, [...marks, ...others]);
    if (directives.length) leaf("</>");
  }

  edge(token: string): void {
    this.trimEnd();
    this.pieces.push({ kind: "edge", token, marks: "" });
  }

  private text(data: string, marks: string[]): void {
    data.split(MARK).forEach((part, index) => {
      if (index % 2 === 0) this.plain(part, marks);
      else
        this.pieces.push({
          kind: "leaf",
          token: `{{${meantBy(this.lifted.written[Number(part)] ?? "")}`,
          marks: said(marks),
        });
    });
  }

  private plain(data: string, marks: string[]): void {
    let token = this.isPreformatted ? data : data.replace(/[ \t\r\n\f]+/g, " ");
    const last = this.pieces.at(-1);
    const isAtStart =
      !last || last.kind === "edge" || last.token === "br" || (last.kind === "text" && last.token.endsWith(" "));
    if (isAtStart && !this.isPreformatted) token = token.replace(/^ /, "");
    if (!token) return;
    if (last?.kind === "text" && last.marks === said(marks)) last.token += token;
    else this.pieces.push({ kind: "text", token, marks: said(marks) });
  }

  private trimEnd(): void {
    const last = this.pieces.at(-1);
    if (last?.kind !== "text" || this.isPreformatted) return;
    last.token = last.token.replace(/ $/, "");
    if (!last.token) this.pieces.pop();
  }
}

/** A line break that alone keeps a paragraph open is no content. */
function isFiller(element: Element): boolean {
  const parent = element.parentElement;
  return parent !== null && FILLED.has(parent.localName) && parent.childNodes.length === 1;
}

function said(marks: string[]): string {
  return [...new Set(marks)].sort().join(" ");
}

/** Give the name of an element and its attributes, a style as its declarations. */
function tokensOf(element: Element, lifted: Lifted): string[] {
  const attributes = [...element.attributes].flatMap(({ name, value }) => {
    const meant = value.replace(MARK, (_, number: string) => `{{${meantBy(lifted.written[Number(number)] ?? "")}}}`);
    return name === "style"
      ? declarationsOf(meant).map((one) => `{${one.join(": ")}}`)
      : [`${plainName(name)}=${JSON.stringify(meant)}`];
  });
  return [nameOf(element), ...attributes.sort()];
}

function nameOf(element: Element): string {
  const name = plainName(element.localName);
  return SAME_LOOK[name] ?? name;
}

function meantBy(written: string): string {
  return (written.startsWith("{{{") ? "{" : "") + innerOf(decodeEntities(written));
}

function* namesIn(html: string): Iterable<string> {
  const parsed = parseInert(lift(html).marked);
  for (const element of parsed.querySelectorAll("head > *, body *")) {
    const name = nameOf(element);
    yield `<${name}>`;
    for (const attribute of element.attributes) yield `${plainName(attribute.name)} of <${name}>`;
  }
  if (parsed.doctype) yield "<!doctype>";
  if (/<!--/.test(html)) yield "comments";
}
