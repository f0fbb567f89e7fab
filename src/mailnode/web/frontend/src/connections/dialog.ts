/** The dialog that makes, changes, tests and authorizes a connection. */

import { Problem, call, clearProblems, showProblem } from "../api";
import type { Connection } from "../api-types";
import { find } from "../dom";
import { check, chosen, offer } from "./check";
import { authorize } from "./consent";
import { ConnectionForm } from "./form";
import type { DialogOptions } from "./types";

type Work = "test" | "authorize";

/** One showing of the dialog, from its opening to its end. */
class Showing {
  private readonly dialog = find<HTMLDialogElement>(document, "#connection-dialog");
  private readonly formView = find<HTMLFormElement>(this.dialog, "[data-view=form]");
  private readonly workView = find(this.dialog, "[data-view=work]");
  private readonly serverForm = find<HTMLFormElement>(this.workView, "[data-part=server]");
  private readonly form = formOf(this.formView);
  private readonly over = new AbortController();
  private work = new AbortController();
  private name: string | undefined;

  constructor(
    private readonly shown: Connection | undefined,
    private readonly options: DialogOptions,
  ) {}

  /** Open the dialog at the form, or at work with a connection that is there; wait for its end. */
  async run(work?: Work): Promise<string | undefined> {
    const { signal } = this.over;
    this.dialog.addEventListener("click", (event) => void this.clicked(event), { signal });
    this.formView.addEventListener("submit", (event) => void this.submitted(event), { signal });
    this.serverForm.addEventListener("submit", (event) => void this.asked(event), { signal });
    const closed = new Promise<void>((resolve) => {
      this.dialog.addEventListener("close", () => resolve(), { signal, once: true });
    });
    clearProblems(this.dialog);
    if (this.shown && work) {
      this.atWork(this.shown, "");
      this.dialog.showModal();
      find(this.workView, "[data-action=close]").focus();
      void this.start(work);
    } else {
      this.atForm();
      this.dialog.showModal();
      find(this.formView, this.shown ? "#connection-service, #connection-hosts" : "#connection-name").focus();
    }
    await closed;
    this.work.abort();
    this.over.abort();
    // What was typed into a secret's field does not stay in the page.
    this.form.begin("", []);
    return this.name;
  }

  private atForm(): void {
    this.formView.hidden = false;
    this.workView.hidden = true;
    find(this.dialog, "h2").textContent = this.shown ? `Connection ${this.shown.name}` : "New connection";
    find(this.formView, "[type=submit]").textContent = this.shown ? "Save" : "Create";
    if (this.shown) this.form.open(this.shown);
    else this.form.begin(this.options.service ?? "", this.options.hosts ?? []);
  }

  private atWork(shown: Connection, said: string): void {
    this.name = shown.name;
    this.formView.hidden = true;
    this.workView.hidden = false;
    find(this.dialog, "h2").textContent = `Connection ${shown.name}`;
    find(this.workView, "[data-part=said]").textContent = said;
    offer(this.serverForm, shown, this.options.server ?? {});
    find(this.workView, "[data-action=authorize]").hidden = shown.type !== "oauth2";
    for (const name of ["consent", "check"]) find(this.workView, `[data-part=${name}]`).hidden = true;
  }

  private async clicked(event: Event): Promise<void> {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-action]") : null;
    const action = button?.dataset.action;
    if (action === "close") this.dialog.close();
    if (action === "test" || action === "authorize") await this.start(action);
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
      const shown = await this.save();
      changed();
      if (this.shown) {
        this.name = shown.name;
        this.dialog.close();
        return;
      }
      const next = shown.state === "needsConsent" ? "Now authorize it." : "You can test it now.";
      this.atWork(shown, `${shown.name} was created. ${next}`);
      find(this.workView, shown.state === "needsConsent" ? "[data-action=authorize]" : "[data-action=test]").focus();
      this.options.onCreated?.(shown.name);
    } catch (error) {
      this.tell(error);
    } finally {
      submit.disabled = false;
    }
  }

  private async save(): Promise<Connection> {
    return this.shown
      ? call("PATCH /api/connections/{name}", { path: this.shown, body: this.form.changed(this.shown) })
      : call("POST /api/connections", { body: this.form.created() });
  }

  /** Show an error beside its field, which may have been folded away. */
  private tell(error: unknown): void {
    if (!(error instanceof Problem)) throw error;
    this.form.reveal(error.key);
    showProblem(this.formView, error);
  }

  private async start(work: Work): Promise<void> {
    this.work.abort();
    const controller = new AbortController();
    this.work = controller;
    const said = find(this.workView, "[data-part=said]");
    const name = this.name ?? "";
    find(this.workView, work === "test" ? "[data-part=consent]" : "[data-part=check]").hidden = true;
    said.textContent = "";
    clearProblems(this.workView);
    try {
      if (work === "test") await check(this.workView, name, chosen(this.serverForm), controller.signal);
      else said.textContent = (await authorize(this.workView, name, controller.signal)) ?? said.textContent;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      showProblem(this.serverForm.hidden ? this.workView : this.serverForm, error);
    } finally {
      controller.abort();
    }
    changed();
  }
}

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
