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
  type KeyBinding,
  keymap,
  lineNumbers,
  MatchDecorator,
  ViewPlugin,
  type ViewUpdate,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { element } from "../dom";
import { completeExpressions } from "./expression-completion";

const COLOURS = HighlightStyle.define([
  { tag: [tags.tagName, tags.angleBracket], color: "var(--accent)" },
  { tag: [tags.attributeName, tags.propertyName], color: "var(--warn)" },
  { tag: [tags.attributeValue, tags.string], color: "var(--good)" },
  { tag: [tags.comment, tags.documentMeta, tags.processingInstruction], color: "var(--muted)" },
  { tag: [tags.keyword, tags.atom, tags.number, tags.unit, tags.color], color: "var(--bad)" },
]);

const LOOK = EditorView.theme({
  "&": { background: "var(--field)", borderRadius: "var(--radius)", fontSize: "13px", height: "100%" },
  "&.cm-focused": { outline: "2px solid var(--focus)", outlineOffset: "-2px" },
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

export interface SourceOptions {
  /** What an expression may begin with, offered once `{{` is typed. */
  paths?: () => string[];
  /** Where Escape goes. */
  leave?: () => void;
}

const KEYS = "Tab goes to the next field.";
const KEYS_WITH_TOOLBAR = "Tab goes to the next field, Escape to the toolbar.";

/** Source in colours, in a textarea's place: what is typed goes on into it, with an `input` event, as if typed there. */
export class SourceEditor {
  readonly element = element("div", { className: "source-editor" });
  private readonly view: EditorView;

  constructor(
    private readonly textarea: HTMLTextAreaElement,
    private readonly options: SourceOptions = {},
    before = textarea.value,
  ) {
    // Within a shadow root its styles are sheets of the script's, which the page's policy allows; <style> it does not.
    const root = this.element.attachShadow({ mode: "open", delegatesFocus: true });
    // What the surface itself fires says nothing yet: the textarea does, once it holds the change.
    this.element.addEventListener("input", (event) => event.stopPropagation());
    textarea.after(this.element);
    this.view = new EditorView({ root, parent: root, state: this.fresh(before) });
    // Ids mean nothing across the border of a shadow root; elements do.
    const keys = element("p", { hidden: true, textContent: options.leave ? KEYS_WITH_TOOLBAR : KEYS });
    root.append(keys);
    this.view.contentDOM.ariaDescribedByElements = [...named(textarea, "aria-describedby"), keys];
    textarea.labels[0]?.addEventListener("click", () => this.focus());
    this.showValidity();
    if (before !== textarea.value)
      this.view.dispatch({ changes: { from: 0, to: before.length, insert: textarea.value }, userEvent: "input" });
  }

  /** Show what the textarea holds now; what was undoable stays so unless it was set from outside. */
  refresh(): void {
    if (this.view.state.doc.toString() !== this.textarea.value) this.view.setState(this.fresh());
    this.view.requestMeasure();
  }

  focus(): void {
    this.view.focus();
  }

  select(start: number, end: number): void {
    this.view.dispatch({ selection: { anchor: start, head: end }, scrollIntoView: true });
  }

  /** Put text in the selection's place, the cursor behind it. */
  insert(text: string): void {
    this.view.dispatch(this.view.state.replaceSelection(text), { scrollIntoView: true, userEvent: "input.paste" });
  }

  showValidity(): void {
    this.view.contentDOM.ariaInvalid = this.textarea.ariaInvalid;
  }

  destroy(): void {
    this.view.destroy();
    this.element.remove();
  }

  private fresh(doc = this.textarea.value): EditorState {
    const { textarea } = this;
    const { paths, leave } = this.options;
    const label = textarea.labels[0] ?? named(textarea, "aria-labelledby")[0];
    const own: KeyBinding[] = leave ? ["Escape", "Alt-F10"].map((key) => ({ key, run: () => (leave(), true) })) : [];
    return EditorState.create({
      doc,
      extensions: [
        paths ? completeExpressions(paths, textarea.parentElement ?? document.body) : [],
        lineNumbers(),
        history(),
        drawSelection(),
        // Tab stays the way to the next field.
        keymap.of([...own, ...defaultKeymap, ...historyKeymap]),
        html({ autoCloseTags: false }),
        syntaxHighlighting(COLOURS),
        EXPRESSIONS,
        LOOK,
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ tabindex: "0", "aria-label": label?.textContent.trim() ?? "" }),
        EditorView.updateListener.of(({ docChanged, state }) => {
          if (!docChanged) return;
          textarea.value = state.doc.toString();
          textarea.dispatchEvent(new Event("input", { bubbles: true }));
        }),
      ],
    });
  }
}

/**
 * Put the editor in a textarea's place, with its selection, and the keyboard if that is in it.
 * What was typed since the textarea held `before` can be undone.
 */
export function mountSource(textarea: HTMLTextAreaElement, options?: SourceOptions, before?: string): SourceEditor {
  const hasFocus = document.activeElement === textarea;
  const { selectionStart, selectionEnd } = textarea;
  const source = new SourceEditor(textarea, options, before);
  source.select(selectionStart, selectionEnd);
  textarea.hidden = true;
  if (hasFocus) source.focus();
  return source;
}

function named(textarea: HTMLTextAreaElement, attribute: string): HTMLElement[] {
  const ids = textarea.getAttribute(attribute)?.split(/\s+/) ?? [];
  return ids.flatMap((id) => document.getElementById(id) ?? []);
}
