import assert from "node:assert/strict";
import { test } from "node:test";
import type { FlowContent, FlowNodeContent, Sample } from "../src/api-types";
import { placesNamed, withSkeleton } from "../src/editor/sample-skeleton";

const NOTHING: Sample = { input: {}, context: {} };
const flow = (...nodes: Partial<FlowNodeContent>[]): FlowContent => ({
  version: 1,
  name: "test",
  nodes: nodes.map((node, index) => ({ id: `n${index}`, type: "sendSmtpEmail", settings: {}, ...node })),
});
const mail = (content: string, others: Record<string, unknown> = {}): FlowContent =>
  flow({ settings: { content, ...others } });

test("each value that an expression names has a place", () => {
  const cases: [string, object][] = [
    ["{{ input.name }}", { name: "" }],
    ["{{{ input.html }}} {{ input.order.id }} {{ input.order.day }}", { html: "", order: { id: "", day: "" } }],
    ["{{ input.name.toUpperCase() }} {{ input.name.length }}", { name: "" }],
    ["{{ input?.a?.b }} {{ input['two words'].c }}", { a: { b: "" }, "two words": { c: "" } }],
    ["{{ input.items[0].name }} {{ input.items[1].price }}", { items: [{ name: "", price: "" }] }],
    ["{{ input.items.map(x => x.name) }}", { items: [""] }],
    ["{{ 'input.no' + \"input.no\" }} input.no {{ my.input.no }} {{ inputs.no }}", {}],
    ["{{ input.a }} {{ input.a.b }}", { a: { b: "" } }],
    ["{{ input.__proto__.polluted }}", {}],
  ];
  for (const [content, input] of cases) {
    assert.deepEqual(withSkeleton(NOTHING, mail(content)), { input, context: {} }, content);
  }
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

test("a repeated element and an attachment's forEach have an item with its fields", () => {
  const rows = '<tr data-each="item, index of input.items"><td data-if="item.vip">{{ item.name }}</td></tr>';
  assert.deepEqual(withSkeleton(NOTHING, mail(rows)).input, { items: [{ name: "", vip: "" }] });
  const nested = '<ul data-each="a of input.as"><li data-each="b of a.bs">{{ b.x }} {{ a.y }}</li></ul>';
  assert.deepEqual(withSkeleton(NOTHING, mail(nested)).input, { as: [{ bs: [{ x: "" }], y: "" }] });
  const files = { attachments: [{ forEach: "{{ input.files }}", filename: "{{ item.name }}" }] };
  assert.deepEqual(withSkeleton(NOTHING, mail("", files)).input, { files: [{ name: "" }] });
});

test("what is there stays, and what a node writes has a place for the preview of the next one", () => {
  const given = { input: { items: [], a: "x", b: { c: 1 } }, context: {} };
  const content = "{{ input.items[0].name }} {{ input.a.z }} {{ input.b.c }} {{ input.b.d }} {{ context.order.total }}";
  const made = flow(
    { type: "setContext", settings: { key: "order.total", value: "{{ input.sum }}" } },
    { settings: { content } },
  );
  assert.deepEqual(withSkeleton(given, made), {
    input: { items: [], a: "x", b: { c: 1, d: "" }, sum: "" },
    context: { order: { total: "" } },
  });
});

test("single values are named once, conditions too, and lists are not among them", () => {
  const node = {
    when: "{{ input.paid }}",
    settings: { content: "{{ input.a.b }} {{ input.a.b }} {{ input.l[0].x }}" },
  };
  assert.deepEqual(placesNamed(flow(node)), [
    ["input", "a", "b"],
    ["input", "paid"],
  ]);
});
