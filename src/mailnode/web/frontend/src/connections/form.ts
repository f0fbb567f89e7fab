/** The fields of the dialog: which belong to a type, what stands in them, and what of it was changed. */

import { at } from "../base-path";
import type { Connection, NewConnection } from "../api-types";
import { find } from "../dom";
import { AUTOMATIC_BY_PORT, automaticOf } from "./tls";
import { Field } from "./field";
import type { Tile } from "./tiles";
import type { Fields } from "./types";

const DKIM = "dkim.";

/** The form of the dialog. */
export class ConnectionForm {
  private readonly fields: Field[];
  private readonly type: HTMLSelectElement;
  private readonly service: HTMLInputElement;
  private tile: Tile | undefined;

  constructor(readonly form: HTMLFormElement) {
    this.fields = [...form.querySelectorAll<HTMLElement>(".field")].map((box) => new Field(box));
    this.type = find<HTMLSelectElement>(form, "#connection-type");
    this.service = find<HTMLInputElement>(form, "#connection-service");
    this.type.addEventListener("change", () => this.choose(this.type.value));
    this.service.addEventListener("input", () => this.tellNote());
    for (const radio of form.querySelectorAll<HTMLInputElement>("[name=connection-where]")) {
      radio.addEventListener("change", () => {
        this.aim(this.where);
        this.choose(this.type.value);
      });
    }
    this.field("privateKey").control.addEventListener("input", () => this.takeKeyFile());
  }

  get name(): string {
    return this.field("name").control.value.trim();
  }

  private get where(): "service" | "hosts" {
    return find<HTMLInputElement>(this.form, "[name=connection-where]:checked").value === "hosts" ? "hosts" : "service";
  }

  /** Empty the form for a new connection that logs in by a tile's way, to a place if one is known. */
  begin(tile: Tile | undefined, service: string, hosts: readonly string[]): void {
    const usual = hosts.length ? "" : service || (tile?.services[0] ?? "");
    const isOwn = hosts.length > 0 || (tile?.id === "oauth2" && !service);
    this.fill({ service: usual || undefined, hosts: isOwn ? [...hosts] : undefined }, []);
    this.type.disabled = this.field("name").control.disabled = false;
    this.tile = tile;
    find(this.form, "[data-part=where]").hidden = Boolean(tile?.services.length);
    this.choose(tile?.type ?? "basic");
    find<HTMLDetailsElement>(this.form, "[data-part=tokens]").open = tile?.id === "oauth2";
    this.guide(tile, true);
  }

  /** Show a connection that is to be changed. */
  open(shown: Connection, tile: Tile | undefined): void {
    this.fill(shown, shown.secrets);
    this.type.disabled = this.field("name").control.disabled = true;
    this.tile = undefined;
    find(this.form, "[data-part=where]").hidden = false;
    this.choose(shown.type);
    for (const field of this.fields) field.keep(shown.secrets.includes(field.key));
    this.guide(tile, false);
  }

  /** The names of the fields by their keys. */
  get labels(): Map<string, string> {
    return new Map(this.fields.map((field) => [field.key, field.label]));
  }

  /** The fields with an asterisk that are empty. */
  get missing(): string[] {
    return this.fields.filter((field) => field.isMissing).map(({ key }) => key);
  }

  /** Whether something is missing that only the provider requires; who has an access token can do without it. */
  get lacksWhatProviderRequires(): boolean {
    if (this.field("accessToken").value !== undefined) return false;
    return this.missing.some((key) => this.ways?.required.includes(key));
  }

  /** The tile as it is for the place that is chosen: at a server of one's own nobody knows where tokens are had. */
  private get ways(): Tile | undefined {
    if (this.tile?.id !== "oauth2" || this.where === "service") return this.tile;
    return { ...this.tile, required: [...this.tile.required, "accessUrl"] };
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
    if (whole === "hosts") this.aim(whole);
  }

  /** The key of the field that says where the secrets may go. */
  get place(): "service" | "hosts" {
    return this.where;
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
    for (const details of this.form.querySelectorAll("details")) {
      details.open = [...details.querySelectorAll<HTMLInputElement>(".field [name]")].some(
        (control) => details.dataset.part === "tokens" && control.value,
      );
    }
    this.aim(valueOf(values, "hosts") === undefined ? "service" : "hosts");
    this.tellNote();
  }

  private choose(type: string): void {
    this.type.value = type;
    find(this.form, "#connection-type-hint").textContent = this.type.selectedOptions[0]?.dataset.hint ?? "";
    for (const field of this.fields) field.belongTo(type, this.ways);
    const tokens = find(this.form, "[data-part=tokens]");
    tokens.hidden = !tokens.querySelector(".field:not([hidden])");
    this.tellNote();
  }

  private guide(tile: Tile | undefined, isOpen: boolean): void {
    for (const guide of this.form.querySelectorAll<HTMLDetailsElement>("[data-guide]")) {
      guide.hidden = guide.dataset.guide !== tile?.id;
      guide.open = isOpen;
    }
    for (const place of this.form.querySelectorAll("[data-part=web-redirect]")) {
      place.textContent = `${location.origin}${at("/oauth2/callback")}`;
    }
  }

  private aim(where: "service" | "hosts"): void {
    find<HTMLInputElement>(this.form, `[name=connection-where][value=${where}]`).checked = true;
    this.field("service").box.hidden = where !== "service";
    this.field("hosts").box.hidden = where !== "hosts";
    this.tellNote();
  }

  private tellNote(): void {
    const known = this.where === "service" ? this.known(this.service.value) : undefined;
    const { note, ports, tokenUrl } = known?.dataset ?? {};
    find(this.form, "#connection-service-hint").textContent = note || "Search by name or by domain, such as gmail.com.";
    find(this.form, "#connection-tlsOption-hint").textContent = known
      ? automaticOf(known.value, JSON.parse(ports ?? "{}") as Record<string, number>)
      : AUTOMATIC_BY_PORT;
    find<HTMLInputElement>(this.form, "#connection-accessUrl").placeholder = tokenUrl ?? "";
  }

  /** Google's key file is JSON that names the account too: whoever pastes all of it has filled in both fields. */
  private takeKeyFile(): void {
    const control = this.field("privateKey").control;
    if (!control.value.trimStart().startsWith("{")) return;
    try {
      const file = JSON.parse(control.value) as Record<string, unknown>;
      if (typeof file.private_key !== "string") return;
      control.value = file.private_key;
      if (typeof file.client_email === "string") this.field("serviceClient").control.value = file.client_email;
    } catch {
      // not all of it yet
    }
  }

  /** The types of connections that a service takes. */
  typesOf(service: string): string[] {
    return this.known(service)?.dataset.types?.split(" ") ?? [];
  }

  /** The proper name of a service. */
  properName(service: string): string {
    return this.known(service)?.value ?? service;
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
