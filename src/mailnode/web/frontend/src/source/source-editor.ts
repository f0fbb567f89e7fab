// HTML source in colours, over a textarea that holds what is stored. It is large: import it when it is first shown.

import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { html } from "@codemirror/lang-html";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { EditorState } from "@codemirror/state";
import {
  Decoration,
  type DecorationSet,
  drawSelection,
  EditorView,
  keymap,
  lineNumbers,
  MatchDecorator,
  ViewPlugin,
  type ViewUpdate,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { element } from "../dom";

const COLOURS = HighlightStyle.define([
  { tag: [tags.tagName, tags.angleBracket], color: "var(--accent)" },
  { tag: [tags.attributeName, tags.propertyName], color: "var(--warn)" },
  { tag: [tags.attributeValue, tags.string], color: "var(--good)" },
  { tag: [tags.comment, tags.documentMeta, tags.processingInstruction], color: "var(--muted)" },
  { tag: [tags.keyword, tags.atom, tags.number, tags.unit, tags.color], color: "var(--bad)" },
]);

const LOOK = EditorView.theme({
  "&": { background: "var(--field)", borderRadius: "var(--radius)", fontSize: "13px", height: "34em" },
  "&.cm-focused": { outline: "2px solid var(--focus)", outlineOffset: "1px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.45" },
  ".cm-content": { caretColor: "var(--ink)", padding: "8px 0" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": { background: "transparent", border: "none", color: "var(--muted)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    background: "var(--accent-soft)",
  },
  ".cm-expression": { fontWeight: "600", textDecoration: "underline dotted" },
});

const marker = new MatchDecorator({
  regexp: /\{\{\{?[^}]*\}\}\}?/g,
  decoration: Decoration.mark({ class: "cm-expression" }),
});
const EXPRESSIONS = ViewPlugin.fromClass(
  class {
    decorations: DecorationSet;

    constructor(view: EditorView) {
      this.decorations = marker.createDeco(view);
    }

    update(update: ViewUpdate): void {
      this.decorations = marker.updateDeco(update, this.decorations);
    }
  },
  { decorations: (plugin) => plugin.decorations },
);

/** Put the editor in a textarea's place: what is typed goes on into it, with an `input` event, as if typed there. */
export function mountSource(textarea: HTMLTextAreaElement): EditorView {
  const label = textarea.labels[0];
  const described = textarea.getAttribute("aria-describedby");
  // Within a shadow root its styles are sheets of the script's, which the page's policy allows; <style> it does not.
  const host = element("div");
  const root = host.attachShadow({ mode: "open" });
  const view = new EditorView({
    root,
    parent: root,
    state: EditorState.create({
      doc: textarea.value,
      extensions: [
        lineNumbers(),
        history(),
        drawSelection(),
        // Tab stays the way to the next field.
        keymap.of([...defaultKeymap, ...historyKeymap]),
        html({ autoCloseTags: false }),
        syntaxHighlighting(COLOURS),
        EXPRESSIONS,
        LOOK,
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({
          tabindex: "0",
          "aria-label": label?.textContent.trim() ?? "",
          ...(described ? { "aria-describedby": described } : {}),
        }),
        EditorView.updateListener.of(({ docChanged, state }) => {
          if (!docChanged) return;
          textarea.value = state.doc.toString();
          textarea.dispatchEvent(new Event("input", { bubbles: true }));
        }),
      ],
    }),
  });
  label?.addEventListener("click", () => view.focus());
  textarea.hidden = true;
  textarea.after(host);
  return view;
}
