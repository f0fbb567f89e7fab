// The page of layouts: its dialogs make, rename and delete them.

import { call, clearProblems, showProblem } from "../api";
import { nameOf } from "../flows/name";

export function mountLayouts(main: HTMLElement): void {
  onSubmit(main, "new-layout", async (form) => {
    const copyOf = text(form, "copyOf") || null;
    open(await call("POST /api/layouts", { body: { name: nameOf(text(form, "name")), copyOf } }));
  });
  onSubmit(main, "rename-layout", async (form) => {
    const path = { name: text(form, "oldName") };
    const { revision, text: source } = await call("GET /api/layouts/{name}", { path });
    const name = nameOf(text(form, "name"));
    await call("PUT /api/layouts/{name}", { path, body: { text: source, revision, name } });
    location.reload();
  });
  onSubmit(main, "delete-layout", async (form) => {
    await call("DELETE /api/layouts/{name}", { path: { name: text(form, "name") } });
    location.reload();
  });
}

function open({ name }: { name: string }): void {
  location.assign(`/layouts/${encodeURIComponent(name)}`);
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
