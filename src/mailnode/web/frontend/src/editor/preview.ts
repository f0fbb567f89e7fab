// The pane beside the panel: the mail as it would go out, in all its views.

import type { BodyPart, Preview, Previewed } from "../api-types";
import { element, find } from "../dom";

const HEAD = ["From", "To", "Cc", "Subject"];
const TLS = { tls: "TLS", starttls: "STARTTLS", none: "no TLS" };

export interface Notice {
  words: string;
  hint?: string;
}

/** What came of a run or a test: its status, what to read of it, all of it, and where to read on. */
export interface Result {
  title: string;
  status: string;
  notices: Notice[];
  details: unknown;
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
  show({ errors, preview }: Previewed): void {
    this.pane.toggleAttribute("data-stale", !preview);
    const reasons = errors.map(({ key, message, hint }) =>
      noticeOf("bad", { words: key ? `${key}: ${message}` : message, hint }),
    );
    const warnings = (preview?.warnings ?? []).map((words) => noticeOf("warn", { words }));
    this.find("[data-troubles]").replaceChildren(...reasons, ...warnings);
    if (!preview) return;
    this.html = preview.html;
    this.showFrame();
    this.find("[data-head]").replaceChildren(...headOf(preview));
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
      className: `badge ${status}`,
      textContent: status.charAt(0).toUpperCase() + status.slice(1),
    });
    const kind = status === "sent" || status === "done" ? "good" : "bad";
    this.find("[data-result]").replaceChildren(
      element("h2", {}, `${title} `, badge),
      ...notices.map((notice) => noticeOf(kind, notice)),
      ...(link ? [element("a", { href: link.href, textContent: link.words })] : []),
      element("pre", { textContent: JSON.stringify(details, null, 2), tabIndex: 0 }),
    );
    this.find("#tab-result").click();
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

function noticeOf(kind: string, { words, hint = "" }: Notice): HTMLElement {
  const lines = [words, hint].filter(Boolean).map((line) => element("p", { textContent: line }));
  return element("div", { className: `notice ${kind}` }, ...lines);
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
