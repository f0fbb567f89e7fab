// What comes of a flow: it is run with the sample, or one of its mails is sent as a test.

import { call, clearProblems, Problem, showProblem, toldBy } from "../api";
import { type Draft, isObject, type Sample, type Settings } from "./model";
import type { PreviewPane } from "./preview";

interface RunTold {
  run: string;
  status: string;
  output: string[];
  nodes: { id: string; status: string; result?: unknown; error?: { message: string; hint: string } }[];
}

/** What a test is made of: the draft, its node (null: the first that sends mail), and a state. */
export type Tried = Draft & Sample & { node: string | null };

export async function runFlow(pane: PreviewPane, name: string, sample: Sample): Promise<void> {
  pane.showResult(
    "Run",
    "running",
    [{ words: "A server that does not answer is tried for as long as the node says." }],
    {},
  );
  try {
    const run = await call<RunTold>("POST", `/api/flows/${encodeURIComponent(name)}/runs`, sample);
    const troubles = run.nodes.flatMap(troublesOf);
    const lines = [...troubles, ...run.output.map((words) => ({ words }))];
    const link = `/runs/${encodeURIComponent(run.run)}`;
    pane.showResult("Run", troubles.length ? "failed" : run.status, lines, run, link);
  } catch (problem) {
    showFailure(pane, "Run", problem);
  }
}

export async function testToInbox(pane: PreviewPane, tried: Tried): Promise<void> {
  try {
    const result = await call<Settings>("POST", "/api/preview/test", { ...tried, to: "inbox" });
    pane.showResult("Test", String(result.status), [{ words: "The inbox on this machine has it." }], result, "/inbox");
  } catch (problem) {
    showFailure(pane, "Test", problem);
  }
}

/** The dialog that asks before a test leaves this machine. */
export function mountTestDialog(dialog: HTMLDialogElement, pane: PreviewPane, tried: () => Tried): void {
  const form = dialog.querySelector("form")!;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearProblems(form);
    const to = form.querySelector<HTMLInputElement>("#test-to")!.value.trim();
    try {
      if (!to) throw new Problem({ message: "an address is wanted", key: "to" }, 422);
      const result = await call<Settings>("POST", "/api/preview/test", { ...tried(), to });
      const troubles = troublesOf({ id: "", status: "", result });
      const lines = troubles.length ? troubles : [{ words: `${to} was accepted.` }];
      pane.showResult("Test", String(result.status), lines, result);
      dialog.close();
    } catch (problem) {
      showProblem(form, problem);
    }
  });
}

function showFailure(pane: PreviewPane, title: string, problem: unknown): void {
  const told = toldBy(problem);
  pane.showResult(title, "failed", [{ words: told.message, hint: told.hint }], told);
}

function troublesOf(node: RunTold["nodes"][number]): { words: string; hint: string }[] {
  const told = node.error ?? (isObject(node.result) && isObject(node.result.error) ? node.result.error : null);
  const where = node.id ? `${node.id}: ` : "";
  return told ? [{ words: `${where}${String(told.message)}`, hint: String(told.hint) }] : [];
}
