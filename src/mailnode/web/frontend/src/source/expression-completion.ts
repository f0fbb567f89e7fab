// Completion in the source: typing `{{` offers what an expression may begin with.

import { type Extension, Prec } from "@codemirror/state";
import { EditorView, ViewPlugin } from "@codemirror/view";
import { closerOf, OPEN_EXPRESSION } from "../rich-text/completion";
import { Listbox } from "../rich-text/listbox";

/** Offer paths in a list that stands in `place`. */
export function completeExpressions(paths: () => string[], place: HTMLElement): Extension {
  const plugin = ViewPlugin.define((view) => {
    const list = new Listbox(view.contentDOM, place, false, (path) => choose(view, path));
    return { list, destroy: () => list.remove() };
  });
  return [
    plugin,
    // The list's keys come before the editor's own.
    Prec.highest(
      EditorView.domEventHandlers({
        keydown: (event, view) => view.plugin(plugin)?.list.takes(event) ?? false,
        blur: (_, view) => view.plugin(plugin)?.list.hide(),
      }),
    ),
    EditorView.updateListener.of(({ docChanged, selectionSet, transactions, view }) => {
      const list = view.plugin(plugin)?.list;
      if (!docChanged && !selectionSet) return;
      const isTyped =
        docChanged && transactions.some((one) => one.isUserEvent("input.type") || one.isUserEvent("delete"));
      const { typed } = openBefore(view);
      const at = isTyped && typed !== undefined ? view.coordsAtPos(view.state.selection.main.head) : null;
      if (at) list?.offer(paths(), typed ?? "", at);
      else list?.hide();
    }),
  ];
}

function openBefore(view: EditorView): { before: string; typed: string | undefined } {
  const { head, empty } = view.state.selection.main;
  const before = view.state.doc.sliceString(Math.max(0, head - 500), head);
  return { before, typed: empty ? OPEN_EXPRESSION.exec(before)?.[1] : undefined };
}

function choose(view: EditorView, path: string): void {
  const { before, typed = "" } = openBefore(view);
  const { head } = view.state.selection.main;
  const isClosed = /^\s*\}\}/.test(view.state.doc.sliceString(head, head + 50));
  const blank = before.slice(0, before.length - typed.length).endsWith("{") ? " " : "";
  const insert = blank + path + (isClosed ? "" : closerOf(before));
  const from = head - typed.length;
  const selection = { anchor: from + insert.length };
  view.dispatch({ changes: { from, to: head, insert }, selection, userEvent: "input.complete" });
}
