// The editing surface: TipTap with the extensions that mail needs, and nothing that puts style elements into the page.

import { Editor, Extension, type Extensions } from "@tiptap/core";
import { Table, TableCell, TableHeader } from "@tiptap/extension-table";
import TextAlign from "@tiptap/extension-text-align";
import { BackgroundColor, Color, TextStyle } from "@tiptap/extension-text-style";
import { closeHistory } from "@tiptap/pm/history";
import type { Slice } from "@tiptap/pm/model";
import { Plugin, TextSelection, type Transaction } from "@tiptap/pm/state";
import { fixTables } from "@tiptap/pm/tables";
import StarterKit from "@tiptap/starter-kit";
import { InlineElement, Paragraph, Preformatted, Quote, Row, Section } from "./blocks";
import { Chip, SETTLE } from "./chip";
import { DirectiveAttributes, DirectiveMark, labelledAt } from "./directives";
import { KeptAttributes } from "./kept-attributes";
import { imageFilesOf, type PictureOptions, pictureExtension } from "./picture";
import { readPasted } from "./pasted";
import { editExpression } from "./tool-dialogs";
import { LOOSE } from "./loose";
import { BOXED, parserOf, readStored } from "./stored-html";
import { Suggestion } from "./suggestion";
import { isSafeUrl } from "./url";

const WHOLE_DOCUMENT = /^\s*(?:<[!?](?!doctype)[^>]*>\s*)*<(?:!doctype\s+html|(?:html|head|body)[\s>])/i;

export interface SurfaceOptions extends PictureOptions {
  place: HTMLElement;
  paths: () => string[];
  /** Attributes of the surface: its name and description for screen readers. */
  attributes: Record<string, string>;
  takeImages: (files: File[]) => void;
  takeDocument: (html: string) => void;
  /** The label of what is repeated, or shown on a condition, was clicked; it stands at this position. */
  /** Ask whether to go on although something gets lost. */
  mayLose: (lost: string[]) => Promise<boolean>;
  editDirectives: (editor: Editor, position: number) => void;
  keys: Record<string, (editor: Editor) => void>;
}

/** Open stored HTML; what the document then is has settled, so that a later change is the reader's. */
export function openSurface(html: string, options: SurfaceOptions): Editor {
  let lost: string[] = [];
  const takesSome = (slice: Slice, at?: number): boolean => {
    const told = lost;
    lost = [];
    if (told.length) void takeAsked(editor, slice, options.mayLose(told), at);
    return told.length > 0;
  };
  const editor = new Editor({
    element: options.place,
    injectCSS: false,
    extensions: extensionsOf(options),
    // Stars, dollars and slashes are arithmetic here; only a line's beginning is a shortcut.
    enableInputRules: ["bulletList", "orderedList", "heading"],
    enablePasteRules: false,
    editorProps: {
      attributes: { class: "surface", spellcheck: "true", "aria-multiline": "true", ...options.attributes },
      transformPastedHTML: (pasted) => {
        const read = readPasted(pasted);
        ({ lost } = read);
        return read.html;
      },
      handlePaste: (_, event, slice) =>
        takesDocument(event.clipboardData, options) || takes(event.clipboardData, options) || takesSome(slice),
      handleDrop: (view, event, slice) =>
        takes(event.dataTransfer, options) ||
        takesSome(slice, view.posAtCoords({ left: event.clientX, top: event.clientY })?.pos),
      handleDOMEvents: {
        click: (view, event) => {
          const position = labelledAt(view, event);
          if (position !== null) options.editDirectives(editor, position);
          return position !== null;
        },
      },
    },
  });
  const { tr } = editor.state;
  settle(editor, tr.replaceWith(0, tr.doc.content.size, readStored(editor.schema, html).content));
  settle(editor, fixTables(editor.state) ?? editor.state.tr);
  return editor;
}

/** Put in what was pasted or dropped, once the reader knows what is missing from it. */
async function takeAsked(editor: Editor, slice: Slice, asked: Promise<boolean>, at?: number): Promise<void> {
  const isTaken = await asked;
  if (editor.isDestroyed) return;
  const tr = closeHistory(editor.state.tr);
  if (at !== undefined) tr.setSelection(TextSelection.near(tr.doc.resolve(Math.min(at, tr.doc.content.size))));
  if (isTaken) editor.view.dispatch(tr.replaceSelection(slice).scrollIntoView().setMeta("paste", true));
  editor.commands.focus();
}

function settle(editor: Editor, tr: Transaction): void {
  editor.view.dispatch(tr.setMeta(SETTLE, true).setMeta("addToHistory", false).setMeta("preventUpdate", true));
}

/** The source of a whole HTML document was copied: nobody wants to mail its tags as text. */
function takesDocument(data: DataTransfer | null, { takeDocument }: SurfaceOptions): boolean {
  const text = data?.getData("text/plain") ?? "";
  if (!WHOLE_DOCUMENT.test(text)) return false;
  takeDocument(text);
  return true;
}

function takes(data: DataTransfer | null, { takeImages }: SurfaceOptions): boolean {
  const files = imageFilesOf(data);
  // A table that is copied comes with a picture of itself.
  if (files.length === 0 || data?.types.includes("text/html")) return false;
  takeImages(files);
  return true;
}

export function extensionsOf(options: SurfaceOptions): Extensions {
  return [
    StarterKit.configure({
      blockquote: false,
      paragraph: false,
      code: false,
      codeBlock: false,
      heading: { levels: [1, 2, 3, 4, 5, 6] },
      // Below a table the cursor needs a place; out of a heading, list or quote it comes by Enter.
      trailingNode: { notAfter: ["heading", "bulletList", "orderedList", "blockquote"] },
      link: {
        autolink: false,
        openOnClick: false,
        HTMLAttributes: { target: null, rel: null },
        isAllowedUri: (url) => isSafeUrl(url),
      },
    }),
    TextStyle,
    Color,
    BackgroundColor,
    TextAlign.configure({ types: ["heading", "paragraph"] }),
    Paragraph,
    Section,
    Quote,
    Preformatted,
    InlineElement,
    DirectiveMark,
    plainTable,
    Row,
    withoutAlign(TableHeader),
    withoutAlign(TableCell),
    pictureExtension(options),
    Chip.configure({ edit: (editor, position) => void editExpression(editor, options.paths, position) }),
    Suggestion.configure({ paths: options.paths, place: options.place }),
    KeptAttributes,
    DirectiveAttributes,
    paragraphsPlace,
    elementsOnly,
    shortcuts(options),
  ];
}

/** A table as it was written: no column group, no width of ours. */
const plainTable = Table.extend({ renderHTML: ({ HTMLAttributes }) => ["table", HTMLAttributes, ["tbody", 0]] });

/** Alignment of cells is one of the kept attributes, in the way in which it was written. */
function withoutAlign<T extends typeof TableCell | typeof TableHeader>(cell: T): T {
  return cell.extend({
    addAttributes() {
      const attributes = Object.entries(this.parent?.() as Record<string, object>);
      return Object.fromEntries(attributes.filter(([name]) => name !== "align"));
    },
  }) as T;
}

/** What is pasted is read as what is stored is. */
const elementsOnly = Extension.create({
  name: "elementsOnly",
  addProseMirrorPlugins() {
    return [new Plugin({ props: { clipboardParser: parserOf(this.editor.schema) } })];
  },
});

/** How a paragraph was written: as one in a list item or cell, or as loose text. */
const paragraphsPlace = Extension.create({
  name: "paragraphsPlace",
  addGlobalAttributes: () => [
    {
      types: ["paragraph"],
      attributes: {
        isBoxed: {
          default: false,
          keepOnSplit: false,
          parseHTML: (element) =>
            element.hasAttribute(BOXED) ||
            (!element.hasAttribute(LOOSE) && /^(?:li|td|th)$/.test(element.parentElement?.localName ?? "")),
          renderHTML: ({ isBoxed }) => (isBoxed ? { [BOXED]: "" } : {}),
        },
        isLoose: {
          default: false,
          parseHTML: (element) => element.hasAttribute(LOOSE),
          renderHTML: ({ isLoose }) => (isLoose ? { [LOOSE]: "" } : {}),
        },
      },
    },
  ],
});

function shortcuts({ keys }: SurfaceOptions): Extension {
  return Extension.create({
    name: "shortcuts",
    addKeyboardShortcuts() {
      return Object.fromEntries(
        Object.entries(keys).map(([key, run]) => [
          key,
          () => {
            run(this.editor);
            return true;
          },
        ]),
      );
    },
  });
}
