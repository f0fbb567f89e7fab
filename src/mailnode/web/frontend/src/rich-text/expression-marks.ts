// Expressions lifted out of HTML before a parser sees it, so that each comes back byte for byte.

import { expressionEnd } from "./expression";

// Noncharacters, which no text holds (Unicode 23.7): a mark is the number of an expression between two of them.
const BEFORE = "\uFDD0";
const AFTER = "\uFDD1";
export const MARK = new RegExp(`${BEFORE}(\\d+)${AFTER}`, "g");

const OPENING = /(\{\{\{?)|<!--(?!\[if\b)(?:>|->|[^]*?(?:--!?>|$(?![^])))/gi;
const ENTITY = /&(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,31});/gi;
const TAG = /<\/?[A-Za-z][^<>]*>|<!--/;
const STRING = /"(?:[^"\\]|\\[^])*"|'(?:[^'\\]|\\[^])*'|`(?:[^`\\]|\\[^])*`/g;

export interface Lifted {
  marked: string;
  /** Each expression as it was written, braces and entities included. */
  written: string[];
}

/** Put marks in the places of expressions; one that a tag cuts, or that has no end, is left as text. */
export function lift(html: string): Lifted {
  const decoded = new Decoded(html);
  const written: string[] = [];
  let marked = "";
  let position = 0;
  OPENING.lastIndex = 0;
  for (let opening = OPENING.exec(html); opening; opening = OPENING.exec(html)) {
    const braces = opening[1]?.length ?? 0;
    const end = braces ? endOf(html, decoded, opening.index, braces) : null;
    if (end === null) continue;
    marked += html.slice(position, opening.index) + markOf(written.length);
    written.push(html.slice(opening.index, end));
    position = OPENING.lastIndex = end;
  }
  return { marked: marked + html.slice(position), written };
}

function endOf(html: string, decoded: Decoded, start: number, braces: number): number | null {
  const begin = decoded.fromHtml(start + braces);
  const end = expressionEnd(decoded.text, begin, "}".repeat(braces));
  if (end === null || !decoded.text.slice(begin, end).trim()) return null;
  const close = decoded.toHtml(end);
  const inner = html.slice(start + braces, close);
  // Who writes {{{ }}} by hand may mean a tag in a string; elsewhere a tag is formatting.
  const code = braces === 3 ? inner.replace(STRING, "") : inner;
  return TAG.test(code) ? null : decoded.toHtml(end + braces);
}

/** Put the expressions back in the places of their marks. */
export function lower(marked: string, written: string[]): string {
  return marked.replace(MARK, (_, number: string) => written[Number(number)] ?? "");
}

/** The mark of the expression with this number. */
export function markOf(number: number): string {
  return `${BEFORE}${number}${AFTER}`;
}

/** Decode the character references of a text that holds no tag, or only such as are text here. */
export function decodeEntities(text: string): string {
  return text.replace(ENTITY, decodeOne);
}

export function encodeEntities(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

const decoder = document.implementation.createHTMLDocument().createElement("textarea");

function decodeOne(entity: string): string {
  decoder.innerHTML = entity;
  return decoder.value;
}

/** HTML with its character references decoded, and the way between offsets in the two. */
class Decoded {
  readonly text: string;
  private readonly here = [0]; // where literal text (even) and references (odd) begin, here and in the HTML
  private readonly there = [0];

  constructor(html: string) {
    let text = "";
    for (const entity of html.matchAll(ENTITY)) {
      text += html.slice(this.there.at(-1), entity.index);
      this.here.push(text.length);
      text += decodeOne(entity[0]);
      this.here.push(text.length);
      this.there.push(entity.index, entity.index + entity[0].length);
    }
    this.text = text + html.slice(this.there.at(-1));
  }

  fromHtml(offset: number): number {
    return translate(offset, this.there, this.here);
  }

  toHtml(offset: number): number {
    return translate(offset, this.here, this.there);
  }
}

function translate(offset: number, source: number[], target: number[]): number {
  const piece = source.findLastIndex((begin) => begin <= offset);
  const isLiteral = piece % 2 === 0;
  return (target[piece] ?? 0) + (isLiteral ? offset - (source[piece] ?? 0) : 0);
}
