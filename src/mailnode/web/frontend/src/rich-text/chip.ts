// Expressions as chips: one node that shows the expression and keeps it as it was written.

import { type Editor, Node } from "@tiptap/core";
import type { Node as DocumentNode } from "@tiptap/pm/model";
import { type EditorState, NodeSelection, Plugin, type Transaction } from "@tiptap/pm/state";
import { expressionsIn, innerOf } from "./expression";
import { decodeEntities, encodeEntities, lift, markOf } from "./expression-marks";
import { EXPRESSION } from "./stored-html";

/** Set on a transaction that wants chips made although it changes nothing. */
export const SETTLE = "settle";

export interface ChipOptions {
  edit: (editor: Editor, position: number) => void;
}

export const Chip = Node.create<ChipOptions>({
  name: "expression",
  group: "inline",
  inline: true,
  atom: true,
  selectable: true,
  priority: 1100,

  addOptions: () => ({ edit: () => {} }),

  addAttributes: () => ({
    written: { default: "", rendered: false, parseHTML: (element) => element.getAttribute(EXPRESSION) },
  }),

  // What was pasted may carry anything: it is a chip only if it is one expression.
  parseHTML: () => [
    {
      tag: `span[${EXPRESSION}]`,
      priority: 100,
      getAttrs: (element) => (lift(element.getAttribute(EXPRESSION) ?? "").marked === markOf(0) ? null : false),
    },
  ],

  renderHTML: ({ node }) => ["span", { class: "chip", [EXPRESSION]: writtenIn(node) }, innerOf(expressionIn(node))],

  renderText: ({ node }) => expressionIn(node),

  addKeyboardShortcuts() {
    return {
      Enter: () => {
        const { selection } = this.editor.state;
        const isChip = selection instanceof NodeSelection && selection.node.type === this.type;
        if (isChip) this.options.edit(this.editor, selection.from);
        return isChip;
      },
    };
  },

  addProseMirrorPlugins() {
    return [
      new Plugin({
        appendTransaction: (transactions, _, state) => {
          if (transactions.some((one) => one.docChanged || one.getMeta(SETTLE))) return withChips(state);
          return null;
        },
        props: {
          handleDoubleClickOn: (_view, _position, node, at) => {
            if (node.type === this.type) this.options.edit(this.editor, at);
            return node.type === this.type;
          },
        },
      }),
    ];
  },
});

/** The expression of a chip, as JavaScript and braces. */
export function expressionIn(chip: DocumentNode): string {
  return decodeEntities(writtenIn(chip));
}

/** The chip that is selected, or stands directly before the cursor. */
export function lastChip({ selection }: EditorState): DocumentNode | null {
  const node =
    selection instanceof NodeSelection ? selection.node : selection.empty ? selection.$from.nodeBefore : null;
  return node?.type.name === "expression" ? node : null;
}

/** Put an expression where a range is; without one nothing stays there. */
export function putExpression(editor: Editor, range: { from: number; to: number }, expression: string): void {
  const node = { type: "expression", attrs: { written: encodeEntities(expression) } };
  const chain = editor.chain().focus();
  if (expression) chain.insertContentAt(range, node, { updateSelection: true }).run();
  else chain.deleteRange(range).run();
}

function writtenIn(chip: DocumentNode): string {
  return String(chip.attrs.written);
}

/** Make a chip of each expression that stands as text: it was typed or pasted. */
function withChips(state: EditorState): Transaction | null {
  const { tr, schema } = state;
  state.doc.descendants((block, position) => {
    if (!block.isTextblock) return true;
    const text = block.textBetween(0, block.content.size, "", "\uFFFC");
    for (const { start, end } of expressionsIn(text)) {
      const expression = text.slice(start, end);
      if (expression.includes("\uFFFC")) continue;
      const from = tr.mapping.map(position + 1 + start);
      const marks = tr.doc.resolve(from).marksAcross(tr.doc.resolve(from + expression.length)) ?? [];
      const chip = schema.node("expression", { written: encodeEntities(expression) }, undefined, marks);
      tr.replaceWith(from, from + expression.length, chip);
    }
    return false;
  });
  return tr.docChanged ? tr : null;
}
