// The pane beside the panel: the mail as it would go out, in all its views.

import { at } from "../base-path";
import type { BodyPart, Preview, Previewed } from "../api-types";
import { textAt } from "../api";
import { element, find } from "../dom";
import { eventCard } from "./event-card";

const LEAST_SEEN = 120; // pixels
const HEAD = ["From", "To", "Cc", "Subject"];
const TLS = { tls: "TLS", starttls: "STARTTLS", none: "no TLS" };

/** A sentence, and the place that it is about, which a press leads to. */
export interface Line {
  words: string;
  place?: { words: string; lead: () => void };
}

export interface Notice {
  lines: Line[];
  hint?: string;
  /** What else can be done about it. */
  remedy?: { words: string; work: () => void };
}

/** What came of a run or a test: its status, what to read of it, all of it, and where to read on. */
export interface Result {
  title: string;
  status: string;
  notices: Notice[];
  details?: unknown;
  link?: { href: string; words: string };
}

export class PreviewPane {
  private html = "";
  private isDark = false;

  constructor(private readonly pane: HTMLElement) {
    mountTabs(this.find("[role=tablist]"));
    this.onPress("[data-width]", (button) => {
      this.find("[data-frame-place]").dataset.width = button.dataset.width ?? "";
    });
    this.onPress("[data-dark]", (button) => {
      this.isDark = button.dataset.dark === "true";
      this.find("[data-frame-place]").dataset.dark = String(this.isDark);
      this.showFrame();
    });
  }

  /** Show a mail; where there is none, the last one stays in sight, faded, and the reasons stand above. */
  show({ preview }: Previewed, errors: Notice[]): void {
    this.pane.toggleAttribute("data-stale", !preview);
    const reasons = errors.map((notice) => noticeOf("bad", notice));
    const warnings = (preview?.warnings ?? []).map((words) => noticeOf("warn", { lines: [{ words }] }));
    this.find("[data-troubles]").replaceChildren(...reasons, ...warnings);
    if (!preview) return;
    this.html = preview.html;
    this.showFrame();
    this.find("[data-head]").replaceChildren(...headOf(preview));
    const event = this.find("[data-invitation]");
    event.hidden = !preview.invitation;
    event.replaceChildren(...(preview.invitation ? [eventCard(preview.invitation)] : []));
    this.find("[data-text]").textContent = preview.text;
    this.find("[data-fields]").replaceChildren(...preview.headerFields.map(fieldRow));
    this.find("[data-parts]").replaceChildren(partItem(preview.root));
    const rest = preview.size > preview.source.length ? `\n… ${preview.size} bytes in total` : "";
    this.find("[data-source]").textContent = preview.source + rest;
    const download = this.find<HTMLAnchorElement>("[data-download]");
    download.href = preview.message;
    download.hidden = false;
  }

  showResult({ title, status, notices, details, link }: Result): void {
    const badge = element("span", {
      className: `badge ${status === "not started" ? "failed" : status}`,
      textContent: status.charAt(0).toUpperCase() + status.slice(1),
    });
    const kind = status === "sent" ? "good" : status === "running" ? "" : "bad";
    this.find("[data-result]").replaceChildren(
      element("h2", {}, `${title} `, badge),
      ...notices.map((notice) => noticeOf(kind, notice)),
      ...(link ? [element("a", { href: link.href, textContent: link.words })] : []),
      ...(details === undefined ? [] : [folded("Details", JSON.stringify(details, null, 2))]),
    );
    this.see("result");
  }

  /** Show what came of a run as its page does; it renews itself there while email of it is queued. */
  async showRun(id: string): Promise<void> {
    const address = at(`/runs/live/run/${encodeURIComponent(id)}`);
    const place = this.find("[data-result]");
    const link = element("a", { href: at(`/runs/${encodeURIComponent(id)}`), textContent: "Open this run" });
    const [{ showLive }, html] = await Promise.all([import("../records/morph"), textAt(address)]);
    const part = element("div");
    place.replaceChildren(part, element("p", {}, link));
    showLive(part, html);
    this.see("result");
  }

  /** Bring a view to the front. */
  see(view: string): void {
    this.find(`#tab-${view}`).click();
    const shown = this.find(`#see-${view}`);
    const { top, bottom } = shown.getBoundingClientRect();
    // On a narrow screen it is far below the button that was pressed.
    if (top > innerHeight - LEAST_SEEN || bottom < 0) shown.scrollIntoView();
  }

  private showFrame(): void {
    const frame = this.find<HTMLIFrameElement>("[data-frame]");
    frame.hidden = !this.html;
    if (this.html) frame.src = `${this.html}?dark=${this.isDark}`;
  }

  private find<T extends HTMLElement>(selector: string): T {
    return find<T>(this.pane, selector);
  }

  private onPress(selector: string, work: (button: HTMLElement) => void): void {
    const buttons = [...this.pane.querySelectorAll<HTMLElement>(`button${selector}`)];
    for (const button of buttons) {
      button.addEventListener("click", () => {
        for (const one of buttons) one.ariaPressed = String(one === button);
        work(button);
      });
    }
  }
}

/** Tabs as WAI-ARIA has them: arrows go from one to the next. */
function mountTabs(list: HTMLElement): void {
  const tabs = [...list.querySelectorAll<HTMLElement>("[role=tab]")];
  const choose = (tab: HTMLElement): void => {
    for (const one of tabs) {
      one.ariaSelected = String(one === tab);
      one.tabIndex = one === tab ? 0 : -1;
      find(document, `#${one.getAttribute("aria-controls") ?? ""}`).hidden = one !== tab;
    }
  };
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const next = step && tabs[(index + step + tabs.length) % tabs.length];
      if (!next) return;
      choose(next);
      next.focus();
    });
  });
}

function noticeOf(kind: string, { lines, hint = "", remedy }: Notice): HTMLElement {
  const shown = lines.map(({ words, place }) =>
    element("p", {}, ...(place ? [pressable("link", `${place.words}:`, place.lead), " "] : []), words),
  );
  if (hint) shown.push(element("p", { textContent: hint }));
  if (remedy) shown.push(element("p", {}, pressable("button", remedy.words, remedy.work)));
  return element("div", { className: `notice ${kind}` }, ...shown);
}

function pressable(className: string, words: string, work: () => void): HTMLButtonElement {
  const made = element("button", { type: "button", className, textContent: words });
  made.addEventListener("click", work);
  return made;
}

function folded(words: string, text: string): HTMLElement {
  const summary = element("summary", { textContent: words });
  return element("details", { className: "section" }, summary, element("pre", { textContent: text, tabIndex: 0 }));
}

function headOf({ headerFields, envelopeFrom, recipients, host, port, tlsOption, connection }: Preview): HTMLElement[] {
  const fields = new Map(headerFields);
  const server = `${host}:${port}, ${TLS[tlsOption]}`;
  const rows = [
    ...HEAD.map((name) => [name, fields.get(name)] as const),
    ["Envelope", `<${envelopeFrom}> to ${recipients.join(", ")}`] as const,
    ["Server", connection ? `${server}, connection ${connection}` : `${server}, no login`] as const,
  ];
  return rows.flatMap(([name, value]) =>
    value === undefined ? [] : [element("dt", { textContent: name }), element("dd", { textContent: value })],
  );
}

function fieldRow([name, value]: [string, string]): HTMLElement {
  const head = element("th", { scope: "row", textContent: name });
  return element("tr", {}, head, element("td", { className: "mono", textContent: value }));
}

function partItem({ mediaType, filename, cid, encoding, disposition, size, parts }: BodyPart): HTMLElement {
  const about = [mediaType, filename, cid && `cid:${cid}`, encoding, disposition, parts.length ? "" : `${size} bytes`];
  const item = element("li", { textContent: about.filter(Boolean).join(" · ") });
  if (parts.length) item.append(element("ul", {}, ...parts.map(partItem)));
  return item;
}
