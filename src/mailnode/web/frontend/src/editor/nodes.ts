// The nodes of a flow in their order: pick, add, move, remove.

import type { FlowNodeContent } from "../api-types";
import { element } from "../dom";
import type { Settings } from "./settings";

const FRESH: Record<string, Settings> = {
  emailNotification: { to: "", subject: "", content: "" },
  say: { text: "" },
  setContext: { key: "", value: "" },
};
const IDS: Record<string, string> = {
  sendSmtpEmail: "send-email",
  emailNotification: "notify",
  say: "say",
  setContext: "set-context",
};

/** The list as it is shown; `problems` counts those of each node. */
export interface NodeList {
  nodes: FlowNodeContent[];
  current: string;
  problems: Map<string, number>;
  pick: (id: string) => void;
  change: (nodes: FlowNodeContent[], pick: string) => void;
}

export function showNodes(list: HTMLElement, shown: NodeList): void {
  list.replaceChildren(...shown.nodes.map((node, index) => item(node, index, shown)));
}

/** Make a node of a type with an id that no other one has; its mail goes to the inbox, which listens on `port`. */
export function freshNode(type: string, nodes: FlowNodeContent[], port: number): FlowNodeContent {
  const ids = new Set(nodes.map((node) => node.id));
  const base = IDS[type] ?? "node";
  let id = base;
  for (let number = 2; ids.has(id); number += 1) id = `${base}-${number}`;
  return { id, type, settings: type === "sendSmtpEmail" ? toInbox(port) : structuredClone(FRESH[type] ?? {}) };
}

function toInbox(port: number): Settings {
  return { emailService: "other", smtp: { host: "127.0.0.1", port, tlsOption: "none" }, to: "", subject: "" };
}

/** Say how many problems there are. */
export function problemCount(count: number): string {
  return count === 1 ? "1 problem" : `${count} problems`;
}

function item(node: FlowNodeContent, index: number, { nodes, current, problems, pick, change }: NodeList): HTMLElement {
  const isCurrent = node.id === current;
  const name = node.label ?? node.id;
  const opener = button("pick", "", () => pick(node.id));
  opener.setAttribute("aria-current", String(isCurrent));
  opener.append(
    element("span", { textContent: name }),
    element("span", { className: "muted mono", textContent: node.type }),
  );
  const count = problems.get(node.id);
  if (count) opener.append(element("span", { className: "badge failed", textContent: problemCount(count) }));
  const others = nodes.filter((one) => one !== node);
  const move = (to: number): void => change([...others.slice(0, to), node, ...others.slice(to)], current);
  const row = element("li", {}, opener);
  row.toggleAttribute("data-current", isCurrent);
  if (index > 0) row.append(button("icon-button", "↑", () => move(index - 1), `Move ${name} up`));
  if (index < nodes.length - 1) row.append(button("icon-button", "↓", () => move(index + 1), `Move ${name} down`));
  if (nodes.length > 1) {
    const next = isCurrent ? (others[Math.max(0, index - 1)]?.id ?? "") : current;
    row.append(button("icon-button", "×", () => change(others, next), `Remove ${name}`));
  }
  return row;
}

function button(className: string, words: string, work: () => void, label?: string): HTMLButtonElement {
  const made = element("button", { type: "button", className, textContent: words });
  if (label) made.ariaLabel = label;
  made.addEventListener("click", work);
  return made;
}
