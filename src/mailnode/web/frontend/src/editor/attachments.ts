// Attachments: any number, each of one of six types, which have parts of their own.

import { detailOf, wordsOf } from "../api";
import { copyOf, find, on } from "../dom";
import { type Settings, textOf } from "./settings";
import { plainName, storeFile } from "./stored-file";
import type { Surroundings, Widget } from "./widget";

const PARTS: Record<string, string[]> = {
  file: ["path", "filename", "contentType", "cid", "forEach"],
  url: ["url", "filename", "contentType", "cid", "forEach"],
  text: ["content", "filename", "cid", "forEach"],
  base64: ["content", "filename", "contentType", "cid", "forEach"],
  custom: ["content", "contentType", "filename", "cid", "forEach"],
  mime: ["content", "cid", "forEach"],
};

export interface InlineImage {
  path: string;
  filename: string;
  contentType: string;
  cid: string;
}

export function mountAttachments(field: HTMLElement, around: Surroundings): Widget {
  const place = find<HTMLElement>(field, "[data-attachments]");
  const changed = (): boolean => place.dispatchEvent(new Event("input", { bubbles: true }));

  let items: Item[] = [];
  const add = (value: Settings): Item => {
    const item = new Item(value, around, () => {
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
    find(add({ type: "file" }).element, "select").focus();
    changed();
  });
  const attach = find(field, "[data-attach]");
  const chooser = find<HTMLInputElement>(attach, "input");
  on(chooser, "change", async () => {
    const wrong = find(field, ":scope > [data-file-error]");
    wrong.hidden = true;
    attach.ariaBusy = "true";
    for (const file of [...(chooser.files ?? [])]) {
      try {
        add(await taken(file, around));
        changed();
      } catch (error) {
        wrong.textContent = wordsOf(detailOf(error));
        wrong.hidden = false;
      }
    }
    chooser.value = "";
    attach.ariaBusy = null;
  });
  field.ownerDocument.addEventListener("mailnode:inline-image", (event) => {
    if (!field.isConnected) return;
    const image = (event as CustomEvent<InlineImage>).detail;
    const { path, filename, contentType, cid } = image;
    add({ ...attachmentOf({ path, filename }), ...(contentType ? { contentType } : {}), cid });
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

/** Store a file, and give the attachment that names it. */
async function taken(file: File, around: Surroundings): Promise<Settings> {
  return attachmentOf(await storeFile(around.flow(), file, around.settings()));
}

/** The attachment of a stored file; its name stands there where its path says another one. */
function attachmentOf({ path, filename }: { path: string; filename: string }): Settings {
  return plainName(path) === filename ? { type: "file", path } : { type: "file", path, filename };
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

  constructor(
    value: Settings,
    private readonly around: Surroundings,
    remove: () => void,
  ) {
    this.element = copyOf("template[data-attachment]");
    this.element.classList.add("field");
    this.kind = find(this.element, "select");
    this.kind.value = typeof value.type === "string" && value.type in PARTS ? value.type : "file";
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
    const isFile = this.kind.value === "file";
    this.input("filename").placeholder = isFile ? plainName(this.input("path").value) : "";
    this.input("contentType").placeholder = isFile ? "By the file name" : "application/pdf";
    const shown = PARTS[this.kind.value] ?? [];
    for (const part of this.element.querySelectorAll<HTMLElement>("[data-part]")) {
      part.hidden = part.dataset.part !== "type" && !shown.includes(part.dataset.part ?? "");
    }
  }

  private async take(upload: HTMLInputElement): Promise<void> {
    const file = upload.files?.[0];
    if (!file) return;
    const button = find(this.element, "[data-upload]");
    const wrong = find(this.element, "[data-file-error]");
    button.ariaBusy = "true";
    wrong.hidden = true;
    try {
      const { path, filename } = await taken(file, this.around);
      this.kind.value = "file";
      this.input("path").value = textOf(path);
      this.input("filename").value = textOf(filename);
      this.input("contentType").value = "";
      this.showParts();
      this.element.dispatchEvent(new Event("input", { bubbles: true }));
    } catch (error) {
      wrong.textContent = wordsOf(detailOf(error));
      wrong.hidden = false;
    } finally {
      button.ariaBusy = null;
      upload.value = "";
    }
  }
}
