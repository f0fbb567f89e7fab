// The list of flows: its dialogs make, import and delete them.

import { call, clearProblems, showProblem } from "../api";

interface Flow {
  name: string;
}

export function mountFlows(main: HTMLElement): void {
  showName(main);
  onSubmit(main, "new-flow", async (form) => {
    const name = nameOf(String(form.get("name")));
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

// The server refuses other names; here what is typed becomes the one most like it, which is shown before it counts.
function nameOf(typed: string): string {
  const plain = typed.normalize("NFKD").replace(/\p{Mn}/gu, "");
  if (/^[\w-]*$/.test(typed)) return typed;
  return (
    plain
      .replace(/\W+/g, "-")
      .replace(/^-+|-+$/g, "")
      .toLowerCase()
      .slice(0, 64) || typed
  );
}

function showName(main: HTMLElement): void {
  const field = main.querySelector<HTMLInputElement>("#new-flow-name");
  const hint = main.querySelector<HTMLElement>("#new-flow-name-hint");
  if (!field || !hint) return;
  const usual = hint.textContent;
  field.addEventListener("input", () => {
    const name = nameOf(field.value);
    hint.textContent = name === field.value ? usual : `Its name will be ${name}.`;
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
