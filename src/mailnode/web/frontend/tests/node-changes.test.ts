import assert from "node:assert/strict";
import { test } from "node:test";
import { copyOf, freshId, insertion, move, type NodeChange, NodeHistory, removal } from "../src/editor/node-changes";

const node = (id: string): { id: string; type: string; settings: Record<string, unknown> } => ({
  id,
  type: "say",
  settings: { text: id },
});
const ids = (nodes: { id: string }[]): string => nodes.map(({ id }) => id).join("");

test("each change has its way back and forth again, whatever is written into other nodes meanwhile", () => {
  const nodes = ["a", "b", "c"].map(node);
  const changes: [NodeChange | null, string][] = [
    [removal(nodes, "b"), "ac"],
    [insertion(node("x"), 1), "axbc"],
    [move(nodes, "a", 2), "bca"],
    [move(nodes, "c", 0), "cab"],
  ];
  for (const [change, after] of changes) {
    assert.ok(change);
    const history = new NodeHistory();
    let now = history.do(change, nodes);
    assert.equal(ids(now), after);
    now = now.map((one) => (one.id === "c" ? { ...one, settings: { text: "written" } } : one));
    now = history.undo(now);
    assert.equal(ids(now), "abc");
    assert.deepEqual(now[2]?.settings, { text: "written" });
    assert.equal(ids(history.redo(now)), after);
    assert.deepEqual([history.canUndo, history.canRedo], [true, false]);
  }
});

test("what is removed comes back as it was last, and the last node stays", () => {
  const history = new NodeHistory();
  let nodes = history.do(insertion(node("b"), 1), [node("a")]);
  nodes = nodes.map((one) => ({ ...one, label: `${one.id}!` }));
  assert.equal(ids((nodes = history.undo(nodes))), "a");
  assert.equal(history.redo(nodes)[1]?.label, "b!");
  assert.equal(removal([node("a")], "a"), null);
  assert.equal(removal([node("a"), node("b")], "c"), null);
  for (const to of [-1, 0, 2]) assert.equal(move([node("a"), node("b")], "a", to), null);
});

test("a new change ends what could be done again", () => {
  const history = new NodeHistory();
  let nodes = history.undo(history.do(insertion(node("b"), 1), [node("a")]));
  nodes = history.do(insertion(node("c"), 0), nodes);
  assert.equal(history.canRedo, false);
  assert.equal(ids(history.redo(nodes)), "ca");
});

test("a copy has an id and a label of its own, and shares no settings", () => {
  const nodes = [{ ...node("mail"), label: "Mail" }, node("mail-2")];
  const copy = copyOf(nodes[1] ?? node(""), nodes);
  assert.deepEqual([copy.id, copy.label], ["mail-3", undefined]);
  copy.settings.text = "other";
  assert.deepEqual(nodes[1]?.settings, { text: "mail-2" });
  assert.equal(copyOf(nodes[0] ?? node(""), nodes).label, "Mail (copy)");
  assert.equal(freshId("x".repeat(64), [node("x".repeat(64))]).length, 62);
});
