// The nodes of a flow in their order: pick, add, move by drag or by keyboard, copy, remove, and all of that undone.

import { toast } from "../api";
import type { FlowNodeContent } from "../api-types";
import { element, find } from "../dom";
import { iconOf } from "../rich-text/icons";
import { copyOf, freshId, insertion, move, nameOf, type NodeChange, NodeHistory, removal } from "./node-changes";
import type { Settings } from "./settings";

const FRESH: Record<string, Settings> = {
  emailNotification: { to: "", subject: "", content: "" },
  say: { text: "" },
  setContext: { key: "", value: "" },
};
const IDS: Record<string, string> = {
  sendSmtpEmail: "send-email",
  emailNotification: "notify",
  say: "say",
  setContext: "set-context",
};

/** What the list works with: the nodes as they are, and what is told when they have become others. */
export interface Edited {
  nodes: () => FlowNodeContent[];
  current: () => string;
  pick: (id: string) => void;
  change: (nodes: FlowNodeContent[], pick: string) => void;
}

/** Make a node of a type with an id that no other one has; its mail goes to the inbox, which listens on `port`. */
export function freshNode(type: string, nodes: FlowNodeContent[], port: number): FlowNodeContent {
  const id = freshId(IDS[type] ?? "node", nodes);
  return { id, type, settings: type === "sendSmtpEmail" ? toInbox(port) : structuredClone(FRESH[type] ?? {}) };
}

function toInbox(port: number): Settings {
  return { emailService: "other", smtp: { host: "127.0.0.1", port, tlsOption: "none" }, to: "", subject: "" };
}

/** Say how many problems there are. */
export function problemCount(count: number): string {
  return count === 1 ? "1 problem" : `${count} problems`;
}

export class NodeList {
  private readonly history = new NodeHistory();
  private shown = "";
  private isDragged = false;

  constructor(
    private readonly place: HTMLElement,
    private readonly edited: Edited,
  ) {
    const { undo, redo } = this.buttons;
    undo.addEventListener("click", () => this.undo());
    redo.addEventListener("click", () => this.redo());
    addEventListener("keydown", (event) => this.handleKey(event));
  }

  /** Show the nodes; `problems` counts those of each. */
  show(problems: Map<string, number>): void {
    const { undo, redo } = this.buttons;
    undo.disabled = !this.history.canUndo;
    redo.disabled = !this.history.canRedo;
    const nodes = this.edited.nodes();
    const rows = nodes.map((node) => [node.id, node.label, node.type, problems.get(node.id)]);
    const shown = JSON.stringify([rows, this.edited.current()]);
    // What has not changed stays as it is under a finger.
    if (shown === this.shown || this.isDragged) return;
    this.shown = shown;
    const focused = (document.activeElement as HTMLElement | null)?.dataset.focus;
    this.list.replaceChildren(...nodes.map((node) => this.item(node, problems.get(node.id) ?? 0)));
    if (focused) this.list.querySelector<HTMLElement>(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
  }

  add(node: FlowNodeContent): void {
    this.do(insertion(node, this.edited.nodes().length), node.id);
  }

  private get list(): HTMLElement {
    return find(this.place, "[data-nodes]");
  }

  private get buttons(): { undo: HTMLButtonElement; redo: HTMLButtonElement } {
    return { undo: find(this.place, '[data-action="undo"]'), redo: find(this.place, '[data-action="redo"]') };
  }

  private do(change: NodeChange | null, pick: string): void {
    if (!change) return;
    this.edited.change(this.history.do(change, this.edited.nodes()), pick);
  }

  private remove(node: FlowNodeContent): void {
    const nodes = this.edited.nodes();
    const change = removal(nodes, node.id);
    if (!change) return;
    const index = nodes.indexOf(node);
    const next = nodes.filter((one) => one !== node)[Math.max(0, index - 1)]?.id ?? "";
    this.do(change, node.id === this.edited.current() ? next : this.edited.current());
    toast(change.words, { words: "Undo", work: () => this.undo() });
  }

  private duplicate(node: FlowNodeContent): void {
    const nodes = this.edited.nodes();
    const copy = copyOf(node, nodes);
    this.do(insertion(copy, nodes.indexOf(node) + 1), copy.id);
  }

  private undo(): void {
    this.restore(this.history.undo(this.edited.nodes()));
  }

  private redo(): void {
    this.restore(this.history.redo(this.edited.nodes()));
  }

  /** Show what came back, or what is left. */
  private restore(nodes: FlowNodeContent[]): void {
    const before = new Set(this.edited.nodes().map((node) => node.id));
    const back = nodes.find((node) => !before.has(node.id))?.id;
    const current = this.edited.current();
    const left = nodes.some((node) => node.id === current) ? current : nodes[0]?.id;
    this.edited.change(nodes, back ?? left ?? "");
  }

  private handleKey(event: KeyboardEvent): void {
    // The field itself, even where a shadow root names its host as the target.
    const isTyping = (event.composedPath()[0] as HTMLElement).matches(
      "input, textarea, select, [contenteditable] *, [contenteditable]",
    );
    if (isTyping || !(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
    event.preventDefault();
    if (event.shiftKey) this.redo();
    else this.undo();
  }

  private item(node: FlowNodeContent, problems: number): HTMLElement {
    const isCurrent = node.id === this.edited.current();
    const name = nameOf(node);
    const opener = button("pick", "", () => this.edited.pick(node.id));
    opener.setAttribute("aria-current", String(isCurrent));
    opener.dataset.focus = `${node.id}/pick`;
    opener.append(
      element("span", { textContent: name }),
      element("span", { className: "muted mono", textContent: node.type }),
    );
    if (problems) opener.append(element("span", { className: "badge failed", textContent: problemCount(problems) }));
    const row = element("li", {}, this.handle(node), opener);
    row.dataset.node = node.id;
    row.toggleAttribute("data-current", isCurrent);
    row.append(iconButton("copy", "", () => this.duplicate(node), `Duplicate ${name}`));
    if (this.edited.nodes().length > 1) {
      row.append(button("icon-button", "×", () => this.remove(node), `Remove ${name}`));
      opener.addEventListener("keydown", (event) => event.key === "Delete" && this.remove(node));
    }
    return row;
  }

  /** What a node is moved by: dragged with a finger or a mouse, or with the arrow keys. */
  private handle(node: FlowNodeContent): HTMLElement {
    const made = iconButton("grip", "handle", () => undefined, `Move ${nameOf(node)}: drag, or press arrow up or down`);
    made.title = "Drag, or press arrow up or down";
    made.dataset.focus = `${node.id}/move`;
    made.addEventListener("keydown", (event) => {
      const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const nodes = this.edited.nodes();
      const at = nodes.findIndex((one) => one.id === node.id);
      this.do(move(nodes, node.id, at + step), this.edited.current());
    });
    made.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      made.setPointerCapture(event.pointerId);
      this.isDragged = true;
      made.closest("li")?.toggleAttribute("data-dragged", true);
    });
    made.addEventListener("pointermove", (event) => this.isDragged && this.drag(made, event.clientY));
    for (const end of ["pointerup", "pointercancel"] as const) {
      made.addEventListener(end, () => this.isDragged && this.drop(node, end === "pointerup"));
    }
    return made;
  }

  /** Have the row of a handle stand where the finger is. */
  private drag(handle: HTMLElement, y: number): void {
    const row = find(this.list, "[data-dragged]");
    const others = [...this.list.children].filter((one) => one !== row);
    const next = others.find((one) => {
      const { top, height } = one.getBoundingClientRect();
      return y < top + height / 2;
    });
    if (row.nextElementSibling === (next ?? null)) return;
    // A row that is taken out would lose the pointer, so the others go around it.
    const before = next ? others.slice(0, others.indexOf(next)) : others;
    for (const one of before) row.before(one);
    for (const one of others.slice(before.length).reverse()) row.after(one);
    handle.focus();
  }

  private drop(node: FlowNodeContent, isMeant: boolean): void {
    const to = [...this.list.children].findIndex((one) => one.hasAttribute("data-dragged"));
    this.isDragged = false;
    this.shown = "";
    const change = isMeant ? move(this.edited.nodes(), node.id, to) : null;
    if (change) this.do(change, this.edited.current());
    else this.edited.change(this.edited.nodes(), this.edited.current());
  }
}

function iconButton(icon: string, className: string, work: () => void, label: string): HTMLButtonElement {
  const made = button(`icon-button ${className}`, "", work, label);
  made.append(iconOf(icon) ?? "");
  return made;
}

function button(className: string, words: string, work: () => void, label?: string): HTMLButtonElement {
  const made = element("button", { type: "button", className, textContent: words });
  if (label) made.ariaLabel = label;
  made.addEventListener("click", work);
  return made;
}
