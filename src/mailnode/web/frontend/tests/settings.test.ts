import assert from "node:assert/strict";
import { test } from "node:test";
import { isSame, pathsOf, read, type Settings, textOf, write } from "../src/editor/settings";

test("a dotted key is read, and what is not there is undefined", () => {
  const settings = { to: "a@b.c", smtp: { host: "mx", port: 25 }, list: [1] };
  assert.equal(read(settings, "to"), "a@b.c");
  assert.equal(read(settings, "smtp.port"), 25);
  for (const key of ["smtp.none", "none.host", "to.host", "list.0"]) assert.equal(read(settings, key), undefined, key);
});

test("a dotted key is written, and an empty group goes with its last value", () => {
  const settings: Settings = { to: "a@b.c" };
  write(settings, "smtp.host", "mx");
  write(settings, "smtp.port", 25);
  assert.deepEqual(settings, { to: "a@b.c", smtp: { host: "mx", port: 25 } });
  write(settings, "smtp.host", undefined);
  assert.deepEqual(settings, { to: "a@b.c", smtp: { port: 25 } });
  write(settings, "smtp.port", undefined);
  write(settings, "to", undefined);
  assert.deepEqual(settings, {});
});

test("a value that stands where a group is wanted gives way to it", () => {
  const settings: Settings = { smtp: "mx" };
  write(settings, "smtp.host", "mx");
  assert.deepEqual(settings, { smtp: { host: "mx" } });
});

test("a field shows a list by commas, other values as JSON, and nothing as empty", () => {
  const shown: [unknown, string][] = [
    ["a", "a"],
    [undefined, ""],
    [null, ""],
    [0, "0"],
    [false, "false"],
    [["a@b.c", "d@e.f"], "a@b.c, d@e.f"],
    [{ a: 1 }, '{"a":1}'],
  ];
  for (const [value, text] of shown) assert.equal(textOf(value), text);
});

test("values are the same when their JSON is", () => {
  assert.ok(isSame({ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }));
  assert.ok(!isSame({ a: 1 }, { a: "1" }));
  assert.ok(isSame(undefined, undefined));
});

test("paths lead to each value of a state, but not to an object as a whole", () => {
  const input = { email: "a@b.c", "first name": "Jane", items: [{ name: "Tea" }, { name: "Cup" }], none: [] };
  assert.deepEqual(pathsOf({ input, context: { order: { id: 7 } } }), [
    "input.email",
    'input["first name"]',
    "input.items",
    "input.items[0].name",
    "input.none",
    "context.order.id",
  ]);
});

test("paths of a deep and of a wide state have an end", () => {
  let deep: Settings = { end: 1 };
  for (let level = 0; level < 50; level += 1) deep = { a: deep };
  assert.deepEqual(pathsOf({ input: deep, context: {} }), []);
  const wide = Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [`key${index}`, { a: 1, b: 2 }]));
  assert.ok(pathsOf({ input: wide, context: {} }).length < 600);
});
