/** The dialog that makes, changes, tests and authorizes a connection. */

import { Problem, call, clearProblems, detailOf, showProblem, showProblems } from "../api";
import type { Connection, ErrorDetail } from "../api-types";
import { copyBeside } from "../copying";
import { find } from "../dom";
import { check, chosen, offer } from "./check";
import { authorize } from "./consent";
import { ConnectionForm } from "./form";
import { fitting, tileFor, tileOf, type Tile } from "./tiles";
import type { DialogOptions } from "./types";
import { inWordsOfForm } from "./words";

type Work = "test" | "authorize";
type View = "tiles" | "form" | "work";

/** One showing of the dialog, from its opening to its end. */
class Showing {
  private readonly dialog = find<HTMLDialogElement>(document, "#connection-dialog");
  private readonly tilesView = find(this.dialog, "[data-view=tiles]");
  private readonly formView = find<HTMLFormElement>(this.dialog, "[data-view=form]");
  private readonly workView = find(this.dialog, "[data-view=work]");
  private readonly serverForm = find<HTMLFormElement>(this.workView, "[data-part=server]");
  private readonly form = formOf(this.formView);
  private readonly items = [...this.tilesView.querySelectorAll<HTMLElement>("[data-tile]")];
  private readonly tiles = this.items.map(tileOf);
  private readonly over = new AbortController();
  private work = new AbortController();
  private name: string | undefined;
  /** Whether the form changes a connection that was just made, tested or authorized. */
  private isFromWork = false;

  constructor(
    private shown: Connection | undefined,
    private readonly options: DialogOptions,
  ) {}

  /** Open the dialog at its first page, or at work with a connection that is there; wait for its end. */
  async run(work?: Work): Promise<string | undefined> {
    const { signal } = this.over;
    this.dialog.addEventListener("click", (event) => void this.clicked(event), { signal });
    this.formView.addEventListener("submit", (event) => void this.submitted(event), { signal });
    this.serverForm.addEventListener("submit", (event) => void this.asked(event), { signal });
    const closed = new Promise<void>((resolve) => {
      this.dialog.addEventListener("close", () => resolve(), { signal, once: true });
    });
    clearProblems(this.dialog);
    this.dialog.showModal();
    if (this.shown && work) {
      this.atWork(this.shown, "");
      find(this.workView, "[data-action=close]").focus();
      void this.start(work);
    } else if (this.shown) {
      this.atChange(this.shown);
    } else {
      this.atTiles();
    }
    await closed;
    this.work.abort();
    this.over.abort();
    // What was typed into a secret's field does not stay in the page.
    this.form.begin(undefined, "", []);
    return this.name;
  }

  private see(view: View, title: string): void {
    this.tilesView.hidden = view !== "tiles";
    this.formView.hidden = view !== "form";
    this.workView.hidden = view !== "work";
    find(this.dialog, "h2").textContent = title;
    this.dialog.scrollTop = 0;
  }

  private get fitting(): Tile[] {
    const { service = "", hosts = [] } = this.options;
    return fitting(this.tiles, this.form.properName(service), this.form.typesOf(service), hosts.length > 0);
  }

  private atTiles(): void {
    const offered = this.fitting;
    const [only] = offered;
    if (offered.length === 1 && only) {
      this.atNew(only);
      return;
    }
    this.see("tiles", this.options.service ? `New connection for ${this.options.service}` : "New connection");
    for (const item of this.items) item.hidden = !offered.some((tile) => tile.id === item.dataset.tile);
    find(this.tilesView, "[data-tile]:not([hidden]) button").focus();
  }

  private atNew(tile: Tile): void {
    this.see("form", `New connection: ${tile.label}`);
    clearProblems(this.formView);
    find(this.formView, "[type=submit]").textContent = "Create";
    find(this.formView, "[data-action=back]").hidden = this.fitting.length === 1;
    this.form.begin(tile, this.form.properName(this.options.service ?? ""), this.options.hosts ?? []);
    find(this.formView, "#connection-name").focus({ preventScroll: true });
  }

  private atChange(shown: Connection): void {
    this.see("form", `Connection ${shown.name}`);
    clearProblems(this.formView);
    find(this.formView, "[type=submit]").textContent = "Save";
    find(this.formView, "[data-action=back]").hidden = !this.isFromWork;
    this.form.open(shown, tileFor(this.tiles, shown.type, shown.service ?? ""));
    find(this.formView, `#connection-${this.form.place}`).focus({ preventScroll: true });
  }

  private atWork(shown: Connection, said: string): void {
    this.shown = shown;
    this.name = shown.name;
    this.see("work", `Connection ${shown.name}`);
    this.say(said);
    offer(this.serverForm, shown, this.options.server ?? {});
    find(this.workView, "[data-action=authorize]").hidden = shown.type !== "oauth2";
    for (const name of ["consent", "check"]) find(this.workView, `[data-part=${name}]`).hidden = true;
  }

  private say(words: string, isGood?: boolean): void {
    const said = find(this.workView, "[data-part=said]");
    said.textContent = words;
    said.className = isGood === undefined ? "" : isGood ? "good" : "bad";
  }

  private async clicked(event: Event): Promise<void> {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-action]") : null;
    const action = button?.dataset.action;
    if (action === "close") this.dialog.close();
    if (action === "choose") this.choose(button?.closest<HTMLElement>("[data-tile]"));
    if (action === "back") this.back();
    if (action === "copy" && button) await copyBeside(button);
    if (action === "settings") await this.change();
    if (action === "test" || action === "authorize") await this.start(action);
  }

  private choose(item: HTMLElement | null | undefined): void {
    if (item) this.atNew(tileOf(item));
  }

  private back(): void {
    if (this.shown) this.atWork(this.shown, "");
    else this.atTiles();
  }

  /** Go from work with a connection to its form, with what it is by now. */
  private async change(): Promise<void> {
    this.work.abort();
    this.shown = await call("GET /api/connections/{name}", { path: { name: this.name ?? "" } });
    this.isFromWork = true;
    this.atChange(this.shown);
  }

  private async asked(event: Event): Promise<void> {
    event.preventDefault();
    await this.start("test");
  }

  private async submitted(event: Event): Promise<void> {
    event.preventDefault();
    const submit = find<HTMLButtonElement>(this.formView, "[type=submit]");
    submit.disabled = true;
    try {
      const isNew = !this.shown;
      if (isNew && this.form.lacksWhatProviderRequires) {
        this.tell(this.form.missing.map(missing));
        return;
      }
      const shown = await this.save();
      changed();
      this.name = shown.name;
      if (!isNew && !this.isFromWork) {
        this.dialog.close();
        return;
      }
      this.saved(shown, isNew);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.tell(error.all.length ? error.all : [detailOf(error)]);
    } finally {
      submit.disabled = false;
    }
  }

  private async save(): Promise<Connection> {
    return this.shown
      ? call("PATCH /api/connections/{name}", { path: this.shown, body: this.form.changed(this.shown) })
      : call("POST /api/connections", { body: this.form.created() });
  }

  private saved(shown: Connection, isNew: boolean): void {
    const next = shown.state === "needsConsent" ? "Now authorize it." : "You can test it now.";
    this.atWork(shown, `${shown.name} was ${isNew ? "created" : "saved"}. ${next}`);
    find(this.workView, shown.state === "needsConsent" ? "[data-action=authorize]" : "[data-action=test]").focus();
    if (isNew) this.options.onCreated?.(shown.name);
  }

  /** Show errors beside their fields, of which some may have been folded away. */
  private tell(errors: readonly ErrorDetail[]): void {
    const { labels, place } = this.form;
    const told = errors.map((error) => {
      const isPlace = error.key === "service" && error.code === "missingSetting";
      return inWordsOfForm(isPlace ? missing(place) : error, labels);
    });
    for (const { key } of told) this.form.reveal(key);
    showProblems(this.formView, told);
  }

  private async start(work: Work): Promise<void> {
    this.work.abort();
    const controller = new AbortController();
    this.work = controller;
    const name = this.name ?? "";
    find(this.workView, work === "test" ? "[data-part=consent]" : "[data-part=check]").hidden = true;
    this.say("");
    clearProblems(this.workView);
    try {
      if (work === "test") {
        await check(this.workView, name, chosen(this.serverForm), controller.signal);
      } else {
        const done = await authorize(this.workView, name, controller.signal);
        if (done) this.say(done.said, done.isGood);
        if (done && !controller.signal.aborted) {
          find(this.workView, done.isGood ? "[data-action=test]" : "[data-action=authorize]").focus();
        }
      }
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      showProblem(this.serverForm.hidden ? this.workView : this.serverForm, error);
    } finally {
      controller.abort();
    }
    changed();
  }
}

/** An error as the server would tell it of a field that is empty. */
function missing(key: string): ErrorDetail {
  return { code: "missingSetting", phase: "settings", message: `${key} is missing`, hint: "", node: "", key, line: 0 };
}

/** Copy what stands beside a button; the button says what came of it until it is left. */
let form: ConnectionForm | undefined;

function formOf(element: HTMLFormElement): ConnectionForm {
  if (form?.form !== element) form = new ConnectionForm(element);
  return form;
}

/** Tell the page that the list of connections may be another one. */
function changed(): void {
  document.body.dispatchEvent(new CustomEvent("connections-changed"));
}

/** Have a person make a connection; gives its name, or undefined where none was made. */
export async function openConnectionDialog(options: DialogOptions = {}): Promise<string | undefined> {
  return new Showing(undefined, options).run();
}

/** Have a person change a connection. */
export async function openEditDialog(shown: Connection): Promise<string | undefined> {
  return new Showing(shown, {}).run();
}

/** Test or authorize a connection. */
export async function openWorkDialog(shown: Connection, work: Work): Promise<string | undefined> {
  return new Showing(shown, {}).run(work);
}
