// Completion in the rich view: typing `{{` offers paths, and the chosen one becomes a chip.

import { Extension } from "@tiptap/core";
import { Plugin } from "@tiptap/pm/state";
import type { EditorView } from "@tiptap/pm/view";
import { putExpression } from "./chip";
import { OPEN_EXPRESSION } from "./completion";
import { Listbox } from "./listbox";

export interface SuggestionOptions {
  paths: () => string[];
  place: HTMLElement;
}

export const Suggestion = Extension.create<SuggestionOptions>({
  name: "suggestion",
  priority: 1200,

  addOptions: () => ({ paths: () => [], place: document.body }),

  addProseMirrorPlugins() {
    const { editor, options } = this;
    let list: Listbox | null = null;
    return [
      new Plugin({
        props: {
          handleKeyDown: (_, event) => list?.takes(event) ?? false,
          handleDOMEvents: { blur: () => list?.hide() },
        },
        view(view) {
          list = new Listbox(view.dom, options.place, false, (path) => {
            const typed = openBefore(view);
            if (!typed) return;
            const { from } = view.state.selection;
            const [open] = typed;
            const expression = open.startsWith("{{{") ? `{{{ ${path} }}}` : `{{ ${path} }}`;
            putExpression(editor, { from: from - open.length, to: from }, expression);
          });
          return {
            update(_, before) {
              if (before.doc.eq(view.state.doc)) {
                if (!before.selection.eq(view.state.selection)) list?.hide();
                return;
              }
              const typed = view.hasFocus() ? openBefore(view) : null;
              if (typed) list?.offer(options.paths(), typed[1] ?? "", view.coordsAtPos(view.state.selection.from));
              else list?.hide();
            },
            destroy: () => list?.remove(),
          };
        },
      }),
    ];
  },
});

function openBefore(view: EditorView): RegExpExecArray | null {
  const { $from, empty } = view.state.selection;
  if (!empty || !$from.parent.isTextblock) return null;
  return OPEN_EXPRESSION.exec($from.parent.textBetween(0, $from.parentOffset, "", "\uFFFC"));
}
