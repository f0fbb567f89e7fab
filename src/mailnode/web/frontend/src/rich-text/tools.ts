// What the toolbar holds, in its order: each tool's name, sign, keys and work.

import type { Editor } from "@tiptap/core";
import { TextSelection } from "@tiptap/pm/state";
import { liftTarget } from "@tiptap/pm/transform";
import { moveHere, targetsHere } from "./targets";

/** What tools need that is not the document's. */
export interface Workshop {
  editLink: (editor: Editor) => void;
  editImage: (editor: Editor) => void;
  insertButton: (editor: Editor) => void;
  insertTable: (editor: Editor) => void;
  insertExpression: (editor: Editor) => void;
  insertInSource: () => void;
  editRepeat: (editor: Editor) => void;
  editCondition: (editor: Editor) => void;
  pickColour: (editor: Editor, kind: "color" | "background", opener: HTMLElement) => void;
}

export interface Tool {
  name: string;
  label: string;
  /** Text on the button, for tools that have no icon of their name. */
  sign?: string;
  /** ProseMirror's name of the keys, shown in the tooltip; `ours` when no extension has them. */
  keys?: string;
  ours?: boolean;
  /** A tool that is only there within a table. */
  inTable?: boolean;
  /** Opens something, so it has no pressed state. */
  isOn?: (editor: Editor) => boolean;
  can?: (editor: Editor) => boolean;
  run: (editor: Editor, workshop: Workshop, opener: HTMLElement) => unknown;
  /** Its work in the HTML source, for a tool that has some there. */
  runInSource?: (workshop: Workshop) => void;
}

const mark = (name: string, label: string, sign: string, keys: string): Tool => ({
  name,
  label,
  sign,
  keys,
  isOn: (editor) => editor.isActive(name),
  run: (editor) => editor.chain().focus().toggleMark(name).run(),
});

const heading = (level: 1 | 2 | 3): Tool => ({
  name: `heading-${level}`,
  label: `Heading ${level}`,
  sign: `H${level}`,
  keys: `Mod-Alt-${level}`,
  isOn: (editor) => editor.isActive("heading", { level }),
  run: (editor) => editor.chain().focus().toggleHeading({ level }).run(),
});

const alignment = (to: string, keys: string): Tool => ({
  name: to,
  label: `Align ${to}`,
  keys,
  isOn: (editor) => editor.isActive({ textAlign: to }),
  run: (editor) => editor.chain().focus().toggleTextAlign(to).run(),
});

const table = (name: string, label: string, run: (editor: Editor) => boolean): Tool => ({
  name,
  label,
  inTable: true,
  run,
});

/** Groups of tools; a line stands between two. */
export const TOOLS: Tool[][] = [
  [
    {
      name: "undo",
      label: "Undo",
      keys: "Mod-z",
      can: (editor) => editor.can().undo(),
      run: (editor) => editor.chain().focus().undo().run(),
    },
    {
      name: "redo",
      label: "Redo",
      keys: "Mod-y",
      can: (editor) => editor.can().redo(),
      run: (editor) => editor.chain().focus().redo().run(),
    },
  ],
  [heading(1), heading(2), heading(3)],
  [
    mark("bold", "Bold", "B", "Mod-b"),
    mark("italic", "Italic", "I", "Mod-i"),
    mark("underline", "Underline", "U", "Mod-u"),
    mark("strike", "Strikethrough", "S", "Mod-Shift-s"),
    {
      name: "color",
      label: "Text colour",
      sign: "A",
      run: (editor, { pickColour }, opener) => pickColour(editor, "color", opener),
    },
    {
      name: "background",
      label: "Highlight",
      sign: "A",
      run: (editor, { pickColour }, opener) => pickColour(editor, "background", opener),
    },
    { name: "clear", label: "Clear formatting", keys: "Mod-\\", ours: true, run: clearFormatting },
  ],
  [
    {
      name: "bullets",
      label: "Bullet list",
      keys: "Mod-Shift-8",
      isOn: (editor) => editor.isActive("bulletList"),
      run: (editor) => editor.chain().focus().toggleBulletList().run(),
    },
    {
      name: "numbers",
      label: "Numbered list",
      keys: "Mod-Shift-7",
      isOn: (editor) => editor.isActive("orderedList"),
      run: (editor) => editor.chain().focus().toggleOrderedList().run(),
    },
    {
      name: "quote",
      label: "Quote",
      keys: "Mod-Shift-b",
      ours: true,
      isOn: (editor) => editor.isActive("blockquote"),
      run: (editor) => toggleQuote(editor),
    },
    {
      name: "rule",
      label: "Horizontal line",
      run: (editor) => editor.chain().focus().setHorizontalRule().run(),
    },
  ],
  [alignment("left", "Mod-Shift-l"), alignment("center", "Mod-Shift-e"), alignment("right", "Mod-Shift-r")],
  [
    {
      name: "link",
      label: "Link",
      keys: "Mod-k",
      ours: true,
      isOn: (editor) => editor.isActive("link"),
      run: (editor, { editLink }) => editLink(editor),
    },
    { name: "button", label: "Button", run: (editor, { insertButton }) => insertButton(editor) },
    { name: "image", label: "Image", run: (editor, { editImage }) => editImage(editor) },
    {
      name: "table",
      label: "Table",
      can: (editor) => !editor.isActive("table"),
      run: (editor, { insertTable }) => insertTable(editor),
    },
    {
      name: "expression",
      label: "Insert value",
      sign: "{{ }}",
      run: (editor, { insertExpression }) => insertExpression(editor),
      runInSource: ({ insertInSource }) => insertInSource(),
    },
  ],
  [
    {
      name: "repeat",
      label: "Repeat for each…",
      keys: "Alt-Shift-r",
      ours: true,
      isOn: (editor) => targetsHere(editor).some(({ said }) => said.each !== null),
      run: (editor, { editRepeat }) => editRepeat(editor),
    },
    {
      name: "condition",
      label: "Show only if…",
      keys: "Alt-Shift-o",
      ours: true,
      isOn: (editor) => targetsHere(editor).some(({ said }) => said.if !== null || said.else !== null),
      run: (editor, { editCondition }) => editCondition(editor),
    },
    {
      name: "moveUp",
      label: "Move up",
      keys: "Alt-Shift-ArrowUp",
      ours: true,
      run: (editor) => moveHere(editor, -1),
    },
    {
      name: "moveDown",
      label: "Move down",
      keys: "Alt-Shift-ArrowDown",
      ours: true,
      run: (editor) => moveHere(editor, 1),
    },
  ],
  [
    table("rowAbove", "Add row above", (editor) => editor.chain().focus().addRowBefore().run()),
    table("rowBelow", "Add row below", (editor) => editor.chain().focus().addRowAfter().run()),
    table("rowGone", "Delete row", (editor) => editor.chain().focus().deleteRow().run()),
    table("columnBefore", "Add column before", (editor) => editor.chain().focus().addColumnBefore().run()),
    table("columnAfter", "Add column after", (editor) => editor.chain().focus().addColumnAfter().run()),
    table("columnGone", "Delete column", (editor) => editor.chain().focus().deleteColumn().run()),
    table("headRow", "Header row", (editor) => editor.chain().focus().toggleHeaderRow().run()),
    table("tableGone", "Delete table", (editor) => editor.chain().focus().deleteTable().run()),
  ],
];

function clearFormatting(editor: Editor): boolean {
  return editor.chain().focus().unsetAllMarks().clearNodes().resetAttributes("paragraph", ["textAlign", "kept"]).run();
}

/** Put the selected blocks into a quote, or out of the one that they are in, even where all is selected. */
function toggleQuote(editor: Editor): boolean {
  const chain = editor.chain().focus();
  if (!editor.isActive("blockquote")) return chain.wrapIn("blockquote").run();
  return chain
    .command(({ tr }) => {
      const { $from, $to } = TextSelection.between(tr.selection.$from, tr.selection.$to);
      const range = $from.blockRange($to, ({ type }) => type.name === "blockquote");
      const target = range && liftTarget(range);
      if (range && typeof target === "number") tr.lift(range, target);
      return true;
    })
    .run();
}

/** Name keys as the reader's keyboard does. */
export function keysFor(keys: string): string {
  const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);
  return keys
    .replace("Mod", isMac ? "⌘" : "Ctrl")
    .replace("Arrow", "")
    .replaceAll("-", "+")
    .replace(/\+(.)$/, (_, key: string) => `+${key.toUpperCase()}`);
}
