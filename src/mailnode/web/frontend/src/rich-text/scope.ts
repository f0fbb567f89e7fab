// What an expression may begin with where it stands: the sample's paths, and the variables of the repeats around it.

export interface Loop {
  /** The name of each item. */
  item: string;
  /** The name of its number, if it has one. */
  index: string;
  /** What is repeated over, as JavaScript. */
  list: string;
}

const EACH = /^\s*([\w$]+)\s*(?:,\s*([\w$]+)\s*)?\bof\b([^]*)$/;
const NAME = /^[A-Za-z_$][\w$]*$/;
// What can't name a variable, and what already names something.
const TAKEN = new Set(
  (
    "input context undefined NaN Infinity eval arguments await break case catch class const continue debugger default " +
    "delete do else enum export extends false finally for function if implements import in instanceof interface let new " +
    "null of package private protected public return static super switch this throw true try typeof var void while with yield"
  ).split(" "),
);

/** Read `item of input.items` or `item, index of input.items`; null when it is neither. */
export function loopIn(each: string): Loop | null {
  const [, item, index = "", list = ""] = EACH.exec(each) ?? [];
  return item && list.trim() ? { item, index, list: list.trim() } : null;
}

/** Write a loop as the attribute says it. */
export function eachOf({ item, index, list }: Loop): string {
  return `${item}${index ? `, ${index}` : ""} of ${list}`;
}

/** Tell what keeps a text from naming a variable, or nothing. */
export function nameProblem(name: string): string {
  if (!NAME.test(name)) return "Enter a name of letters, digits and underscores that does not begin with a digit.";
  return TAKEN.has(name) ? `“${name}” has a meaning of its own. Choose another name.` : "";
}

/** Give the paths with those of the loops around before them, the innermost loop's first. */
export function scopedPaths(paths: string[], loops: Loop[]): string[] {
  let scoped = paths;
  for (const { item, index, list } of loops) {
    const first = `${list}[0]`;
    const items = scoped.filter((path) => path.startsWith(first)).map((path) => item + path.slice(first.length));
    const fields = items.filter((path) => /^[\w$]+(?:[.[]|$)/.test(path));
    const own = [...(fields.length ? fields : [item]), ...(index ? [index] : [])];
    scoped = [...own, ...scoped.filter((path) => !own.includes(path))];
  }
  return scoped;
}

/** Give the paths that are arrays in the sample: those that have a first item. */
export function listsIn(paths: string[]): string[] {
  return paths.filter((path) => paths.some((other) => other.startsWith(`${path}[0]`)));
}

/** Find the array that an expression is, or whose first item it takes: the innermost of the paths. */
export function listOf(expression: string, paths: string[]): string | undefined {
  return listsIn(paths)
    .filter((path) => expression === path || expression.startsWith(`${path}[0]`))
    .sort((one, other) => other.length - one.length)[0];
}

/** Name one item of a list: `item` of `input.items`, `orderLine` of `order.orderLines`. */
export function itemNameOf(list: string, taken: string[] = []): string {
  const last = /([A-Za-z_$][\w$]*)\W*$/.exec(list)?.[1] ?? "";
  const single = /ies$/.test(last) ? last.replace(/ies$/, "y") : last.replace(/(?<=[^s])s$|(?<=(?:x|ch|sh|ss))es$/, "");
  const name = single && single !== last && !nameProblem(single) ? single : "item";
  let free = name;
  for (let number = 2; taken.includes(free); number += 1) free = `${name}${number}`;
  return free;
}
