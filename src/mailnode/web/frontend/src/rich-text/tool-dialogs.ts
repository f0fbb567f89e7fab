// What the tools ask: a link's address, an image's, the size of a table, an expression.

import type { Editor } from "@tiptap/core";
import { type Answer, ask } from "./question-dialog";
import { expressionIn, putExpression } from "./chip";
import { innerOf } from "./expression";
import { valueQuestion } from "./insert-value";
import { selectedImage } from "./picture";
import { isSafeUrl } from "./url";

type Paths = () => string[];

const UNSAFE = "Only http, https, mailto, tel and cid addresses, or an expression, can be used here.";
const MOST_CELLS = 50;

/** Ask for an expression: that of the chip at a position, or a new one at the cursor. */
export async function editExpression(editor: Editor, paths: Paths, position?: number): Promise<void> {
  const chip = position === undefined ? null : editor.state.doc.nodeAt(position);
  const before = chip ? expressionIn(chip) : "";
  const braces = before.startsWith("{{{") ? 3 : 2;
  const closer = "}".repeat(braces);
  const answer = await ask(valueQuestion(chip ? innerOf(before) : "", closer), paths);
  if (!answer) {
    editor.commands.focus();
    return;
  }
  const { from, to } = editor.state.selection;
  const range = position === undefined ? { from, to } : { from: position, to: position + 1 };
  const { expression } = answer.values;
  putExpression(editor, range, answer.isRemoved ? "" : `${"{".repeat(braces)} ${expression} ${closer}`);
}

/** Ask where the selection, or the link around the cursor, leads. */
export async function editLink(editor: Editor, paths: Paths): Promise<void> {
  const isLink = editor.isActive("link");
  const isNew = editor.state.selection.empty && !isLink;
  const before = String(editor.getAttributes("link").href ?? "");
  const href = {
    name: "href",
    label: "Address",
    value: before,
    hint: "https://…, mailto:… or {{ input.url }}",
    completes: "braces",
  } as const;
  const answer = await ask(
    {
      title: isLink ? "Edit link" : "Insert link",
      fields: isNew ? [href, { name: "text", label: "Text (the address if empty)" }] : [href],
      confirm: "Apply",
      ...(isLink ? { remove: "Remove link" } : {}),
      check: ({ values: { href: given = "" } }) => {
        if (!given) return ["href", "Enter an address."];
        return isSafeUrl(given) ? null : ["href", UNSAFE];
      },
    },
    paths,
  );
  const chain = editor.chain().focus();
  if (!answer) chain.run();
  else if (answer.isRemoved) chain.extendMarkRange("link").unsetLink().run();
  else if (isNew) putLink(editor, answer);
  else
    chain
      .extendMarkRange("link")
      .setLink({ href: answer.values.href ?? "" })
      .run();
}

function putLink(editor: Editor, { values: { href = "", text = "" } }: Answer): void {
  const link = { type: "text", text: text || href, marks: [{ type: "link", attrs: { href } }] };
  editor.chain().focus().insertContent(link).unsetMark("link").run();
}

// A button is a link that looks like one: mail readers take forms and scripts away.
const BUTTON =
  "display: inline-block; padding: 12px 24px; border-radius: 6px; background-color: #0b5c57; color: #ffffff; text-decoration: none";

/** Ask what a new button says, the selection at first, and where it leads; the link's tool edits it later. */
export async function insertButton(editor: Editor, paths: Paths): Promise<void> {
  const { from, to } = editor.state.selection;
  const answer = await ask(
    {
      title: "Insert button",
      fields: [
        { name: "text", label: "Text on the button", value: editor.state.doc.textBetween(from, to, " ") },
        {
          name: "href",
          label: "Address",
          hint: "Where the button leads: https://…, mailto:… or {{ input.url }}",
          completes: "braces",
        },
      ],
      confirm: "Insert",
      check: ({ values: { text = "", href = "" } }) => {
        if (!text.trim()) return ["text", "Enter what the button says."];
        if (!href) return ["href", "Enter an address."];
        return isSafeUrl(href) ? null : ["href", UNSAFE];
      },
    },
    paths,
  );
  const chain = editor.chain().focus();
  if (!answer) return void chain.run();
  const { text = "", href = "" } = answer.values;
  const marks = [{ type: "link", attrs: { href, kept: { style: BUTTON } } }];
  chain.insertContent({ type: "text", text, marks }).unsetMark("link").run();
}

/** Ask for an image: an address or a file. */
export async function editImage(
  editor: Editor,
  paths: Paths,
  takeImages: (files: File[], alt: string) => void,
): Promise<void> {
  const before = selectedImage(editor);
  const answer = await ask(
    {
      title: before ? "Edit image" : "Insert image",
      fields: [
        {
          name: "src",
          label: "Address",
          value: before?.src ?? "",
          hint: "https://…, cid:… of an attachment, or {{ input.picture }}",
          completes: "braces",
        },
        { name: "file", label: "Or a file, sent with the email", type: "file" },
        {
          name: "alt",
          label: "Alternative text (for people who cannot see it)",
          value: before?.alt ?? "",
          completes: "braces",
        },
        {
          name: "width",
          label: "Width in pixels",
          value: before?.width ?? "",
          hint: "Leave empty for the original width.",
        },
      ],
      confirm: before ? "Change" : "Insert",
      ...(before ? { remove: "Remove image" } : {}),
      check: ({ values: { src = "", width = "" }, files }) => {
        if (!src && files.length === 0) return ["src", "Enter an address or choose a file."];
        if (!isSafeUrl(src, true)) return ["src", UNSAFE];
        return /^(?:\d+%?)?$/.test(width) ? null : ["width", "Enter a number."];
      },
    },
    paths,
  );
  const chain = editor.chain().focus();
  if (!answer) return void chain.run();
  if (answer.isRemoved) return void chain.deleteSelection().run();
  const { src = "", alt = "", width = "" } = answer.values;
  if (answer.files.length) takeImages(answer.files, alt);
  else chain.insertContent({ type: "image", attrs: { ...before, src, alt, width: width || null } }).run();
}

/** Ask for a new table's size; its look stands in its attributes, as mail readers want it. */
export async function insertTable(editor: Editor): Promise<void> {
  const count = (text = ""): number => (/^\d+$/.test(text) ? Number(text) : 0);
  const answer = await ask({
    title: "Insert table",
    fields: [
      { name: "rows", label: "Rows", value: "3", type: "number" },
      { name: "columns", label: "Columns", value: "3", type: "number" },
      { name: "heading", label: "First row is a header", value: "on", type: "checkbox" },
    ],
    confirm: "Insert",
    check: ({ values }) => {
      const wrong = ["rows", "columns"].find((name) => count(values[name]) < 1 || count(values[name]) > MOST_CELLS);
      return wrong ? [wrong, `Enter a number from 1 to ${MOST_CELLS}.`] : null;
    },
  });
  const chain = editor.chain().focus();
  if (!answer) return void chain.run();
  const { rows, columns, heading } = answer.values;
  const kept = { border: "1", cellpadding: "6", cellspacing: "0", style: "border-collapse: collapse" };
  chain
    .insertTable({ rows: count(rows), cols: count(columns), withHeaderRow: heading === "on" })
    .updateAttributes("table", { kept })
    .run();
}
