/** The page of connections. */

import { Problem, call } from "../api";
import { openConnectionDialog, openEditDialog, openWorkDialog } from "./dialog";
import type { Shown } from "./types";
import { addressOf, part } from "./types";

/** Make the buttons of the page do what they say. */
export function mountConnectionsPage(main: HTMLElement): void {
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-action]") : null;
    if (!button || button.closest("dialog")) return;
    const name = button.closest<HTMLElement>("[data-name]")?.dataset.name ?? "";
    void act(main, button.dataset.action ?? "", name);
  });
}

async function act(main: HTMLElement, action: string, name: string): Promise<void> {
  if (action === "create") await openConnectionDialog();
  else if (action === "delete") await remove(main, name);
  else {
    const shown = await call<Shown>("GET", addressOf(name));
    if (action === "edit") await openEditDialog(shown);
    if (action === "test" || action === "authorize") await openWorkDialog(shown, action);
  }
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
      if (!(problem instanceof Problem)) throw problem;
      error.textContent = [problem.message, problem.hint].filter(Boolean).join(": ");
      error.hidden = false;
    }
  };
  await tellUses(part(dialog, ".connection-uses"), name);
  dialog.showModal();
}

async function tellUses(place: HTMLElement, name: string): Promise<void> {
  const { flows } = await call<{ flows: string[] }>("GET", addressOf(name, "/uses"));
  place.hidden = flows.length === 0;
  place.textContent = `Flows that use it: ${flows.join(", ")}.`;
}
