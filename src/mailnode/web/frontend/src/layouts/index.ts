// The page of layouts: its dialogs make, rename and delete them.

import { at } from "../base-path";
import { call } from "../api";
import { nameOf } from "../flows/name";
import { onSubmit, text } from "../forms";

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
  location.assign(at(`/layouts/${encodeURIComponent(name)}`));
}
