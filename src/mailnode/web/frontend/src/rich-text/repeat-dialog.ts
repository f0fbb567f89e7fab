// Repeat for each… and Show only if…: the two dialogs.

import type { Editor } from "@tiptap/core";
import { closeHistory } from "@tiptap/pm/history";
import type { Transaction } from "@tiptap/pm/state";
import { toast } from "../api";
import { expressionIn, lastChip } from "./chip";
import { directivesOf, loopsHere } from "./directives";
import { encodeEntities } from "./expression-marks";
import { expressionEnd, innerOf } from "./expression";
import { ask, type Answer, type Asked } from "./question-dialog";
import { eachOf, itemNameOf, listOf, listsIn, type Loop, loopIn, nameProblem, scopedPaths } from "./scope";
import { type Target, targetsHere, usualTarget } from "./targets";

type Paths = () => string[];

const NOWHERE = "Put the cursor into a line of text, a table row or a list item first.";
const INCOMPLETE = "This is not a complete expression. Check its quotes and brackets.";

function isWhole(expression: string): boolean {
  return expression !== "" && expressionEnd(` ${expression} }}`, 0, "}}") === expression.length + 2;
}

/** Tell which list the chip before the cursor is, or takes the first item of; and what would be repeated. */
export function listToRepeat(editor: Editor, paths: Paths): { list: string; what: string } | null {
  const chip = lastChip(editor.state);
  if (!chip) return null;
  const list = listOf(innerOf(expressionIn(chip)), scopedPaths(paths(), loopsHere(editor.state)));
  const targets = targetsHere(editor).filter(({ name }) => !name.startsWith("The selected"));
  const target = targets[usualTarget(targets, () => false, false)];
  if (!list || !target || targets.some(({ said }) => said.each !== null && loopIn(said.each)?.list === list))
    return null;
  return { list, what: target.name.replace(/^\w/, (letter) => letter.toLowerCase()) };
}

/** Ask what is repeated, for each item of which list. */
export async function editRepeat(editor: Editor, paths: Paths, at?: number): Promise<void> {
  const targets = targetsHere(editor);
  const usual = targetAt(targets, at) ?? usualTarget(targets, ({ each }) => each !== null, false);
  const target = targets[usual];
  if (!target) {
    toast(NOWHERE);
    return;
  }
  const within = scopedPaths(paths(), target.loops);
  const chipsList = listToRepeat(editor, paths)?.list;
  const lists = listsIn(within);
  const before = loopIn(target.said.each ?? "");
  const list = before?.list ?? target.said.each ?? chipsList ?? (lists.length === 1 ? (lists[0] ?? "") : "");
  const taken = target.loops.flatMap(({ item, index }) => [item, index]);
  const answer = await ask(
    {
      title: "Repeat for each item of a list",
      fields: [
        whatField(targets, usual, "Repeat"),
        {
          name: "list",
          label: "For each item of",
          value: list,
          hint: "A list, such as input.items.",
          completes: "bare",
          paths: () => lists,
        },
        {
          name: "item",
          label: "Name of one item",
          value: before?.item ?? itemNameOf(list, taken),
          hint: "In expressions it stands for the item: item.name is its name.",
        },
        { name: "index", label: "Name of its number, from 0 (if you need it)", value: before?.index ?? "" },
      ],
      confirm: "Apply",
      ...(target.said.each === null ? {} : { remove: "Don't repeat" }),
      check: ({ values }) => repeatProblem(values),
      started: (form) => followList(form, before?.item, taken),
    },
    paths,
  );
  applied(editor, answer, targets, ({ values }, chosen, tr) => {
    const { list: given = "", item = "", index = "" } = values;
    const loop = { item, index, list: given };
    takeItems(tr, chosen, loop, within);
    return { ...chosen.said, each: answer?.isRemoved ? null : eachOf(loop) };
  });
}

/** Ask on what condition something is shown. */
export async function editCondition(editor: Editor, paths: Paths, at?: number): Promise<void> {
  const targets = targetsHere(editor);
  const usual = targetAt(targets, at) ?? usualTarget(targets, (said) => said.if !== null || said.else !== null, true);
  const target = targets[usual];
  if (!target) {
    toast(NOWHERE);
    return;
  }
  const own = loopIn(target.said.each ?? "");
  const isSet = target.said.if !== null || target.said.else !== null;
  const answer = await ask(
    {
      title: "Show only if…",
      fields: [
        whatField(targets, usual, "Show"),
        {
          name: "case",
          label: "When",
          value: target.said.else === null ? "if" : target.said.if === null ? "else" : "elseIf",
          choices: [
            ["if", "Only if the condition is true"],
            ["else", "Otherwise: when what stands directly before it is not shown"],
            ["elseIf", "Otherwise, and only if the condition is true"],
          ],
        },
        {
          name: "condition",
          label: "Condition (JavaScript)",
          value: target.said.if ?? "",
          hint: 'Such as input.vip, input.total > 100 or input.country === "FR".',
          completes: "bare",
          paths: () => scopedPaths(paths(), own ? [...target.loops, own] : target.loops),
        },
      ],
      confirm: "Apply",
      ...(isSet ? { remove: "Always show" } : {}),
      check: ({ values }) => conditionProblem(values, targets),
      started: showCondition,
    },
    paths,
  );
  applied(editor, answer, targets, ({ values, isRemoved }, chosen) => {
    if (isRemoved) return { ...chosen.said, if: null, else: null };
    const condition = values.case === "else" ? null : (values.condition ?? "");
    return { ...chosen.said, if: condition, else: values.case === "if" ? null : "" };
  });
}

/** Find the target that begins at a position, whose label was clicked. */
function targetAt(targets: Target[], at: number | undefined): number | undefined {
  const index = targets.findIndex(({ range }) => range.from === at);
  return index >= 0 ? index : undefined;
}

function whatField(targets: Target[], usual: number, label: string): Asked {
  const choices = targets.map(({ name }, index): [string, string] => [String(index), name]);
  return { name: "what", label, value: String(usual), choices };
}

function applied(
  editor: Editor,
  answer: Answer | null,
  targets: Target[],
  saidBy: (answer: Answer, chosen: Target, tr: Transaction) => Target["said"],
): void {
  const chosen = targets[Number(answer?.values.what)];
  if (answer && chosen) {
    const tr = closeHistory(editor.state.tr);
    const said = saidBy(answer, chosen, tr);
    chosen.set(tr, said);
    editor.view.dispatch(tr);
  }
  editor.commands.focus();
}

function repeatProblem({ list = "", item = "", index = "" }: Answer["values"]): [string, string] | null {
  if (!list) return ["list", "Enter a list, such as input.items."];
  if (!isWhole(list)) return ["list", INCOMPLETE];
  const problem = nameProblem(item);
  if (problem) return ["item", problem];
  if (index && nameProblem(index)) return ["index", nameProblem(index)];
  return index === item ? ["index", "The item and its number need different names."] : null;
}

function conditionProblem(
  { what = "", condition = "", case: kind }: Answer["values"],
  targets: Target[],
): [string, string] | null {
  if (kind !== "if" && !targets[Number(what)]?.mayBeElse)
    return ["case", "Directly before it stands nothing that is shown only if a condition is true, or repeated."];
  if (kind === "else" || isWhole(condition)) return null;
  return ["condition", condition ? INCOMPLETE : "Enter a condition."];
}

/** The item's name follows the list until the reader gives it one. */
function followList(form: HTMLFormElement, before: string | undefined, taken: string[]): void {
  const [list, item] = [field(form, "list"), field(form, "item")];
  let isOwn = before !== undefined;
  item.addEventListener("input", () => (isOwn = true));
  list.addEventListener("input", () => {
    if (!isOwn) item.value = itemNameOf(list.value, taken);
  });
}

function showCondition(form: HTMLFormElement): void {
  const show = (): void => {
    const condition = field(form, "condition").closest<HTMLElement>(".field");
    if (condition) condition.hidden = field(form, "case").value === "else";
  };
  field(form, "case").addEventListener("change", show);
  show();
}

function field(form: HTMLFormElement, name: string): HTMLInputElement | HTMLSelectElement {
  return form.elements.namedItem(name) as HTMLInputElement | HTMLSelectElement;
}

/** Chips that took the first item of the list, or the list itself, take each item. */
function takeItems(tr: Transaction, { said, range }: Target, { item, index, list }: Loop, paths: string[]): void {
  if (said.each !== null || !list) return;
  const [first] = scopedPaths(paths, [{ item, index, list }]);
  tr.doc.nodesBetween(range.from, range.to, (node, position) => {
    if (node.type.name !== "expression" || position < range.from || directivesOf(node).each) return;
    const expression = expressionIn(node);
    const braces = expression.startsWith("{{{") ? 3 : 2;
    const inner = innerOf(expression);
    const taken = inner === list ? (first ?? item) : inner.split(`${list}[0]`).join(item);
    if (taken === inner) return;
    const written = `${"{".repeat(braces)} ${taken} ${"}".repeat(braces)}`;
    tr.setNodeMarkup(position, undefined, { written: encodeEntities(written) });
  });
}
