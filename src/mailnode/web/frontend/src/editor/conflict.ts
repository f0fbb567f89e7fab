// A flow that was changed or deleted elsewhere while it was edited here: which of the two is to be kept.

import { at } from "../base-path";
import { call, clearProblems, detailOf, Problem, showProblem, toast, wordsOf } from "../api";
import type { Draft, Flow, FlowContent, Sample } from "../api-types";
import { find, on } from "../dom";
import { nameOf } from "../flows/name";

/** What the dialog works with: the draft here, and how the editor goes on. */
export interface Mine {
  draft: () => Draft;
  sample: () => Sample;
  name: () => string;
  /** Take the saved flow of this revision as what is replaced, and save. */
  overwrite: (revision: string) => Promise<boolean>;
  /** Leave without being asked: the draft is saved elsewhere, or given up. */
  leave: (address: string) => void;
}

export class ConflictDialog {
  constructor(
    private readonly dialog: HTMLDialogElement,
    private readonly mine: Mine,
  ) {
    const form = find(dialog, "form");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      clearProblems(form);
      this.saveAs().catch((problem: unknown) => showProblem(form, problem));
    });
    find(dialog, '[data-action="theirs"]').addEventListener("click", () => mine.leave(address(mine.name())));
    on(find(dialog, '[data-action="overwrite"]'), "click", () => this.overwrite());
  }

  /** Ask, if that is what an error is about, and tell whether it is. */
  asks(problem: unknown): boolean {
    const { code, key } = detailOf(problem);
    const isGone = code === "unknownFlow";
    if (!isGone && (code !== "flowConflict" || key)) return false;
    for (const place of this.dialog.querySelectorAll<HTMLElement>("[data-gone]")) {
      place.hidden = (place.dataset.gone === "true") !== isGone;
    }
    clearProblems(this.dialog);
    find<HTMLInputElement>(this.dialog, "[name=name]").value = `${this.mine.name()}-2`;
    this.dialog.showModal();
    return true;
  }

  private async overwrite(): Promise<void> {
    this.dialog.close();
    try {
      const theirs = await call("GET /api/flows/{name}", { path: { name: this.mine.name() } });
      await this.mine.overwrite(theirs.revision);
    } catch (problem) {
      if (!this.asks(problem)) toast(wordsOf(detailOf(problem)));
    }
  }

  private async saveAs(): Promise<void> {
    const name = nameOf(find<HTMLInputElement>(this.dialog, "[name=name]").value.trim());
    if (!name) throw new Problem({ message: "Enter a name.", key: "name" });
    const draft = this.mine.draft();
    const made = await call("POST /api/flows", {
      body: { text: await textOf(draft, name), format: draft.format ?? "yaml" },
    });
    await call("PUT /api/flows/{name}/sample", { path: made, body: this.mine.sample() });
    this.mine.leave(address(made.name));
  }
}

/** Give the text of a draft under another name. */
async function textOf(draft: Draft, name: string): Promise<string> {
  const read = await call("POST /api/flows/check", { body: draft });
  if (!read.document) throw new Problem(read.errors[0] ?? {});
  const document: FlowContent = { ...read.document, name };
  return (await call("POST /api/flows/check", { body: { ...draft, text: read.text, document } })).text;
}

function address(name: Flow["name"]): string {
  return at(`/flows/${encodeURIComponent(name)}`);
}
