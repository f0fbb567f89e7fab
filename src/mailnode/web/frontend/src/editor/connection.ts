// The connection: one that is for this service or host, or a new one by the + beside it.

import { call } from "../api";
import type { TestedServer } from "../api-types";
import type { DialogOptions } from "../connections/types";
import { find, on } from "../dom";
import { read, textOf } from "./settings";
import type { Surroundings, Widget } from "./widget";

const TYPES: Record<string, string> = {
  basic: "Basic Auth",
  oauth2: "OAuth2",
  oauth2ClientCredentials: "OAuth2 Client Credentials",
  oauth2ServiceAccount: "OAuth2 Service Account",
};

export function mountConnection(field: HTMLElement, around: Surroundings): Widget {
  const select = find<HTMLSelectElement>(field, "select");
  const note = find<HTMLElement>(field, "[data-note]");
  const wanted = find<HTMLElement>(field, "[data-wanted]");

  const target = (): DialogOptions => {
    const settings = around.settings();
    const service = textOf(settings.emailService);
    if (service && service.toLowerCase() !== "other") return { service };
    const said = ["host", "port", "tlsOption"].map((key) => [key, read(settings, `smtp.${key}`)] as const);
    const server = Object.fromEntries(said.filter(([, value]) => value !== undefined && value !== "")) as TestedServer;
    return server.host ? { hosts: [server.host], server } : {};
  };
  const fill = (chosen: string): void => {
    const known = around.connections.some((one) => one.name === chosen);
    const missing = chosen && !known ? [option(chosen, `${chosen} (not found)`)] : [];
    select.replaceChildren(
      option("", "No login"),
      ...missing,
      ...around.connections.map((one) => option(one.name, `${one.name} · ${TYPES[one.type] ?? one.type}`)),
    );
    select.value = chosen;
    tell();
  };
  const tell = (): void => {
    const chosen = around.connections.find((one) => one.name === select.value);
    const place = chosen?.service ?? chosen?.hosts?.join(", ") ?? "";
    note.textContent = chosen ? `Type: ${TYPES[chosen.type] ?? chosen.type}, for ${place}` : "";
    note.hidden = !chosen;
  };

  /** A known service takes no email without a login: say so, and offer to make one. */
  const want = (): void => {
    const { service = "" } = target();
    const known = around.services.find(({ name, aliases }) => [name, ...aliases].includes(service))?.name;
    wanted.hidden = !known || Boolean(select.value);
    if (!known) return;
    const fitting = around.connections.filter((one) => one.service === known).map((one) => one.name);
    const there = fitting.length ? `Choose a connection (${fitting.slice(0, 3).join(", ")}), or create another.` : "";
    find(wanted, "[data-words]").textContent = `${known} requires a login. ${there}`;
    find(wanted, "button").textContent = `Create a connection for ${known}`;
  };

  select.addEventListener("change", tell);
  const create = async (): Promise<void> => {
    const { openConnectionDialog } = await import("../connections/index");
    const name = await openConnectionDialog(target());
    if (!name) return;
    around.connections = await call("GET /api/connections");
    fill(name);
    select.dispatchEvent(new Event("input", { bubbles: true }));
    select.focus();
  };
  for (const button of field.querySelectorAll<HTMLElement>("[data-action]")) on(button, "click", create);
  return {
    show: (value) => fill(textOf(value)),
    value: () => select.value || undefined,
    renew: want,
  };
}

function option(value: string, label: string): HTMLOptionElement {
  return new Option(label, value);
}
