// Completion in ordinary fields: typing `{{` offers what an expression may begin with.

import { mountInsertValue } from "./insert-value";
import { Listbox } from "./listbox";

/** Before the caret: braces that are open, and as much of a path as is typed. */
export const OPEN_EXPRESSION = /\{\{\{?\s*([\w$.[\]"']*)$/;

export interface CompletionOptions {
  /** The whole field is one expression, without its braces. */
  isBare?: boolean;
}

const mounted = new WeakSet<HTMLElement>();

/** Offer paths in a field; a second time changes nothing. */
export function mountCompletion(
  input: HTMLInputElement | HTMLTextAreaElement,
  paths: () => string[],
  { isBare = false }: CompletionOptions = {},
): void {
  if (mounted.has(input)) return;
  mounted.add(input);
  if (!isBare) mountInsertValue(input, paths);
  if (input instanceof HTMLInputElement) input.role = "combobox"; // a textarea may have no role of its own
  input.autocomplete = "off";
  const open = isBare ? /([\w$.[\]"']+)$/ : OPEN_EXPRESSION;
  const dialog = input.closest("dialog");
  const place = input.closest<HTMLElement>(".field") ?? dialog ?? document.body;
  const list = new Listbox(input, place, dialog !== null, (path) => {
    const { before, after } = around(input);
    const typed = open.exec(before)?.[1] ?? "";
    const closing = isBare || /^\s*\}\}/.test(after) ? "" : closerOf(before);
    const blank = !isBare && /\{$/.test(before.slice(0, before.length - typed.length)) ? " " : "";
    input.setRangeText(blank + path + closing, before.length - typed.length, before.length, "end");
    input.dispatchEvent(new Event("input", { bubbles: true }));
  });
  const offer = (event: Event): void => {
    if (!event.isTrusted) return;
    const typed = open.exec(around(input).before)?.[1];
    if (typed === undefined) list.hide();
    else list.offer(paths(), typed, input.getBoundingClientRect());
  };
  input.addEventListener("input", offer);
  input.addEventListener("keydown", (event) => {
    const { key } = event as KeyboardEvent;
    if (list.takes(event as KeyboardEvent)) return;
    if (isBare && key === "ArrowDown")
      list.offer(paths(), open.exec(around(input).before)?.[1] ?? "", input.getBoundingClientRect());
  });
  input.addEventListener("blur", () => list.hide());
  // The first field of a dialog that asks for a value offers what there is.
  if (isBare)
    input.addEventListener(
      "focus",
      () => input.autofocus && list.offer(paths(), input.value, input.getBoundingClientRect()),
    );
}

function around(input: HTMLInputElement | HTMLTextAreaElement): { before: string; after: string } {
  const caret = input.selectionStart ?? input.value.length;
  return { before: input.value.slice(0, caret), after: input.value.slice(caret) };
}

/** What closes the braces that are open before the caret. */
export function closerOf(before: string): string {
  return ` ${/(\{\{\{?)[^{]*$/.exec(before)?.[1] === "{{{" ? "}}}" : "}}"}`;
}
