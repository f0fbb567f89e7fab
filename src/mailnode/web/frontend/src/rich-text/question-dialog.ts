// A small dialog with a few fields, made when it is needed and gone when it is answered.

import { mountCompletion } from "./completion";

export interface Asked {
  name: string;
  label: string;
  value?: string;
  hint?: string;
  type?: "text" | "number" | "checkbox" | "file";
  /** Values to choose from, with their labels. */
  choices?: [value: string, label: string][];
  /** Offers paths: within braces, or as the whole field. */
  completes?: "braces" | "bare";
  /** What is offered here, if it is not what all fields offer. */
  paths?: () => string[];
}

export interface Question {
  title: string;
  words?: string;
  fields?: Asked[];
  confirm: string;
  /** A second way to answer, such as removing what is asked about. */
  remove?: string;
  /** Says what is wrong with an answer, and in which field. */
  check?: (answer: Answer) => [field: string, words: string] | null;
  /** Gets the form before it is shown. */
  started?: (form: HTMLFormElement) => void;
}

export interface Answer {
  values: Record<string, string>;
  files: File[];
  isRemoved: boolean;
}

let count = 0;

/** Ask; null when it is not answered. */
export function ask(question: Question, paths: () => string[] = () => []): Promise<Answer | null> {
  return new Promise((resolve) => {
    const { dialog, form } = frameOf(question.title);
    const answered = (answer: Answer): void => {
      resolve(answer);
      dialog.close();
    };
    const first = question.fields?.[0];
    if (question.words) form.append(element("p", { textContent: question.words }));
    for (const asked of question.fields ?? []) {
      const field = fieldOf(asked, `${form.id}-${asked.name}`);
      form.append(field);
      const input = asked.completes && field.querySelector("input");
      if (input) mountCompletion(input, asked.paths ?? paths, { isBare: asked.completes === "bare" });
    }
    form.append(buttons(question, dialog, (answer) => answered({ ...answerOf(form), ...answer })));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const answer = answerOf(form);
      const wrong = question.check?.(answer);
      if (wrong) showWrong(form, ...wrong);
      else answered(answer);
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(null);
    });
    question.started?.(form);
    if (first?.completes === "bare" && !first.value)
      (form.elements.namedItem(first.name) as HTMLInputElement).autofocus = true;
    dialog.showModal();
  });
}

function frameOf(title: string): { dialog: HTMLDialogElement; form: HTMLFormElement } {
  const dialog = element("dialog", { className: "dialog ask" });
  const form = element("form", { className: "stack", id: `asked-${(count += 1)}`, noValidate: true });
  const heading = element("h2", { id: `${form.id}-title`, textContent: title });
  dialog.setAttribute("aria-labelledby", heading.id);
  form.append(heading);
  dialog.append(form);
  document.body.append(dialog);
  return { dialog, form };
}

function fieldOf(asked: Asked, id: string): HTMLElement {
  const field = element("div", { className: "field" });
  const input = asked.choices
    ? selectOf(asked.choices)
    : element("input", { type: asked.type ?? "text", spellcheck: false });
  Object.assign(input, { id, name: asked.name });
  const error = element("p", { className: "error", id: `${id}-error`, hidden: true });
  input.setAttribute("aria-describedby", asked.hint ? `${id}-hint ${id}-error` : `${id}-error`);
  if (input instanceof HTMLInputElement && asked.type === "checkbox") input.checked = asked.value === "on";
  else if (input instanceof HTMLInputElement && asked.type === "file") input.accept = "image/*";
  else input.value = asked.value ?? "";
  const label = element("label", { htmlFor: id, textContent: asked.label });
  field.append(...(asked.type === "checkbox" ? [label] : [label, input]));
  if (asked.type === "checkbox") label.prepend(input, " ");
  if (asked.hint) field.append(element("p", { className: "hint", id: `${id}-hint`, textContent: asked.hint }));
  field.append(error);
  return field;
}

function selectOf(choices: [string, string][]): HTMLSelectElement {
  const select = element("select", {});
  select.append(...choices.map(([value, textContent]) => element("option", { value, textContent })));
  // As in a text field, where the browser does it by itself.
  select.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    select.form?.requestSubmit();
  });
  return select;
}

function buttons(
  question: Question,
  dialog: HTMLDialogElement,
  answered: (answer: Partial<Answer>) => void,
): HTMLElement {
  const row = element("div", { className: "row end" });
  if (question.remove) {
    const remove = element("button", { className: "button danger", type: "button", textContent: question.remove });
    remove.addEventListener("click", () => answered({ isRemoved: true }));
    row.append(remove);
  }
  const cancel = element("button", { className: "button", type: "button", textContent: "Cancel" });
  cancel.addEventListener("click", () => dialog.close());
  row.append(cancel, element("button", { className: "button primary", type: "submit", textContent: question.confirm }));
  return row;
}

function answerOf(form: HTMLFormElement): Answer {
  const inputs = [...form.querySelectorAll<HTMLInputElement | HTMLSelectElement>("input, select")];
  const values = inputs.map((input) => [
    input.name,
    input instanceof HTMLInputElement && input.type === "checkbox" && !input.checked ? "" : input.value.trim(),
  ]);
  return {
    values: Object.fromEntries(values) as Record<string, string>,
    files: inputs.flatMap((input) => (input instanceof HTMLInputElement ? [...(input.files ?? [])] : [])),
    isRemoved: false,
  };
}

function showWrong(form: HTMLFormElement, name: string, words: string): void {
  for (const input of form.querySelectorAll<HTMLInputElement | HTMLSelectElement>("input, select")) {
    const isWrong = input.name === name;
    const error = form.querySelector<HTMLElement>(`#${CSS.escape(`${input.id}-error`)}`);
    input.ariaInvalid = isWrong ? "true" : null;
    if (error) error.hidden = !isWrong;
    if (error && isWrong) error.textContent = words;
    if (isWrong) input.focus();
  }
}

function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  properties: Partial<HTMLElementTagNameMap[K]>,
): HTMLElementTagNameMap[K] {
  return Object.assign(document.createElement(name), properties);
}
