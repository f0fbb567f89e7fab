// The dialog before a run: who gets email, and whether it may go.

import { wordsOf } from "../api";
import type { ErrorDetail, Plan } from "../api-types";
import { element, find } from "../dom";
import { lineOf, questionOf } from "./question";

export type Answer = "run" | "inbox" | "show" | null;

/** Ask; gives what was chosen, null for nothing. `lead` is offered where something can't be made. */
export function askBefore(dialog: HTMLDialogElement, plan: Plan, isDirty: boolean, canLead = true): Promise<Answer> {
  const { title, yes, notes, hasReal } = questionOf(plan, isDirty);
  const problems = [...plan.errors, ...plan.emails.flatMap(({ errors }) => errors)];
  find(dialog, "[data-title]").textContent = title;
  find(dialog, "[data-plan]").replaceChildren(
    ...plan.emails
      .filter((email) => !email.errors.length)
      .map((email) => element("li", { textContent: lineOf(email) })),
  );
  find(dialog, "[data-notes]").replaceChildren(
    ...problems.map(problemOf),
    ...notes.map((note) => element("p", { textContent: note })),
  );
  find(dialog, '[data-answer="inbox"]').hidden = !hasReal;
  find(dialog, '[data-answer="show"]').hidden = !problems.length || !canLead;
  const run = find(dialog, '[data-answer="run"]');
  run.textContent = problems.length ? `${yes} anyway` : yes;
  return new Promise((resolve) => {
    const answered = (event: Event): void => {
      const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-answer]") : null;
      if (button) dialog.close(button.dataset.answer);
    };
    dialog.returnValue = "";
    dialog.addEventListener("click", answered);
    dialog.addEventListener(
      "close",
      () => {
        dialog.removeEventListener("click", answered);
        resolve((dialog.returnValue || null) as Answer);
      },
      { once: true },
    );
    dialog.showModal();
  });
}

function problemOf(error: ErrorDetail): HTMLElement {
  const where = error.node ? `${error.node}: ` : "";
  const words = element("p", { className: "words", textContent: `${where}${wordsOf(error)}` });
  return element("div", { className: "notice bad" }, words);
}
