/** A connection as the API shows it: of its secrets only which are set. */
export interface Shown {
  name: string;
  type: string;
  revision: number;
  secrets: string[];
  service?: string;
  hosts?: string[];
  state?: "ready" | "needsConsent";
  [field: string]: unknown;
}

/** Which of a connection's servers is tested; what is left out is as the connection says. */
export interface Server {
  host?: string;
  port?: number | string;
  tlsOption?: string;
}

/** What a node's panel knows before a connection is made for it. */
export interface DialogOptions {
  service?: string;
  hosts?: string[];
  /** How the node reaches its own server; a test of the new connection goes there. */
  server?: Server;
  onCreated?: (name: string) => void;
}

/** Fields by their keys, as the API takes them; null takes one away. */
export type Fields = Record<string, unknown>;

export function part<T extends HTMLElement>(root: ParentNode, selector: string): T {
  const found = root.querySelector<T>(selector);
  if (!found) throw new Error(`the page has no ${selector}`);
  return found;
}

export function addressOf(name: string, more = ""): string {
  return `/api/connections/${encodeURIComponent(name)}${more}`;
}
