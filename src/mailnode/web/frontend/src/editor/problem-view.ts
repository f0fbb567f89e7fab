// Where the problems of a flow are shown: above the preview, beside their fields, in the list of nodes or under the text.

import { wordsOf } from "../api";
import type { ErrorDetail, Previewed, ServerCheck } from "../api-types";
import { find } from "../dom";
import type { KnownProblems } from "./known-problems";
import type { Panel, ServerSettings } from "./panel";
import type { PreviewPane } from "./preview";
import type { SampleEditor } from "./sample";
import { lacksSample } from "./sending";

/** The editor as problems need it. */
export interface Shown {
  isText: () => boolean;
  current: () => string;
  panel: () => Panel | null;
  /** Open a node, if there is one of this id. */
  open: (id: string) => unknown;
  list: () => void;
  useServer: (server: ServerSettings) => void;
}

export class ProblemView {
  constructor(
    private readonly main: HTMLElement,
    private readonly known: KnownProblems,
    private readonly pane: PreviewPane,
    private readonly samples: SampleEditor,
    private readonly editor: Shown,
  ) {}

  private get text(): HTMLTextAreaElement {
    return find<HTMLTextAreaElement>(this.main, "#flow-text");
  }

  /** Show what a server said of a node at its fields; null forgets it. */
  tellServer(node: string, check: ServerCheck | null): void {
    this.known.tell(node, check);
    const [first] = check?.errors ?? [];
    if (first) this.lead(first);
    this.show();
  }

  showMade(made: Previewed): void {
    this.known.errors = made.errors;
    const fill = (): void => this.fillSample();
    this.pane.show(
      made,
      this.known.notices((error) => this.lead(error), fill),
    );
    this.samples.showUsed();
    this.show();
  }

  /** Show the sample with a place for each value that the flow names. */
  private fillSample(): void {
    this.samples.fill();
    this.pane.see("sample");
    find(this.main, "#sample-input").focus();
  }

  showAll(errors: ErrorDetail[]): void {
    const [first] = errors;
    if (!first) return;
    this.known.errors = errors;
    this.show();
    if (lacksSample(errors)) this.fillSample();
    else this.lead(first);
  }

  /** Go to the field that an error is about, or to its line. */
  private lead({ node, key, line }: ErrorDetail): void {
    if (this.editor.isText()) {
      const before = this.text.value
        .split("\n")
        .slice(0, Math.max(line - 1, 0))
        .join("\n").length;
      this.text.focus();
      this.text.setSelectionRange(before + (line > 1 ? 1 : 0), before + (line > 1 ? 1 : 0));
      return;
    }
    if (node && node !== this.editor.current()) this.editor.open(node);
    this.editor.panel()?.lead(key);
  }

  show(): void {
    if (this.editor.isText()) {
      const place = find(this.main, "#flow-text-error");
      place.textContent = this.known.errors
        .map((error) => `${error.line ? `Line ${error.line}: ` : ""}${wordsOf(error)}`)
        .join("\n");
      place.hidden = !this.known.errors.length;
      return;
    }
    const mine = this.known.all.filter((error) => error.node === this.editor.current() || !error.node);
    const left = this.editor.panel()?.showErrors(mine) ?? mine;
    const works = this.known.server(this.editor.current())?.settings;
    this.editor.panel()?.advise(works ?? null, (smtp) => this.editor.useServer(smtp));
    const others = find(this.main, "[data-other-errors]");
    others.replaceChildren(
      ...left.map((error) => {
        const item = document.createElement("li");
        item.textContent = wordsOf(error);
        return item;
      }),
    );
    others.hidden = !left.length;
    this.editor.list();
  }
}
