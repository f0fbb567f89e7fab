// The connection: one that is for this service or host, or a new one by the + beside it.

import { call } from "../api";
import type { DialogOptions, Server } from "../connections/types";
import { type Connection, read, type Surroundings, type Widget } from "./model";

const TYPES: Record<string, string> = {
  basic: "Basic Auth",
  oauth2: "OAuth2",
  oauth2ClientCredentials: "OAuth2 Client Credentials",
  oauth2ServiceAccount: "OAuth2 Service Account",
};

export function mountConnection(field: HTMLElement, around: Surroundings): Widget {
  const select = field.querySelector("select")!;
  const note = field.querySelector<HTMLElement>("[data-note]")!;

  const target = (): DialogOptions => {
    const settings = around.settings();
    const service = String(settings.emailService ?? "");
    if (service && service.toLowerCase() !== "other") return { service };
    const said = ["host", "port", "tlsOption"].map((key) => [key, read(settings, `smtp.${key}`)] as const);
    const server = Object.fromEntries(said.filter(([, value]) => value !== undefined && value !== "")) as Server;
    return server.host ? { hosts: [String(server.host)], server } : {};
  };
  const fill = (chosen: string): void => {
    const known = around.connections.some((one) => one.name === chosen);
    const missing = chosen && !known ? [option(chosen, `${chosen} (not there)`)] : [];
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

  select.addEventListener("change", tell);
  field.querySelector("[data-action=add-connection]")!.addEventListener("click", async () => {
    const { openConnectionDialog } = await import("../connections/index");
    const name = await openConnectionDialog(target());
    if (!name) return;
    around.connections = await call<Connection[]>("GET", "/api/connections");
    fill(name);
    select.dispatchEvent(new Event("input", { bubbles: true }));
  });
  return {
    show: (value) => fill(value === undefined ? "" : String(value)),
    value: () => select.value || undefined,
  };
}

function option(value: string, label: string): HTMLOptionElement {
  return new Option(label, value);
}
