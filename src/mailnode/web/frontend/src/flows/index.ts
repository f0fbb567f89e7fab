// The list of flows: its dialogs make, import and delete them.

import { call, clearProblems, showProblem } from "../api";
import type { Flow } from "../api-types";
import { nameOf } from "./name";

export function mountFlows(main: HTMLElement): void {
  showName(main);
  onSubmit(main, "new-flow", async (form) => {
    open(
      await call("POST /api/flows", {
        body: { name: nameOf(text(form, "name")), copyOf: text(form, "copyOf") || null },
      }),
    );
  });
  onSubmit(main, "import-flow", async (form) => {
    const file = form.get("file") as File;
    const format = file.name.endsWith(".json") ? "json" : "yaml";
    open(await call("POST /api/flows", { body: { text: await file.text(), format } }));
  });
  onSubmit(main, "delete-flow", async (form) => {
    await call("DELETE /api/flows/{name}", { path: { name: text(form, "name") } });
    location.reload();
  });
}

/** Say which name a flow will have before it counts. */
function showName(main: HTMLElement): void {
  const field = main.querySelector<HTMLInputElement>("#new-flow-name");
  const hint = main.querySelector<HTMLElement>("#new-flow-name-hint");
  if (!field || !hint) return;
  const usual = hint.textContent;
  field.addEventListener("input", () => {
    const name = nameOf(field.value);
    hint.textContent = name === field.value ? usual : `It will be named ${name}.`;
  });
}

function open({ name }: Flow): void {
  location.assign(`/flows/${encodeURIComponent(name)}`);
}

function text(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === "string" ? value : "";
}

function onSubmit(main: HTMLElement, name: string, work: (form: FormData) => Promise<void>): void {
  const form = main.querySelector<HTMLFormElement>(`form[data-form="${name}"]`);
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    clearProblems(form);
    work(new FormData(form)).catch((problem: unknown) => showProblem(form, problem));
  });
}
