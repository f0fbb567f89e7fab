// What other programs put on the clipboard, made into what this editor keeps: Word, Outlook, Gmail, Google Docs, Excel, pages.

import { markGroups } from "./blocks";
import { isInline } from "./html-loss";
import { dropSheets, parseInert, plainName, sheetsIn } from "./inert-html";
import { inlineRules } from "./sheet-rules";
import { declarationsOf } from "./style";
import { isSafeUrl } from "./url";
import { makeLists } from "./word-lists";

export interface Pasted {
  html: string;
  /** What could not be kept, and how many of it: `2 images that are not on the web`. */
  lost: string[];
}

// Copied here: it is as it is to be.
const OURS = /\bdata-pm-slice=/;
const UNSEEN = "script, template, meta, link, title, base, noscript, xml, o\\:p:empty, col, colgroup";
const LOST: [selector: string, one: string, many: string][] = [
  ["iframe, object, embed, frame", "embedded page", "embedded pages"],
  ["video, audio", "video or sound", "videos or sounds"],
  ["svg, canvas, math", "drawing or formula", "drawings or formulas"],
  ["input, select, textarea, button", "field or button of a form", "fields or buttons of forms"],
];
const IMAGE = ["image that is not on the web", "images that are not on the web"] as const;
const LINK = ["link to an address that no email may have", "links to addresses that no email may have"] as const;
const SIZES = ["", "10px", "13px", "16px", "18px", "24px", "32px", "48px"];

/** Make what was pasted into what is kept; nothing of it comes to life. */
export function readPasted(html: string): Pasted {
  const parsed = parseInert(html);
  const sheets = sheetsIn(parsed);
  const { body } = parsed;
  dropSheets(parsed);
  for (const element of body.querySelectorAll("script, template")) element.remove();
  dropHandlers(body);
  if (OURS.test(html)) return { html: body.innerHTML, lost: [] };
  dropComments(body);
  const lost = dropLost(body);
  for (const element of body.querySelectorAll(UNSEEN)) element.remove();
  inlineRules(body, sheets);
  makeLists(body);
  modernize(body);
  for (const element of body.querySelectorAll("*")) tidy(element);
  unwrapIdle(body);
  markGroups(body);
  for (const filler of body.querySelectorAll(":is(p, div) > br:only-child"))
    if (filler.parentNode?.childNodes.length === 1) filler.remove();
  return { html: body.innerHTML, lost };
}

function dropHandlers(body: Element): void {
  for (const element of body.querySelectorAll("*")) {
    for (const { name } of [...element.attributes]) if (plainName(name) !== name) element.removeAttribute(name);
  }
}

function dropComments(body: Element): void {
  const comments = body.ownerDocument.createTreeWalker(body, NodeFilter.SHOW_COMMENT);
  const found: Node[] = [];
  while (comments.nextNode()) found.push(comments.currentNode);
  for (const comment of found) (comment as Comment).remove();
}

function dropLost(body: Element): string[] {
  const lost = new Map<readonly [string, string], number>();
  const count = (what: readonly [string, string]): unknown => lost.set(what, (lost.get(what) ?? 0) + 1);
  for (const [selector, one, many] of LOST) {
    const what = [one, many] as const;
    for (const element of body.querySelectorAll(selector)) {
      if (!body.contains(element) || element.getAttribute("type") === "hidden") continue;
      count(what);
      if (element.localName === "button") element.replaceWith(...element.childNodes);
      else element.remove();
    }
  }
  for (const image of body.querySelectorAll("img")) {
    const address = image.getAttribute("src") ?? "";
    if (isSafeUrl(address, true) && /^(?:https?:|data:|\/\/|\{\{)/i.test(address)) continue;
    if (!isTiny(image)) count(IMAGE);
    image.remove();
  }
  for (const link of body.querySelectorAll("a[href]")) {
    if (isSafeUrl(link.getAttribute("href") ?? "")) continue;
    count(LINK);
    link.replaceWith(...link.childNodes);
  }
  return [...lost].map(([[one, many], number]) => `${number} ${number === 1 ? one : many}`);
}

/** An image that only counts who reads is none. */
function isTiny(image: Element): boolean {
  return ["width", "height"].every((name) => /^[01](?:px)?$/.test(image.getAttribute(name) ?? ""));
}

/** Put styles and elements of today in the place of older ones, so that the tools of the editor know them. */
export function modernize(body: Element): void {
  for (const font of body.querySelectorAll<HTMLElement>("font")) {
    const size = SIZES[Number(font.getAttribute("size") ?? "0")] ?? "";
    const styles: [string, string | null][] = [
      ["color", font.getAttribute("color")],
      ["font-family", font.getAttribute("face")],
      ["font-size", size],
    ];
    const said = styles.flatMap(([name, value]) => (value ? [`${name}: ${value}`] : []));
    const span = renamed(font, "span");
    for (const name of ["color", "face", "size"]) span.removeAttribute(name);
    const own = span.getAttribute("style");
    if (own || said.length) span.setAttribute("style", [...said, ...(own ? [own] : [])].join("; "));
  }
  for (const office of body.querySelectorAll("o\\:p, st1\\:place, st1\\:city"))
    office.replaceWith(...office.childNodes);
  for (const bold of body.querySelectorAll("b, strong")) {
    const declarations = declarationsOf(bold.getAttribute("style") ?? "");
    if (declarations.some(([name, value]) => name === "font-weight" && /^(?:normal|400)$/.test(value)))
      renamed(bold, "span");
  }
  for (const span of body.querySelectorAll("span[style]")) formatsOf(span);
}

const FORMATS: [property: string, value: RegExp, name: string][] = [
  ["font-weight", /^(?:bold|bolder|[6-9]00)$/, "strong"],
  ["font-style", /^italic$/, "em"],
  ["text-decoration", /^underline\b/, "u"],
  ["text-decoration", /^line-through\b/, "s"],
  ["vertical-align", /^super$/, "sup"],
  ["vertical-align", /^sub$/, "sub"],
];

/** A style that a tool of the editor makes an element for becomes that element. */
function formatsOf(span: Element): void {
  const declarations = declarationsOf(span.getAttribute("style") ?? "");
  for (const [property, value, name] of FORMATS) {
    const at = declarations.findIndex(([one, said]) => one === property && value.test(said));
    if (at < 0) continue;
    declarations.splice(at, 1);
    const format = span.ownerDocument.createElement(name);
    format.append(...span.childNodes);
    span.append(format);
  }
  setStyle(span, declarations);
}

function renamed(element: Element, name: string): Element {
  const made = element.ownerDocument.createElement(name);
  for (const { name: key, value } of element.attributes) made.setAttribute(key, value);
  made.append(...element.childNodes);
  element.replaceWith(made);
  return made;
}

// What programs write down although it is so anyway, or means nothing outside of them.
const IDLE_NAME =
  /^(?:mso-.*|-webkit-.*|-moz-.*|-ms-.*|orphans|widows|tab-stops|page-break.*|text-autospace|layout-grid.*|punctuation-wrap|font-variant.*|font-feature.*|font-kerning|font-stretch|font-optical.*|font-size-adjust|font-language.*|text-decoration-.+|text-justify|text-underline.*|white-space.*|word-spacing|letter-spacing|position|top|left|right|bottom|z-index|inset|float|unicode-bidi|caret-color|cursor|outline.*|overflow.*|text-size-adjust|panose.*|text-wrap.*)$/;
const IDLE_VALUE = /^(?:initial|inherit|unset|normal|windowtext|transparent|start|auto|none|rgba\(0, 0, 0, 0\))$/i;
const KEPT_VALUE = /^(?:border|text-decoration|list-style)/;

function tidy(element: Element): void {
  const isWord = /\bMso/.test(element.className);
  const style = element.getAttribute("style");
  if (style !== null || isWord) {
    const declarations = declarationsOf(style ?? "").filter(
      ([name, value]) =>
        !IDLE_NAME.test(name) && (KEPT_VALUE.test(name) || !IDLE_VALUE.test(value)) && !isDefault(element, name, value),
    );
    // Word's paragraphs have no space between them, unless they say so.
    if (isWord && element.localName === "p" && !declarations.some(([name]) => name.startsWith("margin")))
      declarations.push(["margin", "0"]);
    setStyle(element, declarations);
  }
  for (const { name } of [...element.attributes]) {
    if (/^(?:id|lang|xml:lang|data-.*|aria-.*|role|jslang|tabindex)$/.test(name)) element.removeAttribute(name);
  }
  if (element.className && !/^gmail_/.test(element.className)) element.removeAttribute("class");
  // A blank alone is how Word writes an empty line.
  if (element.localName === "p" && /^\u00a0?\s*$/.test(element.textContent) && !element.querySelector("img, br"))
    element.replaceChildren(element.ownerDocument.createElement("br"));
}

function isDefault(element: Element, name: string, value: string): boolean {
  if (name === "text-indent") return /^0/.test(value);
  if (name === "font-weight") return value === "400" && !element.closest("b, strong, th, h1, h2, h3, h4, h5, h6");
  return name === "display" && value === "inline";
}

function setStyle(element: Element, declarations: [string, string][]): void {
  if (declarations.length === 0) element.removeAttribute("style");
  else element.setAttribute("style", declarations.map(([name, value]) => `${name}: ${value}`).join("; "));
}

/** Take away elements that say nothing any more: spans without a style, boxes around blocks. */
function unwrapIdle(body: Element): void {
  for (const element of body.querySelectorAll("span, div, section, article, form, label")) {
    const isBox = [...element.children].some(({ localName }) => !isInline(localName));
    const isIdle = /^(?:span|form|label)$/.test(element.localName) || isBox;
    if (element.attributes.length === 0 && isIdle) element.replaceWith(...element.childNodes);
  }
}
