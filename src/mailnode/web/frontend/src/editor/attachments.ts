// Attachments: any number, each of one of five types, which have parts of their own.

import type { Settings, Widget } from "./model";

const PARTS: Record<string, string[]> = {
  url: ["url", "filename", "contentType", "cid"],
  text: ["content", "filename", "cid"],
  base64: ["content", "filename", "contentType", "cid"],
  custom: ["content", "contentType", "filename", "cid"],
  mime: ["content", "cid"],
};

export interface InlineImage {
  filename: string;
  contentType: string;
  base64: string;
  cid: string;
}

export function mountAttachments(field: HTMLElement): Widget {
  const place = field.querySelector<HTMLElement>("[data-attachments]")!;
  const changed = (): boolean => place.dispatchEvent(new Event("input", { bubbles: true }));

  const add = (value: Settings): HTMLElement => {
    const item = new Item(value, () => {
      item.element.remove();
      renumber(place);
      changed();
    });
    place.append(item.element);
    items.set(item.element, item);
    renumber(place);
    return item.element;
  };
  const items = new WeakMap<Element, Item>();

  field.querySelector("[data-action=add-attachment]")!.addEventListener("click", () => {
    add({ type: "url" }).querySelector("select")!.focus();
    changed();
  });
  field.ownerDocument.addEventListener("mailnode:inline-image", (event) => {
    if (!field.isConnected) return;
    const image = (event as CustomEvent<InlineImage>).detail;
    const { filename, contentType, cid } = image;
    add({ type: "base64", content: image.base64, filename, contentType, cid });
    changed();
  });
  return {
    show(value) {
      place.replaceChildren();
      for (const one of Array.isArray(value) ? (value as Settings[]) : []) add(one);
    },
    value: () => [...place.children].map((element) => items.get(element)!.value()),
  };
}

function renumber(place: HTMLElement): void {
  [...place.children].forEach((element, index) => {
    element.querySelector("[data-number]")!.textContent = String(index + 1);
    for (const part of element.querySelectorAll<HTMLElement>("[data-part]")) {
      part.dataset.key = `attachments[${index}].${part.dataset.part}`;
    }
    (element as HTMLElement).dataset.key = `attachments[${index}]`;
  });
}

class Item {
  readonly element: HTMLElement;
  private readonly kind: HTMLSelectElement;
  private readonly unknown: Settings;

  constructor(value: Settings, remove: () => void) {
    const template = document.querySelector<HTMLTemplateElement>("template[data-attachment]")!;
    this.element = (template.content.cloneNode(true) as DocumentFragment).querySelector<HTMLElement>(".attachment")!;
    this.element.classList.add("field");
    this.kind = this.element.querySelector("select")!;
    this.kind.value = typeof value.type === "string" && value.type in PARTS ? value.type : "url";
    const known = new Set(["type", ...Object.values(PARTS).flat()]);
    this.unknown = Object.fromEntries(Object.entries(value).filter(([key]) => !known.has(key)));
    for (const name of new Set(Object.values(PARTS).flat())) this.input(name).value = String(value[name] ?? "");
    this.kind.addEventListener("change", () => this.showParts());
    this.element.querySelector("[data-action=remove]")!.addEventListener("click", remove);
    this.element
      .querySelector<HTMLInputElement>("[data-upload] input")!
      .addEventListener("change", (event) => void this.take(event.target as HTMLInputElement));
    this.showParts();
  }

  value(): Settings {
    const said: Settings = { type: this.kind.value };
    for (const name of PARTS[this.kind.value] ?? []) {
      const given = this.input(name).value;
      if (given) said[name] = given;
    }
    return { ...said, ...this.unknown };
  }

  private input(name: string): HTMLInputElement {
    return this.element.querySelector<HTMLInputElement>(`[data-part="${name}"] :is(input, textarea)`)!;
  }

  private showParts(): void {
    const shown = PARTS[this.kind.value] ?? [];
    for (const part of this.element.querySelectorAll<HTMLElement>("[data-part]")) {
      part.hidden = part.dataset.part !== "type" && !shown.includes(part.dataset.part ?? "");
    }
  }

  private async take(upload: HTMLInputElement): Promise<void> {
    const file = upload.files?.[0];
    if (!file) return;
    this.kind.value = "base64";
    this.input("content").value = await base64Of(file);
    this.input("filename").value = file.name;
    this.input("contentType").value = file.type;
    this.showParts();
    this.element.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

function base64Of(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^[^,]*,/, ""));
    reader.onerror = () => reject(reader.error ?? new Error("the file can't be read"));
    reader.readAsDataURL(file);
  });
}
