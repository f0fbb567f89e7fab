// The editor of one flow: the form or the text on one side, the mail that comes of it on the other.

import { call, detailOf, detailsOf, toast, wordsOf } from "../api";
import type {
  Connection,
  Draft,
  EmailService,
  ErrorDetail,
  Flow,
  FlowContent,
  FlowNodeContent,
  Previewed,
  Sample,
  ServerCheck,
} from "../api-types";
import { find, on } from "../dom";
import { ConflictDialog } from "./conflict";
import { KnownProblems } from "./known-problems";
import { freshNode, NodeList } from "./nodes";
import { Panel, type ServerSettings } from "./panel";
import { PreviewPane } from "./preview";
import { mountSample, type SampleEditor } from "./sample";
import { lacksSample, Sending, type Tried } from "./sending";
import { isSame, write } from "./settings";
import type { Surroundings } from "./widget";

const PREVIEW_AFTER_MS = 250;

export function mountEditor(main: HTMLElement): void {
  new Editor(main).start();
}

function said<T>(id: string): T {
  return JSON.parse(find(document, `#${id}`).textContent) as T;
}

class Editor {
  private flow = said<Flow>("flow");
  private document: FlowContent | null = this.flow.document;
  private readonly sample: Sample = this.flow.sample;
  private readonly problems = new KnownProblems(this.flow.errors, () => this.document);
  private current = "";
  private panel: Panel | null = null;
  private isText = false;
  private isDirty = false;
  private timer = 0;
  private asked: AbortController | null = null;
  private readonly pane: PreviewPane;
  private readonly nodes: NodeList;
  private readonly conflict: ConflictDialog;
  private readonly sending: Sending;
  private readonly samples: SampleEditor;
  private readonly around: Surroundings = {
    services: said<EmailService[]>("services"),
    connections: said<Connection[]>("connections"),
    layouts: said<string[]>("layouts"),
    sample: () => this.sample,
    settings: () => ({}),
    flow: () => this.flow.name,
  };

  constructor(private readonly main: HTMLElement) {
    this.pane = new PreviewPane(find(main, ".preview"));
    this.nodes = new NodeList(find(main, ".nodes"), {
      nodes: () => this.document?.nodes ?? [],
      current: () => this.current,
      pick: (id) => this.open(id),
      change: (nodes, pick) => this.changeNodes(nodes, pick),
    });
    this.conflict = new ConflictDialog(find(main, "dialog#conflict"), {
      draft: () => this.draft,
      sample: () => this.sample,
      name: () => this.flow.name,
      overwrite: (revision) => {
        this.flow.revision = revision;
        return this.save();
      },
      leave: (address) => {
        this.isDirty = false;
        location.assign(address);
      },
    });
    const edited = {
      draft: () => this.draft,
      tried: () => this.tried,
      sample: () => this.sample,
      name: () => this.flow.name,
      isDirty: () => this.isDirty,
      save: () => this.save(),
      showProblems: (errors: ErrorDetail[]) => this.showProblems(errors),
      showServer: (node: string, check: ServerCheck | null) => {
        this.problems.tell(node, check);
        const [first] = check?.errors ?? [];
        if (first) this.lead(first);
        this.showErrors();
      },
    };
    this.sending = new Sending(this.pane, edited, find(main, "dialog#run-dialog"));
    this.samples = mountSample(
      main,
      this.sample,
      () => this.flow.name,
      () => this.document,
      () => this.later(),
    );
  }

  start(): void {
    this.text.value = this.flow.text;
    const form = this.find<HTMLFormElement>("[data-panel-place]");
    for (const kind of ["input", "change"]) form.addEventListener(kind, () => this.panel?.handle());
    form.addEventListener("submit", (event) => event.preventDefault());
    this.text.addEventListener("input", () => this.touched());
    this.on("save", () => this.save());
    this.on("run", () => this.sending.run());
    this.on("add-node", () => this.addNode());
    const dialog = this.find<HTMLDialogElement>("dialog#test-dialog");
    this.on("test", () => dialog.showModal());
    this.sending.mountTest(dialog);
    for (const view of this.main.querySelectorAll<HTMLElement>("[data-view]")) {
      view.addEventListener("click", () => void this.view(view.dataset.view === "text"));
    }
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

  private get node(): FlowNodeContent | undefined {
    return this.document?.nodes.find((node) => node.id === this.current);
  }

  /** What is being edited, as the API takes it. */
  private get draft(): Draft {
    const { format, text } = this.flow;
    if (this.isText) return { text: this.text.value, document: null, format };
    return { text, document: this.document, format };
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

  private edited(node: FlowNodeContent): void {
    if (!this.document || isSame(node, this.node)) return;
    this.document.nodes = this.document.nodes.map((one) => (one.id === this.current ? node : one));
    this.current = node.id;
    this.list();
    this.touched();
  }

  private changeNodes(nodes: FlowNodeContent[], pick: string): void {
    if (this.document) this.document.nodes = nodes;
    this.touched();
    if (pick === this.current) this.list();
    else this.open(pick);
  }

  private list(): void {
    const problems = new Map<string, number>();
    for (const error of this.problems.all) problems.set(error.node, (problems.get(error.node) ?? 0) + 1);
    this.nodes.show(problems);
  }

  private addNode(): void {
    if (!this.document) return;
    const type = this.find<HTMLSelectElement>("#new-node").value;
    this.nodes.add(freshNode(type, this.document.nodes, said<number>("inboxPort")));
  }

  private touched(): void {
    this.isDirty = true;
    this.find("[data-saved]").textContent = "Unsaved changes";
    this.later();
  }

  private later(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.preview(), PREVIEW_AFTER_MS);
  }

  private async preview(): Promise<void> {
    this.asked?.abort();
    const asked = (this.asked = new AbortController());
    try {
      const made = await call("POST /api/preview", { body: this.tried, signal: asked.signal });
      this.showMade(made);
    } catch (problem) {
      if (!asked.signal.aborted) this.showMade({ errors: [detailOf(problem)], preview: null });
    }
  }

  private showMade(made: Previewed): void {
    this.problems.errors = made.errors;
    const fill = (): void => this.fillSample();
    this.pane.show(
      made,
      this.problems.notices((error) => this.lead(error), fill),
    );
    this.samples.showUsed();
    this.showErrors();
  }

  /** Show the sample with a place for each value that the flow names. */
  private fillSample(): void {
    this.samples.fill();
    this.pane.see("sample");
    this.find("#sample-input").focus();
  }

  private showProblems(errors: ErrorDetail[]): void {
    const [first] = errors;
    if (!first) return;
    this.problems.errors = errors;
    this.showErrors();
    if (lacksSample(errors)) this.fillSample();
    else this.lead(first);
  }

  /** Go to the field that an error is about, or to its line. */
  private lead({ node, key, line }: ErrorDetail): void {
    if (this.isText) {
      const before = this.text.value
        .split("\n")
        .slice(0, Math.max(line - 1, 0))
        .join("\n").length;
      this.text.focus();
      this.text.setSelectionRange(before + (line > 1 ? 1 : 0), before + (line > 1 ? 1 : 0));
      return;
    }
    if (node && node !== this.current && this.document?.nodes.some((one) => one.id === node)) this.open(node);
    this.panel?.lead(key);
  }

  private showErrors(): void {
    if (this.isText) {
      const place = this.find("#flow-text-error");
      place.textContent = this.problems.errors
        .map((error) => `${error.line ? `Line ${error.line}: ` : ""}${wordsOf(error)}`)
        .join("\n");
      place.hidden = !this.problems.errors.length;
      return;
    }
    const mine = this.problems.all.filter((error) => error.node === this.current || !error.node);
    const left = this.panel?.showErrors(mine) ?? mine;
    const works = this.problems.server(this.current)?.settings;
    this.panel?.advise(works ?? null, (smtp) => this.useServer(smtp));
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

  private useServer(server: ServerSettings): void {
    const node = structuredClone(this.node);
    if (!node) return;
    for (const [key, value] of Object.entries(server)) write(node.settings, `smtp.${key}`, value);
    this.edited(node);
    this.open(node.id);
    this.panel?.lead("smtp.port");
  }

  private async view(asText: boolean): Promise<void> {
    if (asText === this.isText) return;
    try {
      const checked = await call("POST /api/flows/check", { body: this.draft });
      this.problems.errors = checked.errors;
      if (!asText && !checked.document) {
        this.showErrors();
        toast("Correct the errors in the text to open the form.");
        return;
      }
      this.isText = asText;
      this.text.value = checked.text;
      this.flow.text = checked.text;
      this.document = checked.document;
    } catch (problem) {
      toast(wordsOf(detailOf(problem)));
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
      const saved = await call("PUT /api/flows/{name}", {
        path: this.flow,
        body: { ...this.draft, revision: this.flow.revision },
      });
      if (saved.name !== this.flow.name) history.replaceState(null, "", `/flows/${saved.name}`);
      this.find("h1").textContent = saved.name;
      this.flow = saved;
      this.problems.errors = saved.errors;
      this.isDirty = false;
      this.find("[data-saved]").textContent = "Saved";
      if (this.isText) this.text.value = saved.text;
      this.showErrors();
      return true;
    } catch (problem) {
      if (this.conflict.asks(problem)) return false;
      this.problems.errors = detailsOf(problem);
      this.showErrors();
      toast(wordsOf(detailOf(problem)));
      return false;
    }
  }

  /** The mail that is looked at: the node's own, or where that sends none the flow's first. */
  private get tried(): Tried {
    const mail = this.node && !isMail(this.node) ? firstMail(this.document)?.id : this.current;
    return { ...this.draft, ...this.sample, node: this.isText ? null : mail || null };
  }

  private on(action: string, work: () => unknown): void {
    const button = this.find<HTMLButtonElement>(`[data-action="${action}"]`);
    on(button, "click", async () => {
      button.ariaBusy = "true";
      try {
        await work();
      } finally {
        button.ariaBusy = null;
      }
    });
  }

  private find<T extends HTMLElement>(selector: string): T {
    return find<T>(this.main, selector);
  }
}

function isMail(node: FlowNodeContent): boolean {
  return node.type === "sendSmtpEmail" || node.type === "emailNotification";
}

function firstMail(flow: FlowContent | null): FlowNodeContent | undefined {
  return flow?.nodes.find(isMail) ?? flow?.nodes[0];
}
