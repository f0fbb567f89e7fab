// The blocks that mail is written with beside paragraphs: sections, quotes, preformatted text, groups of table rows.

import { mergeAttributes, Mark, Node } from "@tiptap/core";
import { TableRow } from "@tiptap/extension-table";
import type { RowGroup } from "./directives";
import { NOT_INLINE } from "./html-loss";
import { isKeptName } from "./kept-attributes";

export const GROUP = "data-group";
export const HOLLOW = "data-hollow";

const SECTIONS = ["div", "section", "article", "header", "footer", "main", "aside", "center", "address", "figure"];
const SECTION = SECTIONS.join(", ");

/** Tell whether an element holds nothing but a line of text: it is a paragraph that is written otherwise. */
function isLine(element: Element): boolean {
  return !element.querySelector(NOT_INLINE);
}

/** Tell whether an element is a section: it holds other blocks. */
export function isSection(element: Element): boolean {
  return SECTIONS.includes(element.localName) && !isLine(element);
}

export const Paragraph = Node.create({
  name: "paragraph",
  priority: 1000,
  group: "block",
  content: "inline*",
  addAttributes: () => ({
    tag: { default: "p", rendered: false, parseHTML: ({ localName }) => localName },
    isHollow: {
      default: false,
      keepOnSplit: false,
      parseHTML: (element) => element.hasAttribute(HOLLOW),
      renderHTML: ({ isHollow }) => (isHollow ? { [HOLLOW]: "" } : {}),
    },
  }),
  parseHTML: () => [{ tag: "p" }, { tag: SECTION, getAttrs: (element) => (isLine(element) ? null : false) }],
  renderHTML: ({ node, HTMLAttributes }) => [String(node.attrs.tag), HTMLAttributes, 0],
  addKeyboardShortcuts() {
    return { "Mod-Alt-0": () => this.editor.commands.setNode("paragraph") };
  },
});

export const Section = Node.create({
  name: "section",
  group: "block",
  content: "block+",
  defining: true,
  addAttributes: () => ({ tag: { default: "div", rendered: false, parseHTML: ({ localName }) => localName } }),
  parseHTML: () => [{ tag: SECTION, getAttrs: (element) => (isLine(element) ? false : null) }],
  renderHTML: ({ node, HTMLAttributes }) => [String(node.attrs.tag), HTMLAttributes, 0],
});

export const Quote = Node.create({
  name: "blockquote",
  group: "block",
  content: "block+",
  defining: true,
  parseHTML: () => [{ tag: "blockquote" }],
  renderHTML: ({ HTMLAttributes }) => ["blockquote", HTMLAttributes, 0],
});

export const Preformatted = Node.create({
  name: "preformatted",
  group: "block",
  content: "inline*",
  whitespace: "pre",
  defining: true,
  parseHTML: () => [{ tag: "pre", preserveWhitespace: "full" }],
  renderHTML: ({ HTMLAttributes }) => ["pre", HTMLAttributes, 0],
  addKeyboardShortcuts() {
    return {
      // A line of it ends as a line of text does; twice leaves it.
      Enter: () => {
        const { $from, empty } = this.editor.state.selection;
        if ($from.parent.type !== this.type) return false;
        const isLast = empty && $from.parentOffset === $from.parent.content.size;
        if (isLast && /\n$/.test($from.parent.textContent))
          return this.editor
            .chain()
            .deleteRange({ from: $from.pos - 1, to: $from.pos })
            .insertContentAt($from.pos, { type: "paragraph" })
            .run();
        return this.editor.commands.insertContent({ type: "text", text: "\n" });
      },
    };
  },
});

const ELEMENTS = "abbr big cite code dfn ins kbd mark q samp small sub sup tt var".split(" ");

/** Elements within a line for which no tool stands, and spans that have no style. */
export const InlineElement = Mark.create({
  name: "inlineElement",
  excludes: "",
  addAttributes: () => ({ tag: { default: "span", rendered: false, parseHTML: ({ localName }) => localName } }),
  parseHTML: () => [
    { tag: ELEMENTS.join(", ") },
    {
      tag: "span:not([style])",
      getAttrs: ({ attributes }) => ([...attributes].some(({ name }) => isKeptName(name)) ? null : false),
    },
  ],
  renderHTML: ({ mark, HTMLAttributes }) => [String(mark.attrs.tag), mergeAttributes(HTMLAttributes), 0],
});

/** A row that knows in which group of rows it was written. */
export const Row = TableRow.extend({
  addAttributes: () => ({
    group: {
      default: null,
      keepOnSplit: false,
      parseHTML: (element) => groupFrom(element.getAttribute(GROUP)),
      renderHTML: ({ group }) => (group ? { [GROUP]: JSON.stringify(group) } : {}),
    },
  }),
});

/** Have each box that holds nothing say so, before what only keeps a line open is taken away. */
export function markHollow(root: ParentNode): void {
  for (const element of root.querySelectorAll(SECTION))
    if (!element.firstElementChild && !/[^ \t\r\n\f]/.test(element.textContent)) element.setAttribute(HOLLOW, "");
}

let groups = 0;

/** Have each row of a table that has a head, a foot or several bodies say in which of them it is. */
export function markGroups(root: ParentNode): void {
  for (const table of root.querySelectorAll("table")) {
    const bodies = [...table.children].filter((one): one is HTMLElement =>
      /^(?:tbody|thead|tfoot)$/.test(one.localName),
    );
    if (bodies.length === 1 && bodies[0]?.localName === "tbody" && bodies[0].attributes.length === 0) continue;
    for (const body of bodies) {
      const attributes = Object.fromEntries([...body.attributes].map(({ name, value }) => [name, value]));
      const group = JSON.stringify({ name: body.localName, id: (groups += 1), attributes });
      for (const row of body.children) if (row.localName === "tr") row.setAttribute(GROUP, group);
    }
  }
}

/** What was pasted may say anything. */
function groupFrom(said: string | null): RowGroup | null {
  try {
    const { name, id, attributes = {} } = JSON.parse(said ?? "null") as Partial<RowGroup>;
    if ((name !== "tbody" && name !== "thead" && name !== "tfoot") || typeof id !== "number") return null;
    const kept = Object.entries(attributes).filter(
      ([key, value]) => typeof value === "string" && (isKeptName(key) || /^data-(?:each|if|else)$/.test(key)),
    );
    return { name, id, attributes: Object.fromEntries(kept) };
  } catch {
    return null;
  }
}

/** Put the rows of a table back into their groups; a row that is new belongs to the group before it. */
export function regroup(root: ParentNode): void {
  for (const body of root.querySelectorAll(`tbody:has(> [${GROUP}])`)) {
    let current: { group: RowGroup; element: Element } | null = null;
    for (const row of [...body.children]) {
      const said = groupFrom(row.getAttribute(GROUP));
      row.removeAttribute(GROUP);
      const before: RowGroup | null = current?.group.name === "thead" ? null : (current?.group ?? null);
      const group: RowGroup = said ?? before ?? { name: "tbody", id: -1, attributes: {} };
      if (current?.group.id !== group.id) {
        const element = body.ownerDocument.createElement(group.name);
        for (const [name, value] of Object.entries(group.attributes)) element.setAttribute(name, value);
        body.before(element);
        current = { group, element };
      }
      current.element.append(row);
    }
    body.remove();
  }
}
