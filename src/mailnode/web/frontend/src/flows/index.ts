// The list of flows: its dialogs make, import and delete them.

import { at } from "../base-path";
import { call } from "../api";
import type { Flow } from "../api-types";
import { onSubmit, text } from "../forms";
import { nameOf } from "./name";

const SENDER = "sender";

export function mountFlows(main: HTMLElement): void {
  showName(main);
  rememberSender(main);
  onSubmit(main, "new-flow", async (form) => {
    const copyOf = text(form, "copyOf") || null;
    const sender = copyOf ? null : text(form, "sender").trim() || null;
    open(await call("POST /api/flows", { body: { name: nameOf(text(form, "name")), copyOf, sender } }));
    if (sender) localStorage.setItem(SENDER, sender);
  });
  onSubmit(main, "rename-flow", async (form) => {
    const name = nameOf(text(form, "newName"));
    await call("POST /api/flows/{name}/rename", { path: { name: text(form, "name") }, body: { name } });
    location.reload();
  });
  onSubmit(main, "import-flow", async (form) => {
    const file = form.get("file") as File;
    if (/\.zip$/i.test(file.name)) {
      open(await call("POST /api/flows/import", { file }));
      return;
    }
    const format = file.name.endsWith(".json") ? "json" : "yaml";
    open(await call("POST /api/flows", { body: { text: await file.text(), format } }));
  });
  onSubmit(main, "delete-flow", async (form) => {
    await call("DELETE /api/flows/{name}", { path: { name: text(form, "name") } });
    location.reload();
  });
}

/** Whoever has named a sender once need not type it again. */
function rememberSender(main: HTMLElement): void {
  const field = main.querySelector<HTMLInputElement>("#new-flow-sender");
  if (field) field.defaultValue = localStorage.getItem(SENDER) ?? "";
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
  location.assign(at(`/flows/${encodeURIComponent(name)}`));
}
