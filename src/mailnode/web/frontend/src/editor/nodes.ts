// The nodes of a flow in their order: pick, add, move, remove.

import type { FlowNode, Settings } from "./model";

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

export interface NodesSaid {
  pick(id: string): void;
  change(nodes: FlowNode[], pick: string): void;
}

export function showNodes(
  list: HTMLElement,
  nodes: FlowNode[],
  current: string,
  troubles: Map<string, number>,
  said: NodesSaid,
): void {
  list.replaceChildren(
    ...nodes.map((node, index) => item(node, index, nodes, current, troubles.get(node.id) ?? 0, said)),
  );
}

/** Make a node of a type with an id that no other one has; its mail goes to the inbox, which listens on `port`. */
export function freshNode(type: string, nodes: FlowNode[], port: number): FlowNode {
  const ids = new Set(nodes.map((node) => node.id));
  const base = IDS[type] ?? "node";
  let id = base;
  for (let number = 2; ids.has(id); number += 1) id = `${base}-${number}`;
  return { id, type, settings: type === "sendSmtpEmail" ? toInbox(port) : structuredClone(FRESH[type] ?? {}) };
}

function toInbox(port: number): Settings {
  return { emailService: "other", smtp: { host: "127.0.0.1", port, tlsOption: "none" }, to: "", subject: "" };
}

function item(
  node: FlowNode,
  index: number,
  nodes: FlowNode[],
  current: string,
  troubles: number,
  said: NodesSaid,
): HTMLElement {
  const row = document.createElement("li");
  row.toggleAttribute("data-current", node.id === current);
  const name = node.label ?? node.id;
  const pick = button("pick", "", () => said.pick(node.id));
  pick.setAttribute("aria-current", String(node.id === current));
  const label = document.createElement("span");
  label.textContent = name;
  const type = document.createElement("span");
  type.className = "muted mono";
  type.textContent = node.type;
  pick.append(label, type);
  if (troubles) {
    const badge = document.createElement("span");
    badge.className = "badge failed";
    badge.textContent = troubles === 1 ? "1 problem" : `${troubles} problems`;
    pick.append(badge);
  }
  const moved = (to: number): void => {
    const others = nodes.filter((one) => one !== node);
    said.change([...others.slice(0, to), node, ...others.slice(to)], current);
  };
  row.append(pick);
  if (index > 0) row.append(button("icon-button", "↑", () => moved(index - 1), `Move ${name} up`));
  if (index < nodes.length - 1) row.append(button("icon-button", "↓", () => moved(index + 1), `Move ${name} down`));
  if (nodes.length > 1) {
    const rest = nodes.filter((one) => one !== node);
    const next = node.id === current ? (rest[Math.max(0, index - 1)]?.id ?? "") : current;
    row.append(button("icon-button", "×", () => said.change(rest, next), `Remove ${name}`));
  }
  return row;
}

function button(kind: string, words: string, work: () => void, label?: string): HTMLButtonElement {
  const made = document.createElement("button");
  made.type = "button";
  made.className = kind;
  made.textContent = words;
  if (label) made.ariaLabel = label;
  made.addEventListener("click", work);
  return made;
}
