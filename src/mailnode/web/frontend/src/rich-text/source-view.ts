// The source of the content: the textarea itself until the editor in colours, which is large, has been loaded.

import type { SourceEditor, SourceOptions } from "../source/source-editor";

export class SourceView {
  private isHidden = true;
  private isGone = false;
  private coloured: SourceEditor | null = null;
  private loading: Promise<void> | null = null;

  constructor(
    private readonly textarea: HTMLTextAreaElement,
    private readonly options: Required<SourceOptions>,
  ) {
    textarea.classList.add("code");
    textarea.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" && !(event.altKey && event.key === "F10")) return;
      event.preventDefault();
      options.leave();
    });
  }

  /** Show what the textarea holds. */
  show(): void {
    this.place(false);
    this.coloured?.refresh();
    this.loading ??= this.load(this.textarea.value);
  }

  hide(): void {
    this.place(true);
  }

  focus(): void {
    (this.coloured ?? this.textarea).focus();
  }

  /** Put text where the cursor is or was. */
  insert(text: string): void {
    this.focus();
    if (this.coloured) {
      this.coloured.insert(text);
      return;
    }
    this.textarea.setRangeText(text, this.textarea.selectionStart, this.textarea.selectionEnd, "end");
    this.textarea.dispatchEvent(new Event("input", { bubbles: true }));
  }

  showValidity(): void {
    this.coloured?.showValidity();
  }

  destroy(): void {
    this.isGone = true;
    this.coloured?.destroy();
  }

  private place(isHidden: boolean): void {
    this.isHidden = isHidden;
    this.textarea.hidden = isHidden || this.coloured !== null;
    if (this.coloured) this.coloured.element.hidden = isHidden;
  }

  private async load(before: string): Promise<void> {
    try {
      const { mountSource } = await import("../source/source-editor");
      if (this.isGone) return;
      this.coloured = mountSource(this.textarea, this.options, before);
      this.place(this.isHidden);
    } catch {
      // The plain field does, and the next time it is shown asks again.
      this.loading = null;
    }
  }
}
