import assert from "node:assert/strict";
import { test } from "node:test";
import { expressionsIn, innerOf } from "../src/rich-text/expression";

const WHOLE = [
  "{{ input.name }}",
  "{{{ input.html }}}",
  '{{ "}}" }}',
  "{{ {a: {b: 1}}.a.b }}",
  "{{ `a ${ {b: `}}`}.b } c` }}",
  "{{ /}}/.test(input.a) }}",
  "{{ input.a / 2 / 1 }}",
  "{{ input.a /* }} */ }}",
  "{{ 1 // one }}",
  "{{ [1, 2][0] ?? '}}' }}",
  "{{ input.return / 2 }}",
  '{{ typeof /["}]+}}/ }}',
];

test("an expression ends where JavaScript does", () => {
  for (const expression of WHOLE) {
    const text = `before ${expression} after }}`;
    const found = expressionsIn(text).map(({ start, end }) => text.slice(start, end));
    assert.deepEqual(found, [expression]);
  }
});

test("what is empty or has no end is text", () => {
  for (const text of [
    "{{ }}",
    "{{{}}}",
    "{{ input.name",
    '{{ "a }}',
    "{{ (1 }}",
    "{{ 1) }}",
    "{{ `a }}",
    "{{ /* a }}",
  ]) {
    assert.deepEqual(expressionsIn(text), [], text);
  }
});

test("all expressions of a text are found", () => {
  const text = "{{ a }}{{{ b }}} {{ }} {{ c }}";
  const inner = expressionsIn(text).map(({ start, end }) => innerOf(text.slice(start, end)));
  assert.deepEqual(inner, ["a", "b", "c"]);
});
