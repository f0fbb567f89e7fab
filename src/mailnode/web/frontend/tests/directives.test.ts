import "./dom";
import assert from "node:assert/strict";
import { test } from "node:test";
import { lossOf } from "../src/rich-text/html-loss";
import { eachOf, itemNameOf, listOf, listsIn, loopIn, nameProblem, scopedPaths } from "../src/rich-text/scope";
import { roundTrip } from "./schema";

/** The same numbers each time: a generator of 32 bits (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const LISTS = [
  "item of input.items",
  "line, index of item.lines",
  "x of [1, 2].map((n) => n + 1)",
  'y of input["a b"]',
];
const CONDITIONS = ["input.vip", "input.total > 100 && !item.gone", 'item.name === "Tea & Cup"', "index % 2"];

/** Makes HTML of every kind of element, any of which may be repeated or shown on a condition. */
class Writer {
  readonly elements = new Set<string>();
  private isInLink = false;

  constructor(private readonly below: (limit: number) => number) {}

  document(): string {
    return this.blocks(3, 1 + this.below(4));
  }

  private pick<T>(...choices: [T, ...T[]]): T {
    return choices[this.below(choices.length)] ?? choices[0];
  }

  private blocks(depth: number, count = 1 + this.below(3)): string {
    return Array.from({ length: count }, () => this.block(depth)).join(this.pick("", "\n"));
  }

  private open(name: string, fixed = ""): string {
    const said = this.below(5);
    const each = `data-each="${escaped(this.pick(...(LISTS as [string])))}"`;
    const condition = `data-if="${escaped(this.pick(...(CONDITIONS as [string])))}"`;
    const words = [each, condition, `${each} ${condition}`, "data-else", ""][said] ?? "";
    if (words) this.elements.add(name);
    return `<${[name, words, fixed].filter(Boolean).join(" ")}>`;
  }

  private block(depth: number): string {
    const kinds = ["p", "h1", "h4", "hr", "pre", "line"];
    if (depth > 0) kinds.push("div", "section", "blockquote", "ul", "ol", "table", "loose");
    const kind = this.pick(...(kinds as [string]));
    if (kind === "hr") return this.open("hr");
    if (kind === "line") return `${this.open("div", 'style="margin: 0"')}${this.inline(2)}</div>`;
    if (kind === "ul" || kind === "ol") return `${this.open(kind)}${this.items(depth)}</${kind}>`;
    if (kind === "table") return `${this.open("table", 'width="100%"')}${this.rows(depth)}</table>`;
    if (kind === "loose") return `<div>loose {{ input.text }}${this.block(depth - 1)}</div>`;
    if (/^(?:div|section|blockquote)$/.test(kind))
      return `${this.open(kind)}${this.blocks(depth - 1)}<p>end</p></${kind}>`;
    return `${this.open(kind)}${this.inline(2)}</${kind}>`;
  }

  private items(depth: number): string {
    const one = (): string =>
      `${this.open("li")}${this.inline(1)}${this.below(3) ? "" : `<ul>${this.open("li")}x</li></ul>`}</li>`;
    return Array.from({ length: 1 + this.below(depth + 1) }, one).join("");
  }

  private rows(depth: number): string {
    const cell = (name: string): string =>
      `${this.open(name)}${this.below(3) ? this.inline(1) : this.blocks(depth - 1)}</${name}>`;
    const row = (name: string): string => `${this.open("tr")}${cell(name)}${cell(name)}</tr>`;
    const body = (): string => `${this.open("tbody")}${row("td")}${row("td")}</tbody>`;
    return this.pick(row("td") + row("td"), `<thead>${row("th")}</thead>${body()}`, body() + body());
  }

  private inline(depth: number): string {
    const kind = depth ? this.pick("text", "chip", "img", "br", "span", "strong", "a", "sub", "text") : "text";
    if (kind === "a" && this.isInLink) return "no link in a link";
    const rest = this.below(3) ? "" : this.inline(depth && depth - 1);
    if (kind === "text") return `some words${rest}`;
    if (kind === "chip") return `{{ item.name &amp;&amp; 1 }}${rest}`;
    if (kind === "img") return `${this.open("img", 'src="cid:logo" alt="Logo"')}${rest}`;
    if (kind === "br") return `a${this.open("br")}b${rest}`;
    const fixed = kind === "a" ? 'href="https://example.com/{{ item.id }}"' : "";
    this.isInLink ||= kind === "a";
    const made = `${this.open(kind, fixed)}${this.inline(depth - 1)}</${kind}>${rest}`;
    if (kind === "a") this.isInLink = false;
    return made;
  }
}

function escaped(value: string): string {
  return value.replace(/&/g, "&amp;").replace(/"/g, "&quot;");
}

/** Every directive of a text, in its order. */
function directivesOf(html: string): string[] {
  const { body } = new DOMParser().parseFromString(html, "text/html");
  return [...body.querySelectorAll("*")].flatMap((element) => {
    const said = [...element.attributes].filter(({ name }) => /^data-(?:each|if|else)$/.test(name));
    return said.map(({ name, value }) => `${name}=${value}`).sort();
  });
}

test("every element keeps what it is repeated for and shown on, through HTML and back", () => {
  const elements = new Set<string>();
  for (let seed = 1; seed <= 150; seed += 1) {
    const writer = new Writer(numbers(seed));
    const html = writer.document();
    const stored = roundTrip(html);
    assert.deepEqual(directivesOf(stored), directivesOf(html), `${seed}: ${html}\n${stored}`);
    assert.deepEqual(lossOf(html, stored), [], `${seed}: ${html}\n${stored}`);
    assert.equal(roundTrip(stored), stored, `${seed}: ${html}`);
    for (const name of writer.elements) elements.add(name);
  }
  const all = "a blockquote br div h1 h4 hr img li ol p pre section span strong sub table tbody td th tr ul";
  assert.deepEqual([...elements].sort(), all.split(" "));
});

test("two repeats within a line stay two, and one that holds several formats stays one", () => {
  const kept = [
    '<p><span data-each="x of a">{{ x }}</span><span data-each="x of a">{{ x }}</span></p>',
    '<p><span data-if="a">one <strong>two</strong> three</span></p>',
    '<p><span data-if="a">yes</span> <span data-else="">no</span></p>',
    '<p><span data-each="x of a"><span data-if="x.b">{{ x.c }}</span></span></p>',
  ];
  for (const html of kept) assert.equal(roundTrip(html), html);
  const wrapped = '<p><b><i data-if="a">yes</i> <i data-else>no</i></b></p>';
  const stored = roundTrip(wrapped);
  assert.match(stored, /<\/span> <span data-else="">/);
  assert.deepEqual(directivesOf(stored), directivesOf(wrapped));
});

test("a loop is read as it is written", () => {
  assert.deepEqual(loopIn("item of input.items"), { item: "item", index: "", list: "input.items" });
  assert.deepEqual(loopIn(" a , i of b.of "), { item: "a", index: "i", list: "b.of" });
  for (const wrong of ["", "item", "item in items", "of x", "item of "]) assert.equal(loopIn(wrong), null, wrong);
  assert.equal(eachOf({ item: "a", index: "i", list: "b" }), "a, i of b");
  assert.equal(nameProblem("item"), "");
  for (const taken of ["input", "context", "class", "2x", "a-b", ""]) assert.notEqual(nameProblem(taken), "", taken);
});

test("an item's name is that of its list in the singular, and free", () => {
  const names = { "input.items": "item", "order.lines": "line", "input.categories": "category", "a.boxes": "box" };
  for (const [list, name] of Object.entries(names)) assert.equal(itemNameOf(list), name);
  for (const list of ["input.address", "input.data", "input.classes[0]", "f(x)"])
    assert.equal(nameProblem(itemNameOf(list)), "", list);
  assert.equal(itemNameOf("input.items", ["item"]), "item2");
});

const PATHS = [
  "input.name",
  "input.orders",
  "input.orders[0].id",
  "input.orders[0].lines",
  "input.orders[0].lines[0].sku",
  "input.tags",
  "input.tags[0]",
];

test("completion knows the variables of the repeats around", () => {
  const outer = { item: "order", index: "", list: "input.orders" };
  assert.deepEqual(scopedPaths(PATHS, [outer]).slice(0, 4), [
    "order.id",
    "order.lines",
    "order.lines[0].sku",
    "input.name",
  ]);
  const inner = { item: "line", index: "n", list: "order.lines" };
  assert.deepEqual(scopedPaths(PATHS, [outer, inner]).slice(0, 3), ["line.sku", "n", "order.id"]);
  assert.deepEqual(scopedPaths(PATHS, [{ item: "tag", index: "", list: "input.tags" }])[0], "tag");
  assert.deepEqual(scopedPaths(PATHS, [{ item: "x", index: "", list: "f()" }])[0], "x");
  assert.deepEqual(listsIn(PATHS), ["input.orders", "input.orders[0].lines", "input.tags"]);
  assert.equal(listOf("input.orders", PATHS), "input.orders");
  assert.equal(listOf("input.orders[0].lines[0].sku", PATHS), "input.orders[0].lines");
  assert.equal(listOf("input.name", PATHS), undefined);
});
