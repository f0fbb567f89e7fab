// Forms of pages, which are sent by a script.

import { clearProblems, showProblem } from "./api";

/** Give what a field of a form holds. */
export function text(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === "string" ? value : "";
}

/** Do some work when a form is sent; what goes wrong is shown in it. */
export function onSubmit(main: HTMLElement, name: string, work: (form: FormData) => Promise<void>): void {
  const form = main.querySelector<HTMLFormElement>(`form[data-form="${name}"]`);
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    clearProblems(form);
    work(new FormData(form)).catch((problem: unknown) => showProblem(form, problem));
  });
}
