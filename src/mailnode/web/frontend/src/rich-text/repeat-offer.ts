// A list in a chip is not what anybody wants to read: a line under the text offers to repeat what it stands in.

import type { Editor } from "@tiptap/core";
import { listToRepeat } from "./repeat-dialog";

export class RepeatOffer {
  readonly element = document.createElement("div");
  private readonly words = document.createElement("p");
  private readonly button = document.createElement("button");
  private editor: Editor | null = null;

  constructor(repeat: (editor: Editor) => void) {
    this.element.className = "note rich-offer";
    this.words.role = "status";
    this.button.type = "button";
    this.button.className = "button";
    this.button.addEventListener("mousedown", (event) => event.preventDefault());
    this.button.addEventListener("click", () => this.editor && repeat(this.editor));
    this.element.append(this.words, this.button);
    this.hide();
  }

  /** Offer it where the cursor stands behind such a chip. */
  show(editor: Editor, paths: () => string[]): void {
    const found = listToRepeat(editor, paths);
    this.editor = editor;
    if (!found) {
      this.hide();
      return;
    }
    this.words.textContent = `${found.list} is a list.`;
    this.button.textContent = `Repeat ${found.what} for each item…`;
    this.button.title = "Alt+Shift+R";
    this.element.hidden = false;
  }

  hide(): void {
    this.element.hidden = true;
    this.words.textContent = "";
  }
}
