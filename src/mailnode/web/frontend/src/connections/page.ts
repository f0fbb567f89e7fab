/** The page of connections. */

import { Problem, call, toast } from "../api";
import { openConnectionDialog, openEditDialog, openWorkDialog } from "./dialog";
import type { Shown } from "./types";
import { addressOf, part } from "./types";

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

async function shown(name: string): Promise<Shown> {
  return call<Shown>("GET", addressOf(name));
}

async function remove(main: HTMLElement, name: string): Promise<void> {
  const dialog = part<HTMLDialogElement>(main, "#connection-delete");
  const confirm = part<HTMLButtonElement>(dialog, "[data-action=confirm]");
  const error = part(dialog, ".form-error");
  part(dialog, "h2").textContent = `Delete ${name}?`;
  error.hidden = true;
  confirm.onclick = async () => {
    try {
      await call("DELETE", addressOf(name));
      dialog.close();
      document.body.dispatchEvent(new CustomEvent("connections-changed"));
    } catch (problem) {
      error.textContent = words(problem);
      error.hidden = false;
    }
  };
  await tellUses(part(dialog, ".connection-uses"), name);
  dialog.showModal();
}

function words(error: unknown): string {
  if (!(error instanceof Problem)) throw error;
  return [error.message, error.hint].filter(Boolean).join(": ");
}

async function tellUses(place: HTMLElement, name: string): Promise<void> {
  const { flows } = await call<{ flows: string[] }>("GET", addressOf(name, "/uses"));
  place.hidden = flows.length === 0;
  place.textContent = `Flows that use it: ${flows.join(", ")}.`;
}
