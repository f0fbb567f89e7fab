// The pane beside the panel: the mail as it would go out, in all its views.

import type { Told } from "../api";

interface Part {
  mediaType: string;
  encoding: string;
  size: number;
  filename: string;
  cid: string;
  disposition: string;
  parts: Part[];
}

export interface Preview {
  host: string;
  port: number;
  tlsOption: string;
  connection: string;
  envelopeFrom: string;
  recipients: string[];
  headerFields: [string, string][];
  text: string;
  html: string;
  message: string;
  source: string;
  size: number;
  root: Part;
  warnings: string[];
}

export interface Previewed {
  errors: Told[];
  preview: Preview | null;
}

const HEAD = ["From", "To", "Cc", "Subject"];

export class PreviewPane {
  private html = "";
  private isDark = false;

  constructor(private readonly pane: HTMLElement) {
    mountTabs(pane.querySelector<HTMLElement>("[role=tablist]")!);
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
  show({ errors, preview }: Previewed): void {
    this.pane.toggleAttribute("data-stale", !preview);
    const reasons = errors.map((error) => ({ kind: "bad", words: error.message, hint: error.hint }));
    const warnings = (preview?.warnings ?? []).map((words) => ({ kind: "warn", words, hint: "" }));
    this.find("[data-troubles]").replaceChildren(...[...reasons, ...warnings].map(notice));
    if (!preview) return;
    this.html = preview.html;
    this.showFrame();
    this.find("[data-head]").replaceChildren(...headOf(preview));
    this.find("[data-text]").textContent = preview.text;
    this.find("[data-fields]").replaceChildren(...preview.headerFields.map(fieldRow));
    this.find("[data-parts]").replaceChildren(partItem(preview.root));
    const rest = preview.size > preview.source.length ? `\n… ${preview.size} bytes in all` : "";
    this.find("[data-source]").textContent = preview.source + rest;
    const download = this.find<HTMLAnchorElement>("[data-download]");
    download.href = preview.message;
    download.hidden = false;
  }

  showResult(
    title: string,
    status: string,
    lines: { words: string; hint?: string }[],
    details: unknown,
    link = "",
  ): void {
    const place = this.find("[data-result]");
    const head = document.createElement("h2");
    head.textContent = `${title} `;
    const badge = document.createElement("span");
    badge.className = `badge ${status}`;
    badge.textContent = status;
    head.append(badge);
    const kind = status === "sent" || status === "done" ? "good" : "bad";
    const notices = lines.map((line) => notice({ kind, words: line.words, hint: line.hint ?? "" }));
    const json = document.createElement("pre");
    json.textContent = JSON.stringify(details, null, 2);
    json.tabIndex = 0;
    place.replaceChildren(head, ...notices, json);
    if (link) {
      const anchor = document.createElement("a");
      anchor.href = link;
      anchor.textContent = link.startsWith("/inbox") ? "Read it in the inbox" : "Open this run";
      json.before(anchor);
    }
    this.pane.querySelector<HTMLElement>("#tab-result")!.click();
  }

  private showFrame(): void {
    const frame = this.find<HTMLIFrameElement>("[data-frame]");
    frame.hidden = !this.html;
    if (this.html) frame.src = `${this.html}?dark=${this.isDark}`;
  }

  private find<T extends HTMLElement>(selector: string): T {
    return this.pane.querySelector<T>(selector)!;
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
export function mountTabs(list: HTMLElement): void {
  const tabs = [...list.querySelectorAll<HTMLElement>("[role=tab]")];
  const choose = (tab: HTMLElement): void => {
    for (const one of tabs) {
      one.ariaSelected = String(one === tab);
      one.tabIndex = one === tab ? 0 : -1;
      document.getElementById(one.getAttribute("aria-controls") ?? "")!.hidden = one !== tab;
    }
  };
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(index + step + tabs.length) % tabs.length]!;
      choose(next);
      next.focus();
    });
  });
}

function notice({ kind, words, hint }: { kind: string; words: string; hint: string }): HTMLElement {
  const made = document.createElement("div");
  made.className = `notice ${kind}`;
  for (const line of [words, hint].filter(Boolean)) {
    const paragraph = document.createElement("p");
    paragraph.textContent = line;
    made.append(paragraph);
  }
  return made;
}

function headOf(preview: Preview): HTMLElement[] {
  const fields = new Map(preview.headerFields);
  const server = `${preview.host}:${preview.port} (${preview.tlsOption})`;
  const rows: [string, string][] = [
    ...HEAD.filter((name) => fields.has(name)).map((name): [string, string] => [name, fields.get(name)!]),
    ["Envelope", `<${preview.envelopeFrom}> to ${preview.recipients.join(", ")}`],
    ["Server", preview.connection ? `${server} as ${preview.connection}` : server],
  ];
  return rows.flatMap(([name, value]) => {
    const term = document.createElement("dt");
    term.textContent = name;
    const description = document.createElement("dd");
    description.textContent = value;
    return [term, description];
  });
}

function fieldRow([name, value]: [string, string]): HTMLElement {
  const row = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = name;
  const cell = document.createElement("td");
  cell.className = "mono";
  cell.textContent = value;
  row.append(head, cell);
  return row;
}

function partItem(part: Part): HTMLElement {
  const item = document.createElement("li");
  const about = [part.mediaType, part.filename, part.cid && `cid:${part.cid}`, part.encoding, part.disposition];
  const size = part.parts.length ? "" : `${part.size} bytes`;
  item.textContent = [...about, size].filter(Boolean).join(" · ");
  if (part.parts.length) {
    const inner = document.createElement("ul");
    inner.append(...part.parts.map(partItem));
    item.append(inner);
  }
  return item;
}
