// Attachments: any number, each of one of six types, which have parts of their own.

import { copyOf, find, on } from "../dom";
import { type Settings, textOf } from "./settings";
import type { Widget } from "./widget";

const PARTS: Record<string, string[]> = {
  file: ["path", "filename", "contentType", "cid"],
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
  const place = find<HTMLElement>(field, "[data-attachments]");
  const changed = (): boolean => place.dispatchEvent(new Event("input", { bubbles: true }));

  let items: Item[] = [];
  const add = (value: Settings): Item => {
    const item = new Item(value, () => {
      item.element.remove();
      items = items.filter((one) => one !== item);
      renumber(place);
      changed();
    });
    place.append(item.element);
    items.push(item);
    renumber(place);
    return item;
  };

  find(field, "[data-action=add-attachment]").addEventListener("click", () => {
    find(add({ type: "url" }).element, "select").focus();
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
      items = [];
      for (const one of Array.isArray(value) ? (value as Settings[]) : []) add(one);
    },
    value: () => items.map((item) => item.value()),
  };
}

function renumber(place: HTMLElement): void {
  place.querySelectorAll<HTMLElement>(":scope > .attachment").forEach((attachment, index) => {
    attachment.dataset.key = `attachments[${index}]`;
    find(attachment, "[data-number]").textContent = String(index + 1);
    for (const part of attachment.querySelectorAll<HTMLElement>("[data-part]")) {
      part.dataset.key = `attachments[${index}].${part.dataset.part ?? ""}`;
    }
  });
}

class Item {
  readonly element: HTMLElement;
  private readonly kind: HTMLSelectElement;
  private readonly unknown: Settings;

  constructor(value: Settings, remove: () => void) {
    this.element = copyOf("template[data-attachment]");
    this.element.classList.add("field");
    this.kind = find(this.element, "select");
    this.kind.value = typeof value.type === "string" && value.type in PARTS ? value.type : "url";
    const known = new Set(["type", ...Object.values(PARTS).flat()]);
    this.unknown = Object.fromEntries(Object.entries(value).filter(([key]) => !known.has(key)));
    for (const name of new Set(Object.values(PARTS).flat())) this.input(name).value = textOf(value[name]);
    this.kind.addEventListener("change", () => this.showParts());
    find(this.element, "[data-action=remove]").addEventListener("click", remove);
    const upload = find<HTMLInputElement>(this.element, "[data-upload] input");
    on(upload, "change", () => this.take(upload));
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
    return find<HTMLInputElement>(this.element, `[data-part="${name}"] :is(input, textarea)`);
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
    reader.onload = () => resolve((reader.result as string).replace(/^[^,]*,/, ""));
    reader.onerror = () => reject(reader.error ?? new Error("The file can't be read."));
    reader.readAsDataURL(file);
  });
}
