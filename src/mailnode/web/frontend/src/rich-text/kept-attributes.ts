// Attributes that no tool here sets but that a mail was written with: kept as they are, and shown where they are style.

import { Extension } from "@tiptap/core";
import { styleWithout } from "./style";

const NAMES = new Set(
  "align aria-hidden aria-label bgcolor border cellpadding cellspacing class dir height id lang role scope style summary title valign width".split(
    " ",
  ),
);
const CARRIER = "data-kept";

// What the tools set themselves, by the type that they set it on.
const OWN: Record<string, { attributes?: string[]; properties?: string[] }> = {
  paragraph: { properties: ["text-align"] },
  heading: { properties: ["text-align"] },
  section: {},
  blockquote: {},
  preformatted: {},
  bulletList: {},
  orderedList: {},
  listItem: {},
  horizontalRule: {},
  table: {},
  tableRow: {},
  tableCell: {},
  tableHeader: {},
  image: { attributes: ["title", "width", "height"] },
  link: { attributes: ["class", "title"] },
  bold: {},
  italic: {},
  underline: {},
  strike: {},
  inlineElement: {},
  textStyle: { properties: ["color", "background-color"] },
};

export function isKeptName(name: string): boolean {
  return NAMES.has(name);
}

type Kept = Record<string, string>;

export const KeptAttributes = Extension.create({
  name: "keptAttributes",
  addGlobalAttributes() {
    return Object.entries(OWN).map(([type, { attributes = [], properties = [] }]) => ({
      types: [type],
      attributes: {
        kept: {
          default: null,
          keepOnSplit: true,
          parseHTML: (element: HTMLElement) => keptOf(element, attributes, properties),
          renderHTML: ({ kept }: { kept?: Kept | null }) => {
            if (!kept) return {};
            const { style, ...others } = kept;
            return {
              ...(style ? { style } : {}),
              ...(Object.keys(others).length ? { [CARRIER]: JSON.stringify(others) } : {}),
            };
          },
        },
      },
    }));
  },
});

function keptOf(element: HTMLElement, attributes: string[], properties: string[]): Kept | null {
  const kept: Kept = {};
  for (const [name, value] of [...element.attributes]
    .map(({ name, value }): [string, unknown] => [name, value])
    .concat(carriedBy(element))) {
    if (!NAMES.has(name) || attributes.includes(name) || typeof value !== "string") continue;
    const left = name === "style" ? styleWithout(value, properties) : value;
    if (left) kept[name] = left;
  }
  return Object.keys(kept).length ? kept : null;
}

/** Put what was carried through the editor back into attributes of their own. */
export function unpackKept(root: ParentNode): void {
  for (const element of root.querySelectorAll(`[${CARRIER}]`)) {
    for (const [name, value] of carriedBy(element)) element.setAttribute(name, String(value));
    element.removeAttribute(CARRIER);
  }
}

/** What a carrier says; one that was pasted may say anything. */
function carriedBy(element: Element): [string, unknown][] {
  try {
    const carried = JSON.parse(element.getAttribute(CARRIER) ?? "{}") as unknown;
    return Object.entries(carried ?? {}).filter(([name]) => NAMES.has(name) && name !== "style");
  } catch {
    return [];
  }
}
