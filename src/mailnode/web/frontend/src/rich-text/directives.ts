// Repeat and show-if: attributes of any element, drawn as a labelled outline, which go where their element goes.

import { Extension, Mark } from "@tiptap/core";
import type { Node as DocumentNode, ResolvedPos } from "@tiptap/pm/model";
import { type EditorState, NodeSelection, Plugin, PluginKey, TextSelection } from "@tiptap/pm/state";
import { Decoration, DecorationSet, type EditorView } from "@tiptap/pm/view";
import { isInline } from "./html-loss";
import { type Loop, loopIn } from "./scope";

/** What an element says of itself; null where it does not. */
export interface Directives {
  each: string | null;
  if: string | null;
  else: string | null;
}

const NAMES = ["each", "if", "else"] as const;
export const DIRECTED = "[data-each], [data-if], [data-else]";

/** The nodes that can carry directives. */
export const CARRIERS = [
  ..."paragraph heading section blockquote preformatted bulletList orderedList listItem horizontalRule".split(" "),
  ..."table tableRow tableCell tableHeader image hardBreak".split(" "),
];

/** Read the directives of a node; a row also has those of the `<tbody>` that it began in. */
export function directivesOf(node: DocumentNode): Directives {
  const { each = null, if: condition = null, else: otherwise = null } = node.attrs as Partial<Directives>;
  return { each, if: condition, else: otherwise };
}

/** Say what directives do; a `problem` is one that the email would fail with. */
export function wordsFor({ each, if: condition, else: otherwise }: Directives): string {
  return [
    otherwise === null ? "" : "else",
    each === null ? "" : `for each ${each}`,
    condition === null ? "" : `only if ${condition}`,
  ]
    .filter(Boolean)
    .join(", ");
}

function attributes(): Record<string, object> {
  return Object.fromEntries(
    NAMES.map((name) => [
      name,
      {
        default: null,
        keepOnSplit: false,
        parseHTML: (element: HTMLElement) => element.getAttribute(`data-${name}`),
        renderHTML: (attrs: Record<string, unknown>) =>
          typeof attrs[name] === "string" ? { [`data-${name}`]: attrs[name] } : {},
      },
    ]),
  );
}

/** The attributes on every block and image, and their labels in the view. */
export const DirectiveAttributes = Extension.create({
  name: "directives",
  addGlobalAttributes: () => [{ types: CARRIERS, attributes: attributes() }],
  addProseMirrorPlugins: () => [
    new Plugin<DecorationSet>({
      key: new PluginKey("directives"),
      state: {
        init: (_, { doc }) => labels(doc),
        apply: (tr, before) => (tr.docChanged ? labels(tr.doc) : before),
      },
      props: {
        decorations(state) {
          return this.getState(state);
        },
      },
    }),
  ],
});

let keys = 0;

/** Directives of an element within a line: one span around it, which does not join another that says the same. */
export const DirectiveMark = Mark.create({
  name: "directive",
  priority: 1200, // the outermost, so that what it holds stays one piece
  inclusive: false,
  excludes: "",
  addAttributes: () => ({ ...attributes(), key: { default: 0, rendered: false, parseHTML: () => freshKey() } }),
  parseHTML: () => [
    {
      tag: DIRECTED,
      priority: 1200,
      consuming: false,
      getAttrs: ({ localName }) => (isInline(localName) && !/^(?:img|br)$/.test(localName) ? null : false),
    },
  ],
  renderHTML: ({ HTMLAttributes }) => ["span", HTMLAttributes, 0],
});

export function freshKey(): number {
  return (keys += 1);
}

function labels(doc: DocumentNode): DecorationSet {
  const found: Decoration[] = [];
  doc.descendants((node, position, parent, index) => {
    if (node.isText) return;
    const before = parent && index > 0 ? parent.child(index - 1) : null;
    const words = [groupWords(node, before), wordsFor(directivesOf(node))].filter(Boolean).join("; ");
    if (!words) return;
    const isLost = node.attrs.else !== null && node.attrs.else !== undefined && !(before && isConditional(before));
    const label = isLost ? `${words} (nothing to be the other case of stands before it)` : words;
    const shown = { "data-label": label, title: label, class: isLost ? "directed misplaced" : "directed" };
    found.push(Decoration.node(position, position + node.nodeSize, shown));
    // A row has no room of its own for a label: its first cell shows it.
    const cell = node.type.name === "tableRow" ? node.firstChild : null;
    if (cell)
      found.push(
        Decoration.node(position + 1, position + 1 + cell.nodeSize, { "data-row-label": label, title: label }),
      );
  });
  return DecorationSet.create(doc, found);
}

const LABEL_HEIGHT = 20;

/** Give the position of the node whose label was clicked, with the cursor put into it; null when none was. */
export function labelledAt(view: EditorView, event: MouseEvent): number | null {
  const { target } = event;
  if (!(target instanceof HTMLElement) || !target.matches("[data-label], [data-row-label]")) return null;
  const { top } = target.getBoundingClientRect();
  if (event.clientY - top > parseFloat(getComputedStyle(target).paddingTop) + LABEL_HEIGHT) return null;
  const labelled = target.dataset.rowLabel === undefined ? target : (target.closest("tr") ?? target);
  const inside = view.posAtDOM(labelled, 0);
  const $inside = view.state.doc.resolve(inside);
  view.dispatch(view.state.tr.setSelection(TextSelection.near($inside)));
  return labelled.matches(".picture, .stand-in, hr") ? inside : $inside.before();
}

function groupWords(row: DocumentNode, before: DocumentNode | null): string {
  const group = groupOf(row);
  if (!group || (before && groupOf(before)?.id === group.id)) return "";
  return wordsFor(directivesIn(group.attributes));
}

/** Tell whether an `else` may follow. */
export function isConditional(node: DocumentNode): boolean {
  const { each, if: condition } = directivesOf(node);
  return each !== null || condition !== null;
}

export interface RowGroup {
  name: "tbody" | "thead" | "tfoot";
  id: number;
  attributes: Record<string, string>;
}

export function groupOf(row: DocumentNode): RowGroup | null {
  return (row.attrs.group as RowGroup | null | undefined) ?? null;
}

function directivesIn(written: Record<string, string>): Directives {
  return {
    each: written["data-each"] ?? null,
    if: written["data-if"] ?? null,
    else: written["data-else"] ?? null,
  };
}

/** Give the loops around a place, the outermost first; within `below` only those above that depth. */
export function loopsAt($at: ResolvedPos, below = Infinity): Loop[] {
  const said: (string | null | undefined)[] = [];
  for (let depth = 1; depth <= $at.depth && depth < below; depth += 1) {
    const node = $at.node(depth);
    said.push(groupOf(node)?.attributes["data-each"], directivesOf(node).each);
  }
  if (below === Infinity) for (const mark of $at.marks()) said.push(mark.attrs.each as string | undefined);
  return said.flatMap((each) => (each ? (loopIn(each) ?? []) : []));
}

/** Give the loops around the selection: within the image, if one is selected. */
export function loopsHere({ selection }: EditorState): Loop[] {
  const loops = loopsAt(selection.$from);
  const own = selection instanceof NodeSelection ? directivesOf(selection.node).each : null;
  return own ? [...loops, ...[loopIn(own)].filter((loop) => loop !== null)] : loops;
}
