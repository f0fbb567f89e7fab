// What becomes of HTML that the rich text view can't keep as it is: whether it can be converted, and what is then left of it.

import { decodeEntities, lift } from "./expression-marks";
import { parseInert } from "./inert-html";
import { modernize } from "./pasted";

const MJML = /<mj(?:ml|-[a-z-]+)[\s>]/i;
const LAYOUT = /<style[\s>]|<link\s[^>]*stylesheet|<!--\[if\b|<!\[if\b|<v:|xmlns:v=/i;

/** Say why HTML stays HTML, in a sentence; nothing when it can be converted. */
export function reasonToStay(html: string): string {
  if (MJML.test(html)) return "This is MJML: it becomes the HTML of the email when that is made, and stays as source.";
  if (!LAYOUT.test(html)) return "";
  return (
    "This is HTML with a style sheet or with parts for certain mail programs, which rich text can't keep: " +
    "it stays as source."
  );
}

/** Put elements of today in the place of older ones, so that less is lost. */
export function modernized(html: string): string {
  const { marked, written } = lift(html);
  // Where expressions stand in more than text, what was written is left alone.
  if (!/<(?:font|center)[\s>]/i.test(marked)) return html;
  const { body } = parseInert(marked);
  modernize(body);
  return body.innerHTML.replace(/\uFDD0(\d+)\uFDD1/g, (_, number: string) => written[Number(number)] ?? "");
}

/** Say which of the things that matter are all kept, and which are not. */
export function keptIn(before: string, after: string): { kept: string[]; lost: string[] } {
  const [was, is] = [countsOf(before), countsOf(after)];
  const kept: string[] = [];
  const lost: string[] = [];
  for (const [name, values] of Object.entries(was)) {
    const left = [...(is[name] ?? [])];
    const missing = values.filter((value) => {
      const at = left.indexOf(value);
      if (at >= 0) left.splice(at, 1);
      return at < 0;
    });
    if (values.length && missing.length === 0) kept.push(name);
    else if (missing.length) lost.push(name === "text" ? "some of the text" : `${missing.length} of its ${name}`);
  }
  return { kept, lost };
}

function countsOf(html: string): Record<string, string[]> {
  const { marked, written } = lift(html);
  const { body } = parseInert(marked);
  const all = (selector: string, name: string): string[] =>
    [...body.querySelectorAll(selector)].map((element) => element.getAttribute(name) ?? "");
  const text = body.textContent.replace(/\uFDD0\d+\uFDD1/g, "").replace(/\s+/g, "");
  return {
    text: text ? [text] : [],
    links: all("a[href]", "href"),
    images: all("img[src]", "src"),
    expressions: written.map((one) => decodeEntities(one)),
  };
}
