// The field of HTML content: a rich view or the source, over one textarea that holds what is stored.

import type { Editor } from "@tiptap/core";
import { find } from "../dom";
import { ask } from "./question-dialog";
import { ContentImages } from "./content-images";
import { valueQuestion } from "./insert-value";
import type { StoreFile } from "./picture";
import { pickColour } from "./palette";
import { editExpression, editImage, editLink, insertButton, insertTable } from "./tool-dialogs";
import { loopsHere } from "./directives";
import { keptIn, modernized, reasonToStay } from "./conversion";
import { editCondition, editRepeat } from "./repeat-dialog";
import { RepeatOffer } from "./repeat-offer";
import { scopedPaths } from "./scope";
import { SourceView } from "./source-view";
import { withLinesKept } from "./plain-text";
import { lossOf } from "./html-loss";
import { writeStored } from "./stored-html";
import { openSurface, type SurfaceOptions } from "./surface";
import { Toolbar } from "./toolbar";
import { buttonOf, listed, named } from "./wording";
import { type Tool, TOOLS, type Workshop } from "./tools";

export interface RichTextOptions {
  /** What expressions may begin with: `input.name`, `context.order.id`. */
  paths: () => string[];
  /** Gives where an image's address (`cid:logo`) leads that this page has, to show it. */
  image?: (address: string) => string | undefined;
  /** Stores an image that is inserted, pasted or dropped. */
  store: StoreFile;
}

export class RichText {
  private readonly stored: HTMLTextAreaElement;
  private readonly place = document.createElement("div");
  private readonly notice = document.createElement("div");
  private readonly toolbar: Toolbar;
  private readonly source: SourceView;
  private readonly images: ContentImages;
  private readonly watch: MutationObserver;
  private readonly offer = new RepeatOffer((editor) => void editRepeat(editor, this.options.paths));
  /** What an expression at the cursor may begin with. */
  private readonly paths = (): string[] =>
    scopedPaths(this.options.paths(), this.editor ? loopsHere(this.editor.state) : []);
  private editor: Editor | null = null;

  constructor(
    private readonly host: HTMLElement,
    private readonly options: RichTextOptions,
  ) {
    this.stored = find(host, "textarea");
    this.place.className = "rich-view";
    this.notice.className = "note rich-notice";
    this.notice.role = "status";
    this.images = new ContentImages(host, options.store, () => this.editor);
    this.toolbar = new Toolbar(this.workshop(), this.stored.id, "Formatting", () => this.toggle());
    // What the surface itself fires says nothing yet: the textarea does, once it holds the change.
    this.place.addEventListener("input", (event) => event.stopPropagation());
    this.stored.before(this.toolbar.element, this.notice, this.place, this.offer.element);
    this.source = new SourceView(this.stored, { paths: options.paths, leave: () => this.toolbar.focusSource() });
    this.watch = new MutationObserver(() => this.showValidity());
    this.watch.observe(this.stored, { attributeFilter: ["aria-invalid"] });
    this.refresh();
  }

  /** Show what the textarea holds, which was set from outside; as source if the rich view would lose some of it. */
  refresh(): void {
    this.open();
  }

  destroy(): void {
    this.watch.disconnect();
    this.source.destroy();
    this.close();
  }

  /** Open the rich view; without `isAsked` only if nothing gets lost. Tells what would be. */
  private open(isAsked = false): string[] {
    this.close();
    const html = withLinesKept(this.stored.value);
    const editor = openSurface(html, this.surface());
    const lost = lossOf(html, writeStored(editor.state.doc));
    if (lost.length && !isAsked) {
      editor.destroy();
      this.showSource(lost);
      return lost;
    }
    this.editor = editor;
    editor.on("transaction", () => {
      this.toolbar.show(editor);
      this.offer.show(editor, this.options.paths);
    });
    this.images.opened(editor);
    editor.on("update", () => this.store());
    this.show("rich");
    if (lost.length) this.store();
    return [];
  }

  private surface(): SurfaceOptions {
    return {
      place: this.place,
      paths: this.paths,
      shown: (address) => this.images.shown(address) ?? this.options.image?.(address),
      attributes: this.described(),
      takeImages: (files) => void this.images.take(files),
      takeDocument: (pasted) => void this.takeDocument(pasted),
      mayLose: async (lost) => {
        const words = `What you paste will come without ${listed(lost)}.`;
        return (await ask({ title: "Paste without some of it?", words, confirm: "Paste" })) !== null;
      },
      editDirectives: (editor, position) => this.editDirectives(editor, position),
      keys: this.keys(),
    };
  }

  private close(): void {
    this.editor?.destroy();
    this.editor = null;
    this.place.replaceChildren();
  }

  private show(mode: "rich" | "source"): void {
    const isRich = mode === "rich";
    this.host.dataset.mode = mode;
    this.place.hidden = !isRich;
    if (isRich) this.source.hide();
    else this.source.show();
    this.notice.replaceChildren();
    this.notice.hidden = true;
    this.offer.hide();
    this.toolbar.show(this.editor);
    this.showValidity();
  }

  private showSource(lost: string[] = []): void {
    this.close();
    this.show("source");
    if (lost.length === 0) return;
    const stays = reasonToStay(this.stored.value);
    if (stays) {
      this.say(`${stays} The rich text view would lose ${named(lost)}.`);
      return;
    }
    const convert = buttonOf("Convert to rich text", () => void this.convert(lost));
    this.say(`Shown as HTML source because the rich text view would lose ${named(lost)}.`, convert);
  }

  private say(words: string, ...more: HTMLElement[]): void {
    const paragraph = document.createElement("p");
    paragraph.textContent = words;
    this.notice.replaceChildren(paragraph, ...more);
    this.notice.hidden = false;
  }

  /** Offer what stood here before it was replaced as a whole: the view's own history begins behind it. */
  private offerBack(before: string, words: string): void {
    const back = buttonOf("Undo", () => {
      this.stored.value = before;
      this.refresh();
      this.stored.dispatchEvent(new Event("input", { bubbles: true }));
      if (this.editor) this.editor.commands.focus();
      else this.source.focus();
    });
    this.say(words, back);
  }

  private toggle(): void {
    if (this.editor) {
      this.showSource();
      this.source.focus();
    } else if (this.open().length) {
      (this.notice.querySelector("button") ?? this.source).focus();
    } else {
      (this.editor as Editor | null)?.commands.focus();
    }
  }

  private async convert(lost: string[]): Promise<void> {
    const before = this.stored.value;
    const after = this.converted(before);
    const { kept, lost: gone } = keptIn(before, after);
    const words = [`The HTML of this email will lose ${named(lost)}.`];
    if (gone.length) words.push(`It will also lose ${listed(gone)}.`);
    if (kept.length) words.push(`What is kept: its ${listed(kept)}.`);
    const answer = await ask({ title: "Convert to rich text?", words: words.join(" "), confirm: "Convert" });
    if (!answer) return;
    this.stored.value = modernized(before);
    this.open(true);
    this.store();
    this.editor?.commands.focus();
    this.offerBack(before, "Converted to rich text.");
  }

  /** What a conversion would make of HTML. */
  private converted(html: string): string {
    const place = document.createElement("div");
    const editor = openSurface(withLinesKept(modernized(html)), { ...this.surface(), place });
    const made = writeStored(editor.state.doc);
    editor.destroy();
    return made;
  }

  private store(): void {
    if (!this.editor) return;
    this.stored.value = writeStored(this.editor.state.doc);
    if (this.stored.value.includes("data:image/")) void this.images.takeData(this.editor);
    this.stored.dispatchEvent(new Event("input", { bubbles: true }));
  }

  /** A whole document takes the place of what stands here; as source, if the rich view would lose some of it. */
  private async takeDocument(html: string): Promise<void> {
    const question = {
      title: "Replace the content?",
      words: "You are pasting the source of an HTML document. It replaces the current content.",
      confirm: "Replace",
    };
    const before = this.stored.value;
    if (before && !(await ask(question))) return;
    this.stored.value = html;
    this.refresh();
    this.stored.dispatchEvent(new Event("input", { bubbles: true }));
    if (!this.editor) this.source.focus();
    if (before) this.offerBack(before, `Replaced. ${this.notice.querySelector("p")?.textContent ?? ""}`.trim());
  }

  private workshop(): Workshop {
    const { paths } = this;
    return {
      editLink: (editor) => void editLink(editor, paths),
      editImage: (editor) => void editImage(editor, paths, (files, alt) => void this.images.take(files, alt)),
      insertButton: (editor) => void insertButton(editor, paths),
      insertTable: (editor) => void insertTable(editor),
      insertExpression: (editor) => void editExpression(editor, paths),
      insertInSource: () => void this.insertInSource(),
      editRepeat: (editor) => void editRepeat(editor, this.options.paths),
      editCondition: (editor) => void editCondition(editor, this.options.paths),
      pickColour: (editor, kind, opener) => {
        const name = kind === "color" ? "color" : "backgroundColor";
        const before = String(editor.getAttributes("textStyle")[name] ?? "");
        pickColour(opener, kind === "color" ? "Text colour" : "Highlight", before, (colour) => {
          editor
            .chain()
            .focus()
            .setMark("textStyle", { [name]: colour || null })
            .removeEmptyTextStyle()
            .run();
        });
      },
    };
  }

  private async insertInSource(): Promise<void> {
    const answer = await ask(valueQuestion(""), this.options.paths);
    if (answer) this.source.insert(`{{ ${answer.values.expression ?? ""} }}`);
    else this.source.focus();
  }

  private editDirectives(editor: Editor, position: number): void {
    const node = editor.state.doc.nodeAt(position);
    const edit = node?.attrs.each ? editRepeat : editCondition;
    void edit(editor, this.options.paths, position);
  }

  private keys(): Record<string, (editor: Editor) => void> {
    const workshop = this.workshop();
    const ours = TOOLS.flat().filter(
      (tool): tool is Tool & { keys: string } => tool.ours === true && tool.keys !== undefined,
    );
    return {
      ...Object.fromEntries(
        ours.map((tool) => [tool.keys, (editor: Editor) => void tool.run(editor, workshop, this.host)]),
      ),
      "Alt-F10": () => this.toolbar.focus(),
      Escape: () => this.toolbar.focus(),
    };
  }

  private described(): Record<string, string> {
    const names = ["aria-labelledby", "aria-label", "aria-describedby"];
    return Object.fromEntries(
      names.flatMap((name) => {
        const value = this.stored.getAttribute(name);
        return value ? [[name, value]] : [];
      }),
    );
  }

  private showValidity(): void {
    const surface = this.place.firstElementChild;
    if (surface) surface.ariaInvalid = this.stored.ariaInvalid;
    this.source.showValidity();
  }
}
