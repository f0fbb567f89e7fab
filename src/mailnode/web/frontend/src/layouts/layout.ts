// The editor of a layout: its source, and beside it an email in it.

import { call, clearProblems, detailOf, markField, toast, wordsOf } from "../api";
import type { ErrorDetail, Layout, LayoutDraft } from "../api-types";
import { element, find, on } from "../dom";

const PAUSE_MS = 300;

export function mountLayout(main: HTMLElement): void {
  new LayoutEditor(main).start();
}

class LayoutEditor {
  private saved = JSON.parse(find(document, "#layout").textContent) as Layout;
  private readonly source: HTMLTextAreaElement;
  private readonly sample: HTMLSelectElement;
  private readonly conflict: HTMLDialogElement;
  private pending: AbortController | undefined;
  private timer = 0;
  private html = "";
  private isDark = false;

  constructor(private readonly main: HTMLElement) {
    this.source = find(main, "#layout-text");
    this.sample = find(main, "#layout-sample");
    this.conflict = find(main, "#layout-conflict");
  }

  start(): void {
    this.source.addEventListener("input", () => {
      this.tell();
      clearTimeout(this.timer);
      this.timer = window.setTimeout(() => void this.preview(), PAUSE_MS);
    });
    on(this.sample, "change", () => this.preview());
    on(find(this.main, '[data-action="save"]'), "click", () => this.save(this.saved.revision));
    find(this.conflict, '[data-action="theirs"]').addEventListener("click", () => {
      this.source.value = this.saved.text;
      location.reload();
    });
    on(find(this.conflict, '[data-action="overwrite"]'), "click", async () => {
      this.conflict.close();
      const theirs = await call("GET /api/layouts/{name}", { path: { name: this.saved.name } });
      await this.save(theirs.revision);
    });
    document.addEventListener("keydown", (event) => {
      if (!(event.ctrlKey || event.metaKey) || event.key !== "s") return;
      event.preventDefault();
      void this.save(this.saved.revision);
    });
    window.addEventListener("beforeunload", (event) => {
      if (this.isChanged()) event.preventDefault();
    });
    this.onPress("[data-width]", (button) => {
      find(this.main, "[data-frame-place]").dataset.width = button.dataset.width ?? "";
    });
    this.onPress("[data-dark]", (button) => {
      this.isDark = button.dataset.dark === "true";
      find(this.main, "[data-frame-place]").dataset.dark = String(this.isDark);
      this.showFrame();
    });
    this.tell();
    void this.preview();
    // Until it is there, or if it can't be loaded, the plain field does.
    void import("../source/source-editor").then(({ mountSource }) => mountSource(this.source));
  }

  private isChanged(): boolean {
    return this.source.value !== this.saved.text.replace(/\r\n?/g, "\n");
  }

  private tell(): void {
    find(this.main, "[data-saved]").textContent = this.isChanged() ? "Not saved" : "";
  }

  private async save(revision: string): Promise<void> {
    clearProblems(this.main);
    const path = { name: this.saved.name };
    try {
      this.saved = await call("PUT /api/layouts/{name}", { path, body: { text: this.source.value, revision } });
      this.tell();
      toast(this.saved.errors.length ? "Saved. The layout still has an error." : "Saved.");
    } catch (problem) {
      const detail = detailOf(problem);
      if (detail.code === "layoutConflict") this.conflict.showModal();
      else markField(find(this.main, '.field[data-key="text"]'), wordsOf(detail));
    }
  }

  private async preview(): Promise<void> {
    this.pending?.abort();
    const pending = (this.pending = new AbortController());
    try {
      const { errors, preview } = await call("POST /api/layouts/preview", {
        body: this.draft(),
        signal: pending.signal,
      });
      if (pending.signal.aborted) return;
      find(this.main, ".preview").toggleAttribute("data-stale", !preview);
      const warnings = (preview?.warnings ?? []).map((words) => notice("warn", [words]));
      find(this.main, "[data-troubles]").replaceChildren(...errors.map(noticeOf), ...warnings);
      if (!preview) return;
      this.html = preview.html;
      this.showFrame();
    } catch (problem) {
      if (pending.signal.aborted) return;
      find(this.main, "[data-troubles]").replaceChildren(noticeOf(detailOf(problem)));
    }
  }

  private draft(): LayoutDraft {
    const draft: LayoutDraft = { text: this.source.value };
    if (!this.sample.value) return draft;
    const [flow = "", node = ""] = JSON.parse(this.sample.value) as string[];
    return { ...draft, flow, node };
  }

  private showFrame(): void {
    const frame = find<HTMLIFrameElement>(this.main, "[data-frame]");
    if (this.html) frame.src = `${this.html}?dark=${this.isDark}`;
  }

  private onPress(selector: string, work: (button: HTMLElement) => void): void {
    const buttons = [...this.main.querySelectorAll<HTMLElement>(`button${selector}`)];
    for (const button of buttons) {
      button.addEventListener("click", () => {
        for (const one of buttons) one.ariaPressed = String(one === button);
        work(button);
      });
    }
  }
}

function noticeOf({ message, hint }: ErrorDetail): HTMLElement {
  return notice("bad", [message, hint]);
}

function notice(kind: string, lines: string[]): HTMLElement {
  return element(
    "div",
    { className: `notice ${kind}` },
    ...lines.filter(Boolean).map((textContent) => element("p", { textContent })),
  );
}
