/** The page of connections. */

import { Problem, call, toast } from "../api";
import type { Connection } from "../api-types";
import { find } from "../dom";
import { openConnectionDialog, openEditDialog, openWorkDialog } from "./dialog";

/** Make the buttons of the page do what they say. */
export function mountConnectionsPage(main: HTMLElement): void {
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-action]") : null;
    if (!button || button.closest("dialog")) return;
    const name = button.closest<HTMLElement>("[data-name]")?.dataset.name ?? "";
    act(main, button.dataset.action ?? "", name).catch((error: unknown) => toast(words(error)));
  });
}

async function act(main: HTMLElement, action: string, name: string): Promise<void> {
  if (action === "create") await openConnectionDialog();
  if (!name) return;
  if (action === "delete") await remove(main, name);
  if (action === "edit") await openEditDialog(await shown(name));
  if (action === "test" || action === "authorize") await openWorkDialog(await shown(name), action);
}

async function shown(name: string): Promise<Connection> {
  return call("GET /api/connections/{name}", { path: { name } });
}

async function remove(main: HTMLElement, name: string): Promise<void> {
  const dialog = find<HTMLDialogElement>(main, "#connection-delete");
  const confirm = find<HTMLButtonElement>(dialog, "[data-action=confirm]");
  const error = find(dialog, ".form-error");
  find(dialog, "h2").textContent = `Delete ${name}?`;
  error.hidden = true;
  const removed = async (): Promise<void> => {
    try {
      await call("DELETE /api/connections/{name}", { path: { name } });
      dialog.close();
      document.body.dispatchEvent(new CustomEvent("connections-changed"));
    } catch (problem) {
      error.textContent = words(problem);
      error.hidden = false;
    }
  };
  confirm.onclick = () => void removed();
  await tellUses(find(dialog, ".connection-uses"), name);
  dialog.showModal();
}

function words(error: unknown): string {
  if (!(error instanceof Problem)) throw error;
  return [error.message, error.hint].filter(Boolean).join(" ");
}

async function tellUses(place: HTMLElement, name: string): Promise<void> {
  const { flows } = await call("GET /api/connections/{name}/uses", { path: { name } });
  place.hidden = flows.length === 0;
  place.textContent = `Flows that use it: ${flows.join(", ")}.`;
}
