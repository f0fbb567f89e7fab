/** One field of the dialog: the types of connections and the tiles that have it, and what stands in it. */

import { find } from "../dom";
import { textOf } from "../editor/settings";
import { ONLY_WHERE_NAMED, type Tile } from "./tiles";

type Control = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

/** One field with its control; values are as the API has them, undefined where nothing stands. */
export class Field {
  readonly key: string;
  readonly control: Control;

  constructor(readonly box: HTMLElement) {
    this.key = box.dataset.key ?? "";
    this.control = find<Control>(box, "[name]");
  }

  get isSecret(): boolean {
    return "secret" in this.box.dataset;
  }

  get isHidden(): boolean {
    return this.box.hidden;
  }

  get isRemoved(): boolean {
    return this.box.querySelector<HTMLInputElement>("[data-remove]")?.checked ?? false;
  }

  get value(): unknown {
    if (this.control instanceof HTMLInputElement && this.control.type === "checkbox") {
      return this.control.checked || undefined;
    }
    if (this.control instanceof HTMLTextAreaElement && !this.isSecret) {
      const lines = this.control.value
        .split(/[\n,;]/)
        .map((line) => line.trim())
        .filter(Boolean);
      return lines.length ? lines : undefined;
    }
    return (this.isSecret ? this.control.value : this.control.value.trim()) || undefined;
  }

  show(value: unknown): void {
    if (this.control instanceof HTMLInputElement && this.control.type === "checkbox") {
      this.control.checked = value === true;
    } else {
      this.control.value = Array.isArray(value) ? value.join("\n") : textOf(value);
    }
  }

  get label(): string {
    return (find(this.box, "label").firstChild?.textContent ?? "").trim();
  }

  /** Whether something is missing that the asterisk asks for. */
  get isMissing(): boolean {
    return !this.isHidden && this.control.getAttribute("aria-required") === "true" && this.value === undefined;
  }

  belongTo(type: string, tile?: Tile): void {
    const isOut = tile && ONLY_WHERE_NAMED.includes(this.key) && !tile.shows.includes(this.key);
    const types = this.box.dataset.types;
    if (types === undefined) {
      if (this.key === "type") this.box.hidden = Boolean(isOut);
      return;
    }
    this.box.hidden = Boolean(isOut) || !types.split(" ").includes(type);
    const isRequired =
      (this.box.dataset.required ?? "").split(" ").includes(type) || Boolean(tile?.required.includes(this.key));
    this.control.setAttribute("aria-required", String(isRequired));
    const mark = this.box.querySelector<HTMLElement>("label > .required");
    if (mark) mark.hidden = !isRequired;
  }

  /** Say whether a secret is set already, and let one that is not required be taken away. */
  keep(isSet: boolean): void {
    const kept = this.box.querySelector<HTMLElement>(".connection-kept");
    if (!kept) return;
    kept.hidden = !isSet;
    const remove = find<HTMLInputElement>(kept, "[data-remove]");
    remove.checked = false;
    find(kept, ".connection-remove").hidden = this.control.getAttribute("aria-required") === "true";
  }
}
