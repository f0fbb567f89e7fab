/** What *Automatic* means as a TLS option. */

const WORDS: Record<string, string> = { tls: "TLS from the start", starttls: "STARTTLS", none: "no TLS" };
const MODES = ["tls", "starttls", "none"];
const STARTTLS_PORTS = ["25", "587", "2525"];

/** Say it for a service that is known. */
export function automaticOf(service: string, ports: Readonly<Record<string, number>>): string {
  const mode = MODES.find((one) => one in ports) ?? "tls";
  return `Automatic is ${WORDS[mode] ?? mode} on port ${ports[mode] ?? ""}, as ${service} offers it.`;
}

/** Say it for a server of one's own, by the port as it stands in its field. */
export function automaticAt(port: string): string {
  if (!port.trim()) return "Automatic is TLS from the start on port 465, as long as no port is given.";
  if (port.trim() === "465") return "Automatic is TLS from the start on port 465.";
  if (STARTTLS_PORTS.includes(port.trim())) return `Automatic is STARTTLS on port ${port.trim()}.`;
  return `Automatic is TLS from the start on port ${port.trim()}, as on every port without a rule of its own.`;
}

/** Say it where the port is not known yet: a node gives it. */
export const AUTOMATIC_BY_PORT =
  "Automatic goes by the port of the node: STARTTLS on 25, 587 and 2525, TLS from the start on 465 and all others.";
