// What comes of a flow: it is run with the sample, or one of its mails is sent as a test.

import { call, clearProblems, detailOf, Problem, showProblem } from "../api";
import type { NodeError, RunNode, Sample, TestRequest } from "../api-types";
import { find } from "../dom";
import { sentence } from "../sentence";
import type { Notice, PreviewPane } from "./preview";
import { isObject, textOf } from "./settings";

/** What a test is made of: the draft, its node (null: the first that sends mail), and a state. */
export type Tried = Omit<TestRequest, "to">;

export async function runFlow(pane: PreviewPane, name: string, sample: Sample): Promise<void> {
  const waits = [{ words: "If a server does not respond, the run waits for as long as the node allows." }];
  pane.showResult({ title: "Run", status: "running", notices: waits, details: {} });
  try {
    const run = await call("POST /api/flows/{name}/runs", { path: { name }, body: sample });
    const troubles = run.nodes.flatMap(troublesOf);
    pane.showResult({
      title: "Run",
      status: troubles.length ? "failed" : run.status,
      notices: [...troubles, ...run.output.map((words) => ({ words }))],
      details: run,
      link: { href: `/runs/${encodeURIComponent(run.run)}`, words: "Open this run" },
    });
  } catch (problem) {
    showFailure(pane, "Run", problem);
  }
}

export async function testToInbox(pane: PreviewPane, tried: Tried): Promise<void> {
  try {
    const result = await call("POST /api/preview/test", { body: { ...tried, to: "inbox" } });
    pane.showResult({
      title: "Test",
      status: result.status,
      notices: [{ words: "The email is in the inbox on this machine." }],
      details: result,
      link: { href: "/inbox", words: "Read it in the inbox" },
    });
  } catch (problem) {
    showFailure(pane, "Test", problem);
  }
}

/** The dialog that asks before a test leaves this machine. */
export function mountTestDialog(dialog: HTMLDialogElement, pane: PreviewPane, tried: () => Tried): void {
  const form = find(dialog, "form");
  const send = async (): Promise<void> => {
    const to = find<HTMLInputElement>(form, "#test-to").value.trim();
    if (!to) throw new Problem({ message: "Enter an email address.", key: "to" });
    const result = await call("POST /api/preview/test", { body: { ...tried(), to } });
    const trouble = result.error ? [noticeOf(result.error)] : [{ words: `The server accepted the email for ${to}.` }];
    pane.showResult({ title: "Test", status: result.status, notices: trouble, details: result });
    dialog.close();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearProblems(form);
    send().catch((problem: unknown) => showProblem(form, problem));
  });
}

function showFailure(pane: PreviewPane, title: string, problem: unknown): void {
  const detail = detailOf(problem);
  pane.showResult({ title, status: "failed", notices: [noticeOf(detail)], details: detail });
}

function troublesOf({ id, error, result }: RunNode): Notice[] {
  const told = error ?? (isObject(result) && isObject(result.error) ? result.error : null);
  if (!told) return [];
  const isNamed = textOf(told.message).startsWith(`node ${id}`);
  return [noticeOf(told, isNamed ? "" : `${id}: `)];
}

function noticeOf({ message, hint }: NodeError, where = ""): Notice {
  return { words: `${where}${sentence(textOf(message))}`, hint: sentence(textOf(hint)) };
}
