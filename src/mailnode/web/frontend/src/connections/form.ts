/** The fields of the dialog: which belong to a type, what stands in them, and what of it was changed. */

import type { Connection, NewConnection } from "../api-types";
import { find } from "../dom";
import { textOf } from "../editor/settings";
import type { Fields } from "./types";

type Control = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

const DKIM = "dkim.";

/** One field with its control; values are as the API has them, undefined where nothing stands. */
class Field {
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

  belongTo(type: string): void {
    const types = this.box.dataset.types;
    if (types === undefined) return;
    this.box.hidden = !types.split(" ").includes(type);
    const isRequired = (this.box.dataset.required ?? "").split(" ").includes(type);
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

/** The form of the dialog. */
export class ConnectionForm {
  private readonly fields: Field[];
  private readonly type: HTMLSelectElement;
  private readonly service: HTMLInputElement;

  constructor(readonly form: HTMLFormElement) {
    this.fields = [...form.querySelectorAll<HTMLElement>(".field")].map((box) => new Field(box));
    this.type = find<HTMLSelectElement>(form, "#connection-type");
    this.service = find<HTMLInputElement>(form, "#connection-service");
    this.type.addEventListener("change", () => this.choose(this.type.value));
    this.service.addEventListener("input", () => this.tellNote());
    for (const radio of form.querySelectorAll<HTMLInputElement>("[name=connection-where]")) {
      radio.addEventListener("change", () => this.aim(this.where));
    }
  }

  get name(): string {
    return this.field("name").control.value.trim();
  }

  private get where(): "service" | "hosts" {
    return find<HTMLInputElement>(this.form, "[name=connection-where]:checked").value === "hosts" ? "hosts" : "service";
  }

  /** Empty the form for a new connection to a place, if one is known. */
  begin(service: string, hosts: readonly string[]): void {
    this.fill({ service: service || undefined, hosts: hosts.length ? hosts : undefined }, []);
    this.type.disabled = this.field("name").control.disabled = false;
    const types = this.known(service)?.dataset.types?.split(" ") ?? [];
    this.choose(service || hosts.length ? (types.includes("oauth2") ? "oauth2" : "basic") : "oauth2");
  }

  /** Show a connection that is to be changed. */
  open(shown: Connection): void {
    this.fill(shown, shown.secrets);
    this.type.disabled = this.field("name").control.disabled = true;
    this.choose(shown.type);
    for (const field of this.fields) field.keep(shown.secrets.includes(field.key));
  }

  /** Everything that was filled in. */
  created(): NewConnection {
    return { ...nested(this.entries()), type: this.type.value, name: this.name };
  }

  /** What differs from what was shown; null is what was taken away. */
  changed(shown: Connection): Fields {
    const changed: [string, unknown][] = [];
    for (const field of this.mutable()) {
      const value = field.value;
      if (field.isSecret) {
        if (value !== undefined) changed.push([field.key, value]);
        else if (field.isRemoved) changed.push([field.key, null]);
      } else if (!isSame(value, valueOf(shown, field.key))) {
        changed.push([field.key, value ?? null]);
      }
    }
    return changedDkim(nested(changed), nested(this.entries()));
  }

  /** Bring a field into view whose error is about to be shown. */
  reveal(key: string): void {
    const whole = key.replace(/\[\d+\]$/, "");
    const folded = this.fields.find((one) => one.key === whole)?.box.closest("details");
    if (folded) folded.open = true;
    if (whole === "service" || whole === "hosts") this.aim(whole);
  }

  private field(key: string): Field {
    const found = this.fields.find((one) => one.key === key);
    if (!found) throw new Error(`the form has no field ${key}`);
    return found;
  }

  private mutable(): Field[] {
    return this.fields.filter((one) => !one.isHidden && one.key !== "name" && one.key !== "type");
  }

  private entries(): [string, unknown][] {
    return this.mutable()
      .map((one): [string, unknown] => [one.key, one.value])
      .filter(([, value]) => value !== undefined);
  }

  private fill(values: Fields, secrets: readonly string[]): void {
    for (const field of this.fields) {
      field.show(field.isSecret ? undefined : valueOf(values, field.key));
      field.keep(secrets.includes(field.key));
    }
    for (const details of this.form.querySelectorAll("details")) details.open = false;
    this.aim(valueOf(values, "hosts") === undefined ? "service" : "hosts");
    this.tellNote();
  }

  private choose(type: string): void {
    this.type.value = type;
    find(this.form, "#connection-type-hint").textContent = this.type.selectedOptions[0]?.dataset.hint ?? "";
    for (const field of this.fields) field.belongTo(type);
  }

  private aim(where: "service" | "hosts"): void {
    find<HTMLInputElement>(this.form, `[name=connection-where][value=${where}]`).checked = true;
    this.field("service").box.hidden = where !== "service";
    this.field("hosts").box.hidden = where !== "hosts";
  }

  private tellNote(): void {
    find(this.form, "#connection-service-hint").textContent =
      this.known(this.service.value)?.dataset.note || "Search by name or by domain, such as gmail.com.";
  }

  private known(name: string): HTMLOptionElement | undefined {
    const options = [...this.form.querySelectorAll<HTMLOptionElement>("#connection-services option")];
    const words = (one: HTMLOptionElement): string[] => [one.value, ...(one.dataset.words ?? "").split("|")].map(word);
    return name.trim() ? options.find((one) => words(one).includes(word(name))) : undefined;
  }
}

function word(text: string): string {
  return text.toLowerCase().replace(/[\s_-]/g, "");
}

function isSame(one: unknown, other: unknown): boolean {
  const plain = (value: unknown): string => JSON.stringify(typeof value === "number" ? String(value) : (value ?? null));
  return plain(one) === plain(other === false ? undefined : other);
}

function valueOf(values: Fields, key: string): unknown {
  if (!key.startsWith(DKIM)) return values[key];
  const dkim = values.dkim as Fields | undefined;
  return dkim?.[key.slice(DKIM.length)];
}

/** Put `dkim.domain` and its like into one object. */
function nested(entries: readonly (readonly [string, unknown])[]): Fields {
  const fields: Fields = {};
  for (const [key, value] of entries) {
    if (key.startsWith(DKIM)) {
      fields.dkim = { ...(fields.dkim as Fields | undefined), [key.slice(DKIM.length)]: value };
    } else {
      fields[key] = value;
    }
  }
  return fields;
}

/** Signing is given up when nothing of it stands in the form any more. */
function changedDkim(changed: Fields, there: Fields): Fields {
  return changed.dkim !== undefined && there.dkim === undefined ? { ...changed, dkim: null } : changed;
}
