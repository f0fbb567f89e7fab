// The editor of one flow: the form or the text on one side, the mail that comes of it on the other.

import { at } from "../base-path";
import { call, detailOf, detailsOf, toast, wordsOf } from "../api";
import type { Connection, Draft, EmailService, Flow, FlowContent, FlowNodeContent, Sample } from "../api-types";
import { find, on } from "../dom";
import { ConflictDialog } from "./conflict";
import { KnownProblems } from "./known-problems";
import { freshNode, NodeList } from "./nodes";
import { Panel, type ServerSettings } from "./panel";
import { PreviewPane } from "./preview";
import { ProblemView } from "./problem-view";
import { mountSample } from "./sample";
import { Sending, type Tried } from "./sending";
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
  private readonly shown: ProblemView;
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
    const samples = mountSample(
      main,
      this.sample,
      () => this.flow.name,
      () => this.document,
      () => this.later(),
    );
    this.shown = new ProblemView(main, this.problems, this.pane, samples, {
      isText: () => this.isText,
      current: () => this.current,
      panel: () => this.panel,
      open: (id) => this.document?.nodes.some((node) => node.id === id) && this.open(id),
      list: () => this.list(),
      useServer: (server) => this.useServer(server),
    });
    const edited = {
      draft: () => this.draft,
      tried: () => this.tried,
      sample: () => this.sample,
      name: () => this.flow.name,
      isDirty: () => this.isDirty,
      save: () => this.save(),
    };
    this.sending = new Sending(this.pane, edited, this.shown, find(main, "dialog#run-dialog"));
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
    const test = this.find<HTMLDialogElement>("dialog#test-dialog");
    this.on("test", () => test.showModal());
    this.sending.mountTest(test);
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
    this.shown.show();
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
      this.shown.showMade(await call("POST /api/preview", { body: this.tried, signal: asked.signal }));
    } catch (problem) {
      if (!asked.signal.aborted) this.shown.showMade({ errors: [detailOf(problem)], preview: null });
    }
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
        this.shown.show();
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
    if (asText) this.shown.show();
    else this.open(this.node?.id ?? firstMail(this.document)?.id ?? "");
  }

  private async save(): Promise<boolean> {
    try {
      const saved = await call("PUT /api/flows/{name}", {
        path: this.flow,
        body: { ...this.draft, revision: this.flow.revision },
      });
      if (saved.name !== this.flow.name) history.replaceState(null, "", at(`/flows/${saved.name}`));
      this.find("h1").textContent = saved.name;
      this.flow = saved;
      this.problems.errors = saved.errors;
      this.isDirty = false;
      this.find("[data-saved]").textContent = "Saved";
      if (this.isText) this.text.value = saved.text;
      this.shown.show();
      return true;
    } catch (problem) {
      if (this.conflict.asks(problem)) return false;
      this.problems.errors = detailsOf(problem);
      this.shown.show();
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
