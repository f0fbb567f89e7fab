// The editor of one flow: the form or the text on one side, the mail that comes of it on the other.

import { call, clearProblems, Problem, showProblem, toast, type Told, wordsOf } from "../api";
import {
  type Checked,
  type Connection,
  type Flow,
  type FlowDocument,
  type FlowNode,
  isObject,
  type Sample,
  same,
  type Service,
  type Surroundings,
} from "./model";
import { freshNode, showNodes } from "./nodes";
import { Panel } from "./panel";
import { type Previewed, PreviewPane } from "./preview";

const PREVIEW_AFTER_MS = 250;

interface RunTold {
  run: string;
  status: string;
  output: string[];
  nodes: { id: string; status: string; result?: unknown; error?: { message: string; hint: string } }[];
}

export function mountEditor(main: HTMLElement): void {
  new Editor(main).start();
}

function said<T>(id: string): T {
  return JSON.parse(document.getElementById(id)?.textContent ?? "null") as T;
}

class Editor {
  private flow = said<Flow>("flow");
  private document: FlowDocument | null = this.flow.document;
  private readonly sample: Sample = this.flow.sample;
  private errors: Told[] = this.flow.errors;
  private current = "";
  private panel: Panel | null = null;
  private isText = false;
  private isDirty = false;
  private timer = 0;
  private asked: AbortController | null = null;
  private readonly pane: PreviewPane;
  private readonly around: Surroundings = {
    services: said<Service[]>("services"),
    connections: said<Connection[]>("connections"),
    sample: () => this.sample,
    settings: () => ({}),
  };

  constructor(private readonly main: HTMLElement) {
    this.pane = new PreviewPane(main.querySelector<HTMLElement>(".preview")!);
  }

  start(): void {
    this.text.value = this.flow.text;
    const form = this.find<HTMLFormElement>("[data-panel-place]");
    for (const kind of ["input", "change"]) form.addEventListener(kind, () => this.panel?.handle());
    form.addEventListener("submit", (event) => event.preventDefault());
    this.text.addEventListener("input", () => this.touched());
    this.on("save", () => this.save());
    this.on("run", () => this.run());
    this.on("add-node", () => this.addNode());
    this.on("test-inbox", () => this.test("inbox"));
    this.on("test-address", () => this.find<HTMLDialogElement>("dialog#test-address").showModal());
    this.mountTestDialog();
    for (const view of this.main.querySelectorAll<HTMLElement>("[data-view]")) {
      view.addEventListener("click", () => void this.view(view.dataset.view === "text"));
    }
    this.mountSample();
    addEventListener("beforeunload", (event) => this.isDirty && event.preventDefault());
    addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key === "s") {
        event.preventDefault();
        void this.save();
      }
    });
    if (this.document) this.open(firstMail(this.document)?.id ?? "");
    else void this.view(true);
    void this.preview();
  }

  private get text(): HTMLTextAreaElement {
    return this.find<HTMLTextAreaElement>("#flow-text");
  }

  private get node(): FlowNode | undefined {
    return this.document?.nodes.find((node) => node.id === this.current);
  }

  /** What is being edited, as the API takes it. */
  private get draft(): { text: string; document: FlowDocument | null; format: string } {
    const { format } = this.flow;
    return this.isText ? { text: this.text.value, document: null, format } : { text: this.flow.text, document: this.document, format };
  }

  private open(id: string): void {
    this.current = id;
    this.list();
    const node = this.node;
    if (!node) return;
    this.panel = new Panel(this.find("[data-panel-place]"), node, this.around, (changed) => this.edited(changed));
    this.showErrors();
    this.later();
  }

  private edited(node: FlowNode): void {
    if (!this.document || same(node, this.node)) return;
    this.document.nodes = this.document.nodes.map((one) => (one.id === this.current ? node : one));
    this.current = node.id;
    this.list();
    this.touched();
  }

  private list(): void {
    const nodes = this.document?.nodes ?? [];
    const troubles = new Map<string, number>();
    for (const error of this.errors) troubles.set(error.node, (troubles.get(error.node) ?? 0) + 1);
    showNodes(this.find("[data-nodes]"), nodes, this.current, troubles, {
      pick: (id) => this.open(id),
      change: (changed, pick) => {
        this.document!.nodes = changed;
        this.touched();
        if (pick === this.current) this.list();
        else this.open(pick);
      },
    });
  }

  private addNode(): void {
    if (!this.document) return;
    const node = freshNode(this.find<HTMLSelectElement>("#new-node").value, this.document.nodes);
    this.document.nodes.push(node);
    this.touched();
    this.open(node.id);
  }

  private touched(): void {
    this.isDirty = true;
    this.find("[data-saved]").textContent = "not saved";
    this.later();
  }

  private later(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.preview(), PREVIEW_AFTER_MS);
  }

  private async preview(): Promise<void> {
    this.asked?.abort();
    const asked = (this.asked = new AbortController());
    const mail = this.node && !isMail(this.node) ? firstMail(this.document)?.id : this.current;
    const node = this.isText ? null : mail || null;
    try {
      const made = await call<Previewed>("POST", "/api/preview", { ...this.draft, node, ...this.sample }, asked.signal);
      this.errors = made.errors;
      this.pane.show(made);
      this.showErrors();
    } catch (problem) {
      if (!asked.signal.aborted) this.pane.show({ errors: [toldBy(problem)], preview: null });
    }
  }

  private showErrors(): void {
    if (this.isText) {
      const place = this.find("#flow-text-error");
      place.textContent = this.errors.map((error) => `${error.line ? `line ${error.line}: ` : ""}${wordsOf(error)}`).join("\n");
      place.hidden = !this.errors.length;
      return;
    }
    const mine = this.errors.filter((error) => error.node === this.current || !error.node);
    const left = this.panel?.showErrors(mine) ?? mine;
    const others = this.find("[data-other-errors]");
    others.replaceChildren(
      ...left.map((error) => {
        const item = document.createElement("li");
        item.textContent = wordsOf(error);
        return item;
      }),
    );
    others.hidden = !left.length;
    this.list();
  }

  private async view(asText: boolean): Promise<void> {
    if (asText === this.isText) return;
    try {
      const checked = await call<Checked>("POST", "/api/flows/check", this.draft);
      this.errors = checked.errors;
      if (!asText && !checked.document) {
        this.showErrors();
        toast("The form opens when the text is a flow again.");
        return;
      }
      this.isText = asText;
      this.text.value = checked.text;
      this.flow.text = checked.text;
      this.document = checked.document;
    } catch (problem) {
      toast(wordsOf(toldBy(problem)));
      return;
    }
    for (const pane of this.main.querySelectorAll<HTMLElement>("[data-pane]")) {
      pane.hidden = (pane.dataset.pane === "text") !== asText;
    }
    for (const button of this.main.querySelectorAll<HTMLElement>("[data-view]")) {
      button.ariaPressed = String((button.dataset.view === "text") === asText);
    }
    if (asText) this.showErrors();
    else this.open(this.node?.id ?? firstMail(this.document)?.id ?? "");
  }

  private async save(): Promise<boolean> {
    try {
      const path = `/api/flows/${encodeURIComponent(this.flow.name)}`;
      const saved = await call<Flow>("PUT", path, { ...this.draft, revision: this.flow.revision });
      if (saved.name !== this.flow.name) history.replaceState(null, "", `/flows/${saved.name}`);
      this.main.querySelector("h1")!.textContent = saved.name;
      this.flow = saved;
      this.errors = saved.errors;
      this.isDirty = false;
      this.find("[data-saved]").textContent = "saved";
      if (this.isText) this.text.value = saved.text;
      this.showErrors();
      return true;
    } catch (problem) {
      this.errors = [toldBy(problem)];
      this.showErrors();
      toast(wordsOf(toldBy(problem)));
      return false;
    }
  }

  private async run(): Promise<void> {
    if (this.isDirty && !(await this.save())) return;
    try {
      const path = `/api/flows/${encodeURIComponent(this.flow.name)}/runs`;
      const run = await call<RunTold>("POST", path, this.sample);
      const lines = [...run.nodes.flatMap((node) => troublesOf(node)), ...run.output.map((words) => ({ words }))];
      const troubled = run.nodes.some((node) => troublesOf(node).length);
      this.pane.showResult("Run", troubled ? "failed" : run.status, lines, run, `/runs/${encodeURIComponent(run.run)}`);
    } catch (problem) {
      this.told("Run", problem);
    }
  }

  private async test(to: string): Promise<void> {
    const node = this.node && isMail(this.node) ? this.current : null;
    try {
      const result = await call<Settings>("POST", "/api/preview/test", { ...this.draft, node, ...this.sample, to });
      const error = isObject(result.error) ? [{ words: String(result.error.message), hint: String(result.error.hint) }] : [];
      const good = to === "inbox" ? [{ words: "The inbox on this machine has it." }] : [{ words: `${to} was accepted.` }];
      const lines = error.length ? error : good;
      this.pane.showResult("Test", String(result.status), lines, result, to === "inbox" ? "/inbox" : "");
    } catch (problem) {
      if (to === "inbox") this.told("Test", problem);
      else throw problem;
    }
  }

  private told(title: string, problem: unknown): void {
    const told = toldBy(problem);
    this.pane.showResult(title, "failed", [{ words: told.message, hint: told.hint }], told);
  }

  private mountTestDialog(): void {
    const dialog = this.find<HTMLDialogElement>("dialog#test-address");
    const form = dialog.querySelector("form")!;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      clearProblems(form);
      const to = form.querySelector<HTMLInputElement>("#test-to")!.value.trim();
      if (!to) {
        showProblem(form, new Problem({ message: "an address is wanted", key: "to" }, 422));
        return;
      }
      try {
        await this.test(to);
        dialog.close();
      } catch (problem) {
        showProblem(form, problem);
      }
    });
  }

  private mountSample(): void {
    for (const key of ["input", "context"] as const) {
      const area = this.find<HTMLTextAreaElement>(`#sample-${key}`);
      const field = area.closest<HTMLElement>(".field")!;
      area.value = JSON.stringify(this.sample[key], null, 2);
      area.addEventListener("input", () => {
        clearProblems(field);
        const parsed = objectIn(area.value);
        if (!parsed) {
          const error = field.querySelector<HTMLElement>(".error")!;
          error.textContent = 'a JSON object is wanted, such as {"email": "jane@example.org"}';
          error.hidden = false;
          area.ariaInvalid = "true";
          return;
        }
        this.sample[key] = parsed;
        this.later();
      });
      area.addEventListener("change", () => {
        const path = `/api/flows/${encodeURIComponent(this.flow.name)}/sample`;
        if (objectIn(area.value)) void call("PUT", path, this.sample).catch((problem) => toast(String(problem)));
      });
    }
  }

  private on(action: string, work: () => unknown): void {
    this.find(`[data-action="${action}"]`).addEventListener("click", async (event) => {
      const button = event.currentTarget as HTMLButtonElement;
      button.ariaBusy = "true";
      try {
        await work();
      } finally {
        button.ariaBusy = null;
      }
    });
  }

  private find<T extends HTMLElement>(selector: string): T {
    return this.main.querySelector<T>(selector)!;
  }
}

type Settings = Record<string, unknown>;

function isMail(node: FlowNode): boolean {
  return node.type === "sendSmtpEmail" || node.type === "emailNotification";
}

function firstMail(flow: FlowDocument | null): FlowNode | undefined {
  return flow?.nodes.find(isMail) ?? flow?.nodes[0];
}

function objectIn(text: string): Settings | null {
  try {
    const parsed = JSON.parse(text || "{}") as unknown;
    return isObject(parsed) ? parsed : null;
  } catch {
    return null;
  }
}

function troublesOf(node: RunTold["nodes"][number]): { words: string; hint: string }[] {
  const told = node.error ?? (isObject(node.result) && isObject(node.result.error) ? node.result.error : null);
  return told ? [{ words: `${node.id}: ${String(told.message)}`, hint: String(told.hint) }] : [];
}

function toldBy(problem: unknown): Told {
  const told = problem instanceof Problem ? problem.told : { message: String(problem) };
  return { code: "", phase: "settings", message: "", hint: "", node: "", key: "", line: 0, ...told };
}
