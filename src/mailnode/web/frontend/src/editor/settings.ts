// Settings of a node and values of a state, as JSON has them.

import type { Sample } from "../api-types";

export type Settings = Record<string, unknown>;

export function isObject(value: unknown): value is Settings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Give a value as a field shows it: a list by commas, and what is no text as JSON. */
export function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return value.map(textOf).join(", ");
  return value === undefined || value === null ? "" : JSON.stringify(value);
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
    if (value === undefined) Reflect.deleteProperty(settings, first);
    else settings[first] = value;
    return;
  }
  const group = isObject(settings[first]) ? settings[first] : {};
  write(group, rest.join("."), value);
  if (Object.keys(group).length > 0) settings[first] = group;
  else Reflect.deleteProperty(settings, first);
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
