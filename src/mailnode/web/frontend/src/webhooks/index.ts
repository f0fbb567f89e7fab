// The pages of webhooks: a dialog makes one and shows its secret once; buttons try it and post events again.

import { Problem, call, detailOf, toast, wordsOf } from "../api";
import { copyBeside } from "../copying";
import { find, on } from "../dom";
import { onSubmit, text } from "../forms";

export function mountWebhooks(main: HTMLElement): void {
  on(main, "click", async (event) => {
    const button = (event.target as Element).closest<HTMLElement>("[data-action]");
    const name = button?.dataset.name ?? "";
    try {
      if (button?.dataset.action === "copy") await copyBeside(button);
      if (button?.dataset.action === "test") await test(name);
      if (button?.dataset.action === "replay") await replay(name, button.dataset.which);
    } catch (error) {
      toast(wordsOf(detailOf(error)));
    }
  });
  onSubmit(main, "webhook", async (form) => {
    const events = form.getAll("events").filter((one) => typeof one === "string");
    if (!events.length) throw new Problem({ message: "Choose at least one outcome.", key: "events" });
    const body = { name: text(form, "name"), url: text(form, "url"), events };
    const { secret } = await call("POST /api/webhooks", { body });
    find<HTMLDialogElement>(main, "#webhook-dialog").close();
    const dialog = find<HTMLDialogElement>(main, "#webhook-secret");
    find(dialog, '[data-part="secret"]').textContent = secret;
    dialog.addEventListener("close", () => location.reload());
    dialog.showModal();
  });
  onSubmit(main, "delete-webhook", async (form) => {
    await call("DELETE /api/webhooks/{name}", { path: { name: text(form, "name") } });
    location.reload();
  });
}

async function test(name: string): Promise<void> {
  const { ok, statusCode, trouble, hint } = await call("POST /api/webhooks/{name}/test", { path: { name } });
  toast(ok ? `The receiver answered ${String(statusCode)}.` : wordsOf({ message: trouble, hint }));
}

async function replay(name: string, event?: string): Promise<void> {
  const body = { events: event ? [event] : [] };
  const { count } = await call("POST /api/webhooks/{name}/replay", { path: { name }, body });
  toast(count === 1 ? "1 event will be posted again." : `${String(count)} events will be posted again.`);
}
