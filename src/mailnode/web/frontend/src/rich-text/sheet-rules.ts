// The style sheet that comes with what is pasted, written into the elements that it is about: nothing else of it comes along.

import { declarationsOf } from "./style";

const RULE = /([^{}]+)\{([^{}]*)\}/g;
const SIMPLE = /^(?:[a-z][a-z0-9]*)?(?:\.[\w-]+)?$/i;
const USEFUL =
  /^(?:color|background(?:-color)?|font(?:-.*)?|text-(?:align|decoration|transform|indent)|border(?:-.*)?|padding(?:-.*)?|margin(?:-.*)?|vertical-align|width|height|line-height|white-space|list-style(?:-.*)?)$/;

/** Write simple rules (`p`, `.xl65`, `p.MsoNormal`) into style attributes, before what stands there already. */
export function inlineRules(root: ParentNode, sheets: string[]): void {
  const rules = sheets.flatMap((sheet) => rulesIn(sheet));
  rules.sort((one, other) => Number(one.selector.includes(".")) - Number(other.selector.includes(".")));
  const styles = new Map<Element, string[]>();
  for (const { selector, style } of rules) {
    for (const element of root.querySelectorAll(selector)) styles.set(element, [...(styles.get(element) ?? []), style]);
  }
  for (const [element, own] of styles)
    element.setAttribute("style", [...own, element.getAttribute("style") ?? ""].filter(Boolean).join("; "));
}

function rulesIn(sheet: string): { selector: string; style: string }[] {
  const text = sheet
    .replace(/\/\*[^]*?\*\/|<!--|-->/g, "")
    .replace(/@[^{};]*(?:;|\{(?:[^{}]*\{[^{}]*\})*[^{}]*\})/g, "");
  return [...text.matchAll(RULE)].flatMap(([, selectors = "", body = ""]) => {
    const useful = declarationsOf(body).filter(
      ([property, value]) => USEFUL.test(property) && !/url\(|expression/i.test(value),
    );
    const style = useful.map(([property, value]) => `${property}: ${value}`).join("; ");
    const simple = selectors
      .split(",")
      .map((one) => one.trim())
      .filter((one) => one && SIMPLE.test(one));
    return style ? simple.map((selector) => ({ selector, style })) : [];
  });
}
