// What the server and the editor say to each other about a flow.

import type { Told } from "../api";

export type Settings = Record<string, unknown>;

export interface FlowNode {
  id: string;
  type: string;
  label?: string;
  when?: string;
  settings: Settings;
}

export interface FlowDocument {
  version: number;
  name: string;
  nodes: FlowNode[];
}

export interface Sample {
  input: Settings;
  context: Settings;
}

export interface Flow {
  name: string;
  format: "yaml" | "json";
  revision: string;
  text: string;
  document: FlowDocument | null;
  errors: Told[];
  sample: Sample;
}

/** A flow that is being edited: its text, and over it what the form makes of it. */
export interface Draft {
  text: string;
  document: FlowDocument | null;
  format: "yaml" | "json";
}

export interface Checked {
  text: string;
  document: FlowDocument | null;
  errors: Told[];
}

export interface Service {
  name: string;
  names: string[];
  host: string;
  note: string;
}

export interface Connection {
  name: string;
  type: string;
  service?: string;
  hosts?: string[];
}

/** A node that is edited, and what its fields may need beside their own value. */
export interface Surroundings {
  services: Service[];
  connections: Connection[];
  sample: () => Sample;
  settings: () => Settings;
}

/** A field of the panel: it shows a setting, and gives what the reader made of it (undefined: left out). */
export interface Widget {
  show(value: unknown): void;
  value(): unknown;
}

export function isObject(value: unknown): value is Settings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Read what stands at a dotted key (`smtp.host`). */
export function read(settings: Settings, key: string): unknown {
  let at: unknown = settings;
  for (const part of key.split(".")) at = isObject(at) ? at[part] : undefined;
  return at;
}

/** Write at a dotted key; undefined removes it, and a group that is empty then. */
export function write(settings: Settings, key: string, value: unknown): void {
  const [first = "", ...rest] = key.split(".");
  if (rest.length === 0) {
    if (value === undefined) delete settings[first];
    else settings[first] = value;
    return;
  }
  const group = isObject(settings[first]) ? settings[first] : {};
  write(group, rest.join("."), value);
  if (Object.keys(group).length > 0) settings[first] = group;
  else delete settings[first];
}

/** Give the paths that lead to a value in a state (input.items[0].name); an object has no text of its own. */
export function pathsOf(state: Sample): string[] {
  const paths: string[] = [];
  const walk = (value: unknown, path: string, depth: number): void => {
    if (!isObject(value)) paths.push(path);
    if (depth > 6 || paths.length > 500) return;
    if (Array.isArray(value)) {
      if (value.length > 0) walk(value[0], `${path}[0]`, depth + 1);
    } else if (isObject(value)) {
      for (const [key, inner] of Object.entries(value)) {
        walk(inner, /^[A-Za-z_$][\w$]*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`, depth + 1);
      }
    }
  };
  walk(state.input, "input", 0);
  walk(state.context, "context", 0);
  return paths;
}
