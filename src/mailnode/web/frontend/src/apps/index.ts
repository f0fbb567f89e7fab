// The page of apps: its dialogs make and change them, and show a new password once.

import { call, clearProblems } from "../api";
import type { App, AppLogin } from "../api-types";
import { copyBeside } from "../copying";
import { find, on } from "../dom";
import { onSubmit, text } from "../forms";

const TEXTS = ["notify", "rateLimit", "unixUser", "host"] as const;

export function mountApps(main: HTMLElement): void {
  on(main, "click", async (event) => {
    const button = (event.target as Element).closest<HTMLElement>("[data-action]");
    if (button?.dataset.action === "create") open(main);
    if (button?.dataset.action === "edit") await edit(main, button);
    if (button?.dataset.action === "copy") await copyBeside(button);
  });
  onSubmit(main, "app", async (form) => {
    const name = text(form, "oldName");
    const fields = fieldsOf(form);
    if (name) {
      await call("PATCH /api/apps/{name}", { path: { name }, body: fields });
      location.reload();
    } else {
      const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
      const body = { ...given, name: text(form, "name"), connection: text(form, "connection") };
      showLogin(main, await call("POST /api/apps", { body }));
    }
  });
  onSubmit(main, "rotate-app", async (form) => {
    showLogin(main, await call("POST /api/apps/{name}/password", { path: { name: text(form, "name") } }));
  });
  onSubmit(main, "delete-app", async (form) => {
    await call("DELETE /api/apps/{name}", { path: { name: text(form, "name") } });
    location.reload();
  });
  find(main, "#app-login").addEventListener("close", () => location.reload());
}

function fieldsOf(form: FormData): Record<string, unknown> {
  const senders = text(form, "senders")
    .split(/[,;\n]/)
    .map((one) => one.trim())
    .filter(Boolean);
  const port = text(form, "port").trim();
  return {
    ...Object.fromEntries(TEXTS.map((key) => [key, text(form, key).trim() || null])),
    connection: text(form, "connection"),
    senders: senders.length ? senders : null,
    port: port ? (/^\d+$/.test(port) ? Number(port) : port) : null,
    tlsOption: text(form, "tlsOption") || null,
    duplicatesCheck: form.has("duplicatesCheck"),
  };
}

async function edit(main: HTMLElement, button: HTMLElement): Promise<void> {
  const name = button.closest<HTMLElement>("[data-app]")?.dataset.app ?? "";
  open(main, await call("GET /api/apps/{name}", { path: { name } }));
}

/** Open the dialog for a new app, or with the fields of one that is there. */
function open(main: HTMLElement, app?: App): void {
  const dialog = find<HTMLDialogElement>(main, "#app-dialog");
  const form = find<HTMLFormElement>(dialog, "form");
  form.reset();
  clearProblems(form);
  find(dialog, "h2").textContent = app ? `Edit ${app.name}` : "New app";
  find<HTMLInputElement>(form, '[name="oldName"]').value = app?.name ?? "";
  find(form, '.field[data-key="name"]').hidden = Boolean(app);
  if (app) fill(form, app);
  dialog.showModal();
}

function fill(form: HTMLFormElement, app: App): void {
  const values: Record<string, string> = {
    connection: app.connection,
    senders: app.senders.join(", "),
    port: String(app.port ?? ""),
    tlsOption: app.tlsOption ?? "",
  };
  for (const key of TEXTS) values[key] = app[key] ?? "";
  const connection = find<HTMLSelectElement>(form, '[name="connection"]');
  if (![...connection.options].some((one) => one.value === app.connection)) {
    connection.prepend(new Option(`${app.connection} (missing)`, app.connection));
  }
  for (const [key, value] of Object.entries(values)) {
    find<HTMLInputElement | HTMLSelectElement>(form, `[name="${key}"]`).value = value;
  }
  find<HTMLInputElement>(form, '[name="duplicatesCheck"]').checked = app.duplicatesCheck;
}

function showLogin(main: HTMLElement, { login, password }: AppLogin): void {
  for (const dialog of main.querySelectorAll<HTMLDialogElement>("dialog[open]")) dialog.close();
  const dialog = find<HTMLDialogElement>(main, "#app-login");
  find(dialog, '[data-part="login"]').textContent = login;
  find(dialog, '[data-part="password"]').textContent = password;
  const host = dialog.querySelector('[data-part="host"]');
  if (host && !host.textContent) host.textContent = location.hostname;
  dialog.showModal();
}
