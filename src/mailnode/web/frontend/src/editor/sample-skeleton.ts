// The sample data that a flow asks for: a place for each value that its expressions name.

import type { FlowContent, Sample } from "../api-types";
import { isObject, type Settings } from "./settings";

type Step = string | 0;

const EXPRESSION = /\{\{([\s\S]*?)\}\}/g;
const STRING = /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/g;
const PATH =
  /(?<![\w$.])([A-Za-z_$][\w$]*)((?:\s*\??\.\s*[A-Za-z_$][\w$]*|\s*\[\s*(?:\d+|"[^"]*"|'[^']*')\s*\])+)(\s*\()?/g;
const STEP = /\.\s*([A-Za-z_$][\w$]*)|\[\s*(?:(\d+)|"([^"]*)"|'([^']*)')\s*\]/g;
const EACH = /data-each\s*=\s*(?:"([^"]*)"|'([^']*)')/g;
const OF = /^\s*([A-Za-z_$][\w$]*)\s*(?:,\s*[A-Za-z_$][\w$]*\s*)?of\s+([\s\S]+?)\s*$/;
const OF_LISTS = new Set([
  "map",
  "filter",
  "forEach",
  "find",
  "some",
  "every",
  "reduce",
  "join",
  "flatMap",
  "at",
  "slice",
]);

/** Give the paths that the templates of a flow name, as steps; 0 is any item of a list. */
export function pathsNamed({ nodes }: FlowContent): Step[][] {
  const found: Step[][] = [];
  for (const { settings, when } of nodes) {
    const texts = [...textsIn(settings), ...(when ? [when] : [])];
    const items = new Map<string, Step[]>([
      ["input", ["input"]],
      ["context", ["context"]],
    ]);
    if (Array.isArray(settings.attachments)) {
      for (const one of settings.attachments) if (isObject(one)) repeat(`item of ${bare(one.forEach)}`, items, found);
    }
    for (const text of texts) {
      for (const [, double, single] of text.matchAll(EACH)) repeat(double ?? single ?? "", items, found);
    }
    for (const text of texts) {
      for (const [, source = ""] of text.matchAll(EXPRESSION)) found.push(...pathsIn(source, items));
      for (const [, double, single] of text.matchAll(/data-if\s*=\s*(?:"([^"]*)"|'([^']*)')/g)) {
        found.push(...pathsIn(double ?? single ?? "", items));
      }
    }
  }
  return found;
}

/**
 * Give the sample with an empty value at each path of the flow that it lacks; what is there stays.
 *
 * What a node writes itself has a place too: the preview of one node knows nothing of those before it.
 */
export function withSkeleton(sample: Sample, flow: FlowContent): Sample {
  const made = structuredClone(sample) as unknown as Settings;
  const lists = new WeakSet();
  for (const path of pathsNamed(flow)) {
    if (!path.includes("__proto__")) put(made, path, lists);
  }
  return made as unknown as Sample;
}

/** Give the places of single values that the flow names, each once. */
export function placesNamed(flow: FlowContent): string[][] {
  const found = new Map<string, string[]>();
  for (const path of pathsNamed(flow)) {
    const names = path.filter((step) => step !== 0);
    const isSingle = names.length === path.length && path.length > 1 && !path.includes("__proto__");
    if (isSingle) found.set(names.join("."), names);
  }
  // What others lead through is no single value.
  return [...found]
    .filter(([key]) => ![...found.keys()].some((other) => other.startsWith(`${key}.`)))
    .map(([, path]) => path);
}

function bare(value: unknown): string {
  return typeof value === "string" ? value.replace(/^\s*\{\{|\}\}\s*$/g, "") : "";
}

function repeat(directive: string, items: Map<string, Step[]>, found: Step[][]): void {
  const [, name = "", source = ""] = OF.exec(directive) ?? [];
  const [list] = pathsIn(source, items);
  if (!name || !list) return;
  items.set(name, [...list, 0]);
  found.push([...list, 0]);
}

function pathsIn(source: string, items: ReadonlyMap<string, Step[]>): Step[][] {
  const found: Step[][] = [];
  // Texts are no paths, but those in brackets are steps of one.
  const code = source.replace(STRING, (text, at: number) => (/\[\s*$/.test(source.slice(0, at)) ? text : '""'));
  for (const [, root = "", rest = "", call] of code.matchAll(PATH)) {
    const start = items.get(root);
    if (!start) continue;
    const steps = [...rest.matchAll(STEP)].map(([, name, index, double, single]): Step =>
      index === undefined ? (name ?? double ?? single ?? "") : 0,
    );
    const last = String(steps.at(-1));
    if (call !== undefined || last === "length") steps.pop();
    found.push([...start, ...steps, ...(call !== undefined && OF_LISTS.has(last) ? [0 as const] : [])]);
  }
  return found;
}

function* textsIn(value: unknown): Iterable<string> {
  if (typeof value === "string") yield value;
  else if (Array.isArray(value)) for (const inner of value) yield* textsIn(inner);
  else if (isObject(value)) for (const inner of Object.values(value)) yield* textsIn(inner);
}

/** Put an empty value where a path leads, unless a value stands there or in its way; an item only in `lists` of ours. */
function put(root: Settings, path: readonly Step[], lists: WeakSet<object>): void {
  let at: unknown = root;
  for (const [index, step] of path.entries()) {
    const next = path[index + 1];
    const empty = next === undefined ? "" : next === 0 ? [] : {};
    if (Array.isArray(empty)) lists.add(empty);
    if (Array.isArray(at)) {
      if (step !== 0 || (at.length === 0 && !lists.has(at))) return;
      if (at.length === 0) at.push(empty);
      else if (at[0] === "" && next !== undefined) at[0] = empty;
      at = at[0];
    } else if (isObject(at)) {
      if (!Object.hasOwn(at, step) || (at[step] === "" && next !== undefined)) at[String(step)] = empty;
      at = at[String(step)];
    } else return;
  }
}
