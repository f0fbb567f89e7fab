// The toolbar: one stop of the Tab key, arrows within (ARIA 1.2, toolbar pattern).

import type { Editor } from "@tiptap/core";
import { iconOf } from "./icons";
import { keysFor, type Tool, TOOLS, type Workshop } from "./tools";

export class Toolbar {
  readonly element = document.createElement("div");
  private readonly buttons = new Map<Tool, HTMLButtonElement>();
  private readonly full = button("full", "Full screen", undefined);
  private readonly source = button("source", "HTML source", undefined);
  private editor: Editor | null = null;

  constructor(
    private readonly workshop: Workshop,
    controls: string,
    label: string,
    toggleSource: () => void,
  ) {
    this.element.className = "rich-tools";
    this.element.role = "toolbar";
    this.element.ariaLabel = label;
    if (controls) this.element.setAttribute("aria-controls", controls);
    for (const group of TOOLS) this.element.append(this.group(group));
    this.source.addEventListener("click", toggleSource);
    this.full.ariaPressed = "false";
    this.full.addEventListener("click", () => {
      const isFull = this.element.parentElement?.classList.toggle("rich-full") ?? false;
      this.full.ariaPressed = String(isFull);
    });
    this.element.append(this.full, this.source);
    this.element.addEventListener("keydown", (event) => this.key(event));
    this.element.addEventListener("focusin", (event) => this.stop(event.target as HTMLElement));
    this.show(null);
  }

  /** Show the state of the rich view; without one only the way back to it is left, and what source has use for. */
  show(editor: Editor | null): void {
    this.editor = editor;
    const isInTable = editor?.isActive("table") ?? false;
    for (const [tool, element] of this.buttons) {
      element.hidden = editor ? tool.inTable === true && !isInTable : !tool.runInSource;
      if (!editor) continue;
      element.ariaDisabled = tool.can && !tool.can(editor) ? "true" : null;
      if (tool.isOn) element.ariaPressed = String(tool.isOn(editor));
    }
    for (const group of this.element.querySelectorAll<HTMLElement>(".tools")) {
      group.hidden = [...group.children].every((child) => (child as HTMLElement).hidden);
    }
    this.source.ariaPressed = String(editor === null);
    const current = this.shown.find((element) => element.tabIndex === 0);
    this.stop(current ?? this.shown[0] ?? this.source);
  }

  focus(): void {
    this.shown.find((element) => element.tabIndex === 0)?.focus();
  }

  focusSource(): void {
    this.source.focus();
  }

  private get shown(): HTMLButtonElement[] {
    return [...this.element.querySelectorAll("button")].filter((element) => !element.hidden);
  }

  private group(tools: Tool[]): HTMLElement {
    const group = document.createElement("div");
    group.className = "tools";
    for (const tool of tools) {
      const element = button(tool.name, tool.label, tool.sign, tool.keys);
      element.addEventListener("click", () => {
        if (!this.editor) tool.runInSource?.(this.workshop);
        else if (element.ariaDisabled !== "true") tool.run(this.editor, this.workshop, element);
      });
      this.buttons.set(tool, element);
      group.append(element);
    }
    return group;
  }

  private key(event: KeyboardEvent): void {
    const { shown } = this;
    const at = shown.indexOf(event.target as HTMLButtonElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: shown.length - 1 }[event.key];
    if (event.key === "Escape") this.editor?.commands.focus();
    else if (to === undefined) return;
    else shown[(to + shown.length) % shown.length]?.focus();
    event.preventDefault();
  }

  /** Make one button the stop of the Tab key. */
  private stop(at: HTMLElement): void {
    for (const element of this.element.querySelectorAll("button")) element.tabIndex = element === at ? 0 : -1;
  }
}

function button(name: string, label: string, sign: string | undefined, keys?: string): HTMLButtonElement {
  const element = document.createElement("button");
  element.type = "button";
  element.tabIndex = -1;
  element.dataset.tool = name;
  element.ariaLabel = label;
  element.title = keys ? `${label} (${keysFor(keys)})` : label;
  const icon = iconOf(name);
  if (icon) element.append(icon);
  else element.dataset.sign = sign;
  // The selection stays where it is.
  element.addEventListener("mousedown", (event) => event.preventDefault());
  return element;
}
