// What is done to the nodes of a flow as a whole, each change with its way back. Nodes are found by their ids, so that
// what was written into others meanwhile stays.

import type { FlowNodeContent } from "../api-types";

type Nodes = FlowNodeContent[];

/** A change in words, and how it is done (again) and undone. */
export interface NodeChange {
  words: string;
  redo: (nodes: Nodes) => Nodes;
  undo: (nodes: Nodes) => Nodes;
}

export function insertion(node: FlowNodeContent, index: number): NodeChange {
  let at = index;
  let kept = node;
  return {
    words: `Added ${nameOf(node)}.`,
    redo: (nodes) => nodes.toSpliced(at, 0, kept),
    undo: (nodes) => {
      const found = nodes.findIndex((one) => one.id === node.id);
      const there = nodes[found];
      // A flow has at least one node.
      if (!there || nodes.length < 2) return nodes;
      [at, kept] = [found, there];
      return nodes.toSpliced(found, 1);
    },
  };
}

export function removal(nodes: Nodes, id: string): NodeChange | null {
  const index = nodes.findIndex((one) => one.id === id);
  const node = nodes[index];
  if (!node || nodes.length < 2) return null;
  const { redo, undo } = insertion(node, index);
  return { words: `Removed ${nameOf(node)}.`, redo: undo, undo: redo };
}

export function move(nodes: Nodes, id: string, to: number): NodeChange | null {
  const from = nodes.findIndex((one) => one.id === id);
  const node = nodes[from];
  if (!node || from === to || to < 0 || to >= nodes.length) return null;
  return { words: `Moved ${nameOf(node)}.`, redo: (now) => moved(now, id, to), undo: (now) => moved(now, id, from) };
}

function moved(nodes: Nodes, id: string, to: number): Nodes {
  const node = nodes.find((one) => one.id === id);
  return node ? nodes.filter((one) => one !== node).toSpliced(to, 0, node) : nodes;
}

/** Make a copy of a node with an id and a label that tell it from the others. */
export function copyOf(node: FlowNodeContent, nodes: Nodes): FlowNodeContent {
  const copy = structuredClone(node);
  copy.id = freshId(node.id.replace(/-\d+$/, ""), nodes);
  if (copy.label !== undefined) copy.label = `${copy.label} (copy)`;
  return copy;
}

/** Give an id that no node has: the base itself, or with the first free number. */
export function freshId(base: string, nodes: Nodes): string {
  const ids = new Set(nodes.map((node) => node.id));
  let id = base;
  for (let number = 2; ids.has(id); number += 1) id = `${base.slice(0, 60)}-${number}`;
  return id;
}

export function nameOf({ id, label }: FlowNodeContent): string {
  return label ?? id;
}

/** The changes that were done, and those that were undone since. */
export class NodeHistory {
  private done: NodeChange[] = [];
  private undone: NodeChange[] = [];

  get canUndo(): boolean {
    return this.done.length > 0;
  }

  get canRedo(): boolean {
    return this.undone.length > 0;
  }

  do(change: NodeChange, nodes: Nodes): Nodes {
    this.done.push(change);
    this.undone = [];
    return change.redo(nodes);
  }

  undo(nodes: Nodes): Nodes {
    const change = this.done.pop();
    if (!change) return nodes;
    this.undone.push(change);
    return change.undo(nodes);
  }

  redo(nodes: Nodes): Nodes {
    const change = this.undone.pop();
    if (!change) return nodes;
    this.done.push(change);
    return change.redo(nodes);
  }
}
