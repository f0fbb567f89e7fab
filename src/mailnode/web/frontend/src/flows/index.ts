// The list of flows: its dialogs make, import and delete them.

import { call, clearProblems, showProblem } from "../api";

interface Flow {
  name: string;
}

export function mountFlows(main: HTMLElement): void {
  onSubmit(main, "new-flow", async (form) => {
    const name = form.get("name");
    const copyOf = form.get("copyOf") || null;
    open(await call<Flow>("POST", "/api/flows", { name, copyOf }));
  });
  onSubmit(main, "import-flow", async (form) => {
    const file = form.get("file") as File;
    const format = file.name.endsWith(".json") ? "json" : "yaml";
    open(await call<Flow>("POST", "/api/flows", { text: await file.text(), format }));
  });
  onSubmit(main, "delete-flow", async (form) => {
    await call("DELETE", `/api/flows/${encodeURIComponent(String(form.get("name")))}`);
    location.reload();
  });
}

function open(flow: Flow): void {
  location.assign(`/flows/${encodeURIComponent(flow.name)}`);
}

function onSubmit(main: HTMLElement, name: string, work: (form: FormData) => Promise<void>): void {
  const form = main.querySelector<HTMLFormElement>(`form[data-form="${name}"]`);
  form?.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearProblems(form);
    try {
      await work(new FormData(form));
    } catch (problem) {
      showProblem(form, problem);
    }
  });
}
