// The panel of one node: fields from the template of its type, filled from the node and read back into it.

import { clearProblems, fieldOf, markField, wordsOf } from "../api";
import type { ErrorDetail, FlowNodeContent } from "../api-types";
import { element, find } from "../dom";
import { problemCount } from "./nodes";
import { adviceOf, nameOf } from "./server-advice";
import { isSame, pathsOf, read, type Settings, textOf, write } from "./settings";
import { imageAddress, storeFile } from "./stored-file";
import { mountWidget, type Surroundings, type Widget } from "./widget";

interface Bound {
  field: HTMLElement;
  key: string;
  fallback: unknown;
  widget: Widget;
}

/** Where a server is, as far as advice names it. */
export type ServerSettings = { host?: string; port: number; tlsOption: string };

const WRONG = "[aria-invalid=true]:not([hidden]), .source-editor:not([hidden])";
const FOCUSABLE = "[contenteditable=true], input:not([hidden]), select, textarea:not([hidden]), button";

export class Panel {
  private readonly bound: Bound[];
  private shown: FlowNodeContent;

  constructor(
    private readonly place: HTMLElement,
    node: FlowNodeContent,
    around: Surroundings,
    private readonly changed: (node: FlowNodeContent) => void,
  ) {
    this.shown = structuredClone(node);
    const within = { ...around, settings: () => this.shown.settings };
    place.replaceChildren(templateOf(node.type).content.cloneNode(true));
    this.bound = [...place.querySelectorAll<HTMLElement>(".field[data-kind]")].map((field) => ({
      field,
      key: field.dataset.key ?? "",
      fallback: JSON.parse(field.dataset.default ?? "null") as unknown,
      widget: mountWidget(field, within),
    }));
    for (const one of this.bound) one.widget.show(valueOf(node, one.key) ?? one.fallback ?? undefined);
    this.showWhatApplies();
    void this.enrich(around);
  }

  /** The node as the fields say it; settings that no field knows stay as they are. */
  private readNode(): FlowNodeContent {
    const node = structuredClone(this.shown);
    for (const { field, key, fallback, widget } of this.bound) {
      const before = valueOf(node, key);
      let value = field.closest("[data-out]") ? undefined : widget.value();
      // What was written down stays so, also where it is the default; nothing else is.
      if (isSame(value, fallback ?? undefined) && !(before !== undefined && isSame(before, value))) value = undefined;
      assign(node, key, value);
    }
    return node;
  }

  handle(): void {
    this.shown = this.readNode();
    this.showWhatApplies();
    this.shown = this.readNode();
    this.changed(this.shown);
  }

  /** Put errors beside their fields, and give those that have none. */
  showErrors(errors: ErrorDetail[]): ErrorDetail[] {
    clearProblems(this.place);
    const left: ErrorDetail[] = [];
    for (const error of errors) {
      const key = error.key === "id" || error.key === "when" ? `@${error.key}` : error.key;
      const field = key
        ? (fieldOf(this.place, key) ?? this.place.querySelector<HTMLElement>('.field[data-key="*"]'))
        : null;
      if (field && !field.closest("[data-out]")) markField(field, wordsOf(error));
      else left.push(error);
    }
    for (const section of this.place.querySelectorAll<HTMLElement>("details")) {
      const count = section.querySelectorAll(".error:not([hidden])").length;
      find(section, "[data-count]").textContent = count ? problemCount(count) : "";
    }
    return left;
  }

  /** Offer other settings of the server: those that were found to work, or, while it is typed, those that are usual. */
  advise(works: ServerSettings | null, use: (settings: ServerSettings) => void): void {
    const old = [...this.place.querySelectorAll("[data-advice]")];
    const advice = works ? null : adviceOf(this.shown.settings);
    const settings = works ?? advice?.settings;
    const key = advice?.key ?? this.place.querySelector<HTMLElement>(".field:has(> .error:not([hidden]))")?.dataset.key;
    const field = fieldOf(this.place, key?.startsWith("smtp.") ? key : "smtp.port");
    const note = settings && field && !field.closest("[data-out]") ? noteOf(settings, advice?.words, use) : null;
    // One that says the same stays: a button that is being pressed must not go away.
    const same = note && old.find((one) => one.parentElement === field && one.isEqualNode(note));
    for (const one of old) if (one !== same) one.remove();
    if (note && !same) field?.append(note);
  }

  /** Go to the field of a key: the section that it is in opens, and it gets the focus. */
  lead(key: string): void {
    const own = key === "id" || key === "when" ? `@${key}` : key;
    const field = own ? fieldOf(this.place, own) : null;
    if (!field) return;
    const section = field.closest("details");
    if (section) section.open = true;
    const within = field.querySelector<HTMLElement>(WRONG) ?? field.querySelector<HTMLElement>(FOCUSABLE);
    within?.focus({ preventScroll: true });
    field.scrollIntoView({ block: "center" });
  }

  private showWhatApplies(): void {
    for (const element of this.place.querySelectorAll<HTMLElement>("[data-when]")) {
      const [, key = "", sign, wanted] = /^(.*?)(!?=)(.*)$/.exec(element.dataset.when ?? "") ?? [];
      const fallback = this.bound.find((one) => one.key === key)?.fallback;
      const is = String(valueOf(this.shown, key) ?? fallback).toLowerCase() === wanted;
      const applies = is === (sign === "=");
      element.hidden = !applies;
      element.toggleAttribute("data-out", !applies);
    }
    for (const { widget } of this.bound) widget.renew?.();
  }

  private async enrich(around: Surroundings): Promise<void> {
    const paths = (): string[] => pathsOf(around.sample());
    const { mountCompletion, mountRichText } = await import("../rich-text/index");
    const rich = this.place.querySelector<HTMLElement>("[data-rich]");
    if (rich) {
      mountRichText(rich, {
        paths,
        image: (address) => attachedImage(around.flow(), this.shown.settings, address),
        store: async (file) => {
          const stored = await storeFile(around.flow(), file, this.shown.settings);
          return { ...stored, address: imageAddress(around.flow(), stored.path) };
        },
      });
    }
    const texts =
      "[data-templated] :is(input:not([type=checkbox], [type=date], [type=time]), textarea):not([data-rich] *), input[data-templated]";
    for (const input of this.place.querySelectorAll<HTMLInputElement>(texts)) mountCompletion(input, paths);
    // Attachments and header fields are added later.
    for (const list of this.place.querySelectorAll("[data-attachments], [data-headers]")) {
      const mount = (): void => {
        for (const input of list.querySelectorAll<HTMLInputElement>(texts)) mountCompletion(input, paths);
      };
      new MutationObserver(mount).observe(list, { childList: true });
    }
  }
}

/** Give where an attached image is that its `cid:` address stands for: beside the flow, or as a data: URL. */
function attachedImage(flow: string, settings: Settings, address: string): string | undefined {
  const attachments = Array.isArray(settings.attachments) ? (settings.attachments as Settings[]) : [];
  const found = attachments.find(({ cid }) => `cid:${textOf(cid)}` === address);
  if (found?.type === "file") return imageAddress(flow, found.path);
  if (found?.type !== "base64") return undefined;
  const [contentType, content] = [textOf(found.contentType), textOf(found.content)];
  return /^image\/[\w.+-]+$/.test(contentType) ? `data:${contentType};base64,${content}` : undefined;
}

function templateOf(type: string): HTMLTemplateElement {
  const own = document.querySelector<HTMLTemplateElement>(`template[data-panel="${CSS.escape(type)}"]`);
  return own ?? find<HTMLTemplateElement>(document, 'template[data-panel=""]');
}

function valueOf(node: FlowNodeContent, key: string): unknown {
  if (key === "*") return node.settings;
  if (key.startsWith("@")) return node[key.slice(1) as "id" | "label" | "when"];
  return read(node.settings, key);
}

function assign(node: FlowNodeContent, key: string, value: unknown): void {
  if (key === "*") {
    node.settings = (value ?? {}) as Settings;
  } else if (key === "@id") {
    node.id = textOf(value);
  } else if (key.startsWith("@")) {
    const name = key.slice(1) as "label" | "when";
    if (value === undefined) Reflect.deleteProperty(node, name);
    else node[name] = textOf(value);
  } else {
    write(node.settings, key, value);
  }
}

function noteOf(
  settings: ServerSettings,
  words: string | undefined,
  use: (settings: ServerSettings) => void,
): HTMLElement {
  const button = element("button", { type: "button", className: "button", textContent: nameOf(settings) });
  button.addEventListener("click", () => use(settings));
  const note = element("div", { className: "note" });
  note.dataset.advice = "";
  if (words) note.append(element("p", { textContent: words }));
  note.append(button);
  return note;
}
