// What every page has: htmx, the theme, local times, dialogs; and the module of the page that is open.

import "htmx.org";
import { toast } from "./api";
import { localTimes } from "./times";

const PAGES: Record<string, (main: HTMLElement) => Promise<void>> = {
  flows: async (main) => (await import("./flows/index")).mountFlows(main),
  layouts: async (main) => (await import("./layouts/index")).mountLayouts(main),
  layout: async (main) => (await import("./layouts/layout")).mountLayout(main),
  apps: async (main) => (await import("./apps/index")).mountApps(main),
  webhooks: async (main) => (await import("./webhooks/index")).mountWebhooks(main),
  connections: async (main) => (await import("./connections/index")).mountConnectionsPage(main),
  records: async () => (await import("./records/index")).mountRecords(),
  login: async (main) => (await import("./login")).enterByLink(main),
  editor: async (main) => (await import("./editor/index")).mountEditor(main),
};

function applyTheme(): void {
  const kept = localStorage.getItem("theme");
  if (kept) document.documentElement.dataset.theme = kept;
}

function switchTheme(): void {
  const isDark = getComputedStyle(document.documentElement).colorScheme === "dark" || prefersDark();
  localStorage.setItem("theme", isDark ? "light" : "dark");
  applyTheme();
}

function prefersDark(): boolean {
  return !document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches;
}

/** `data-open` opens the dialog of that id, with its own data in the dialog's fields; `data-close` closes one. */
function openDialogs(event: MouseEvent): void {
  const target = event.target instanceof Element ? event.target : null;
  target?.closest("[data-close]")?.closest("dialog")?.close();
  const opener = target?.closest<HTMLElement>("[data-open]");
  const dialog = opener && document.querySelector<HTMLDialogElement>(`#${opener.dataset.open ?? ""}`);
  if (!dialog) return;
  dialog.querySelector("form")?.reset();
  for (const input of dialog.querySelectorAll<HTMLInputElement>("input[name]")) {
    const given = opener.dataset[input.name];
    if (given !== undefined || input.type === "hidden") input.value = given ?? "";
  }
  for (const place of dialog.querySelectorAll<HTMLElement>("[data-fill]")) {
    place.textContent = opener.dataset[place.dataset.fill ?? ""] ?? "";
  }
  dialog.showModal();
}

/** Nothing in the page can be clicked before its module has come: such a click would be lost without a word. */
async function mountPage(main: HTMLElement): Promise<void> {
  const mount = PAGES[main.dataset.page ?? ""];
  if (!mount) return;
  const focused = main.querySelector<HTMLElement>(":focus") ?? main.querySelector<HTMLElement>("[autofocus]");
  main.inert = true;
  try {
    await mount(main);
  } catch (error) {
    toast("A part of this page could not be loaded. Reload the page.");
    throw error;
  } finally {
    main.inert = false;
    focused?.focus();
  }
}

applyTheme();
document.addEventListener("click", openDialogs);
document.querySelector('[data-action="theme"]')?.addEventListener("click", switchTheme);
document.addEventListener("htmx:load", (event) => localTimes(event.target as ParentNode));
document.addEventListener("htmx:responseError", () => toast("The server could not do that."));
localTimes(document);

const main = document.querySelector<HTMLElement>("main[data-page]");
if (main) void mountPage(main);
