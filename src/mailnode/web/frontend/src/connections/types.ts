import type { TestedServer } from "../api-types";

/** What a node's panel knows before a connection is made for it. */
export interface DialogOptions {
  service?: string;
  hosts?: string[];
  /** How the node reaches its own server; a test of the new connection goes there. */
  server?: TestedServer;
  onCreated?: (name: string) => void;
}

/** Fields by their keys, as the API takes them; null takes one away. */
export type Fields = Record<string, unknown>;
