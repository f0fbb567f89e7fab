// What around the cursor can be repeated or shown on a condition, and moved: the innermost first.

import { type Editor, getMarkRange } from "@tiptap/core";
import type { Node as DocumentNode, Mark } from "@tiptap/pm/model";
import { closeHistory } from "@tiptap/pm/history";
import { AllSelection, type EditorState, NodeSelection, TextSelection, type Transaction } from "@tiptap/pm/state";
import { CARRIERS, type Directives, directivesOf, freshKey, isConditional, loopsAt } from "./directives";
import type { Loop } from "./scope";

const NAMES: Record<string, string> = {
  paragraph: "This paragraph",
  heading: "This heading",
  section: "This section",
  blockquote: "This quote",
  preformatted: "This preformatted text",
  bulletList: "The whole list",
  orderedList: "The whole list",
  listItem: "This list item",
  horizontalRule: "This line",
  table: "The whole table",
  tableRow: "This table row",
  tableCell: "This table cell",
  tableHeader: "This table cell",
  image: "This image",
  hardBreak: "This line break",
};

export interface Target {
  name: string;
  said: Directives;
  /** The loops around it, without its own. */
  loops: Loop[];
  /** Whether what stands before it has a condition, so that it may be the other case. */
  mayBeElse: boolean;
  /** Write its directives. */
  set: (tr: Transaction, said: Directives) => void;
  /** Where its content stands. */
  range: { from: number; to: number };
}

/** Give all targets of the selection. */
export function targetsHere({ state }: Editor): Target[] {
  const { selection } = state;
  const { $from } = selection;
  const found = [...selectedHere(state), ...markedHere(state)];
  for (let depth = $from.depth; depth >= 1; depth -= 1) {
    const node = $from.node(depth);
    if (!CARRIERS.includes(node.type.name)) continue;
    const before = $from.node(depth - 1).maybeChild($from.index(depth - 1) - 1);
    found.push(nodeTarget(node, $from.before(depth), before, loopsAt($from, depth)));
  }
  return found;
}

function selectedHere(state: EditorState): Target[] {
  const { selection, schema } = state;
  const { $from, $to, from, to } = selection;
  if (selection instanceof NodeSelection)
    return CARRIERS.includes(selection.node.type.name)
      ? [nodeTarget(selection.node, from, $from.nodeBefore, loopsAt($from))]
      : [];
  const isRange = selection instanceof TextSelection || selection instanceof AllSelection;
  if (!isRange || selection.empty) return [];
  const none = { each: null, if: null, else: null };
  const common = { said: none, mayBeElse: false, loops: loopsAt($from), range: { from, to } };
  const mark = (said: Directives): Mark => schema.mark("directive", { ...said, key: freshKey() });
  if ($from.sameParent($to) && $from.parent.inlineContent)
    return [{ ...common, name: "The selected text", set: (tr, said) => void tr.addMark(from, to, mark(said)) }];
  const range = $from.blockRange($to);
  const type = schema.nodes.section;
  if (!range || !type || !range.parent.canReplaceWith(range.startIndex, range.endIndex, type)) return [];
  return [
    {
      ...common,
      name: "The selected blocks, as one section",
      set: (tr, said) => void tr.wrap(range, [{ type, attrs: said }]),
    },
  ];
}

/** The pieces of a line around the cursor that already have directives. */
function markedHere({ selection, schema }: EditorState): Target[] {
  const { $from } = selection;
  const type = schema.marks.directive;
  if (!type) return [];
  return $from
    .marks()
    .filter((mark) => mark.type === type)
    .flatMap((mark) => {
      const range = getMarkRange($from, type, mark.attrs);
      if (!range) return [];
      const { from, to } = range;
      const { each = null, if: condition = null, else: otherwise = null } = mark.attrs as Partial<Directives>;
      return [
        {
          name: "This piece of text",
          said: { each, if: condition, else: otherwise },
          loops: loopsAt($from, $from.depth + 1),
          mayBeElse: otherwise !== null,
          range,
          set: (tr: Transaction, said: Directives): void => {
            tr.removeMark(from, to, mark);
            if (Object.values(said).some((one) => one !== null))
              tr.addMark(from, to, type.create({ ...said, key: freshKey() }));
          },
        },
      ];
    });
}

function nodeTarget(node: DocumentNode, at: number, before: DocumentNode | null, loops: Loop[]): Target {
  return {
    name: NAMES[node.type.name] ?? "This element",
    said: directivesOf(node),
    loops,
    mayBeElse: before !== null && isConditional(before),
    range: { from: at, to: at + node.nodeSize },
    set: (tr, said) => {
      for (const [name, value] of Object.entries(said)) tr.setNodeAttribute(at, name, value);
    },
  };
}

const USUAL = ["This image", "This table row", "This list item"];

/** Choose what is meant, unless the reader says otherwise: what is selected, what has the directive, the row or item. */
export function usualTarget(targets: Target[], has: (said: Directives) => boolean, ofSelection: boolean): number {
  const isSelected = ({ name }: Target): boolean => name.startsWith("The selected");
  const wanted = [
    (one: Target): boolean => ofSelection && isSelected(one),
    (one: Target): boolean => has(one.said),
    (one: Target): boolean => USUAL.includes(one.name),
    (one: Target): boolean => !isSelected(one),
  ];
  for (const fits of wanted) {
    const at = targets.findIndex(fits);
    if (at >= 0) return at;
  }
  return 0;
}

const MOVABLE = ["tableRow", "listItem"];

/** Move the row, the list item or the block with the cursor past its neighbour, with all that it says. */
export function moveHere(editor: Editor, by: -1 | 1): boolean {
  const { state, view } = editor;
  const { $from, from } = state.selection;
  const depths = Array.from({ length: $from.depth }, (_, index) => $from.depth - index);
  const depth = depths.find((one) => MOVABLE.includes($from.node(one).type.name)) ?? Math.min(1, $from.depth);
  if (depth < 1) return false;
  const [parent, index] = [$from.node(depth - 1), $from.index(depth - 1)];
  const other = parent.maybeChild(index + by);
  if (!other) return false;
  const moved = $from.node(depth);
  const at = $from.before(depth);
  const start = by < 0 ? at - other.nodeSize : at;
  const tr = closeHistory(state.tr).replaceWith(
    start,
    start + other.nodeSize + moved.nodeSize,
    by < 0 ? [moved, other] : [other, moved],
  );
  const to = from + (by < 0 ? -other.nodeSize : other.nodeSize);
  view.dispatch(tr.setSelection(TextSelection.near(tr.doc.resolve(to))).scrollIntoView());
  view.focus();
  return true;
}
