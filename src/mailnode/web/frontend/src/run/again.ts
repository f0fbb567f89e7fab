// A run is run again, with what it began with or what a person makes of it.

import { at } from "../base-path";
import { call, clearProblems, Problem, showProblem, toast } from "../api";
import type { Draft, Plan, Sample } from "../api-types";
import { find, on } from "../dom";
import { jsonObject } from "../json";
import { askBefore } from "./dialog";

/** The button *Run again…* of a run's page, and its dialogs. */
export function mountAgain(opener: HTMLElement): void {
  const dialog = find<HTMLDialogElement>(document, "dialog#again-dialog");
  const form = find(dialog, "form");
  on(opener, "click", async () => {
    clearProblems(form);
    try {
      await fill(dialog);
      dialog.showModal();
    } catch (problem) {
      toast(problem instanceof Error ? problem.message : String(problem));
    }
  });
  on(form, "submit", async (event) => {
    event.preventDefault();
    clearProblems(form);
    const submit = find<HTMLButtonElement>(form, "[type=submit]");
    submit.disabled = true;
    try {
      await ask(dialog);
    } catch (problem) {
      if (!dialog.open) dialog.showModal();
      showProblem(form, problem);
    } finally {
      submit.disabled = false;
    }
  });
}

async function fill(dialog: HTMLDialogElement): Promise<void> {
  const { startedWith } = await call("GET /api/runs/{run_id}", { path: { run_id: dialog.dataset.run ?? "" } });
  find(dialog, "[data-unknown]").hidden = startedWith !== null;
  for (const key of ["input", "context"] as const) {
    find<HTMLTextAreaElement>(dialog, `#again-${key}`).value = JSON.stringify(startedWith?.[key] ?? {}, null, 2);
  }
}

async function ask(dialog: HTMLDialogElement): Promise<void> {
  const name = dialog.dataset.flow ?? "";
  const state = { input: stateOf(dialog, "input"), context: stateOf(dialog, "context") };
  const { text, format } = await call("GET /api/flows/{name}", { path: { name } });
  const draft: Draft = { text, format, document: null };
  const plan = await call("POST /api/preview/plan", { body: { ...draft, ...state, node: null } });
  const [error] = plan.errors;
  if (error && !plan.emails.length) throw new Problem({ ...error, key: "" });
  dialog.close();
  await answered(dialog, plan, draft, { name, state });
}

async function answered(
  dialog: HTMLDialogElement,
  plan: Plan,
  draft: Draft,
  { name, state }: { name: string; state: Sample },
): Promise<void> {
  const answer = await askBefore(find(document, "dialog#run-dialog"), plan, false, false);
  if (answer === "inbox") {
    await call("POST /api/preview/inbox", { body: { ...draft, ...state, node: null } });
    location.assign(at("/inbox"));
  } else if (answer === "run") {
    const run = await call("POST /api/flows/{name}/runs", { path: { name }, body: state });
    location.assign(at(`/runs/${encodeURIComponent(run.run)}`));
  } else {
    dialog.showModal();
  }
}

function stateOf(dialog: HTMLDialogElement, key: keyof Sample): Record<string, unknown> {
  const parsed = jsonObject(find<HTMLTextAreaElement>(dialog, `#again-${key}`).value);
  if (parsed) return parsed;
  throw new Problem({ message: 'Enter a JSON object, such as {"email": "jane@example.org"}.', key });
}
