// Advice on the server while it is typed: ports have their usual TLS mode, and some are not for sending.

import { isObject, type Settings } from "./settings";

export interface ServerAdvice {
  /** The field that it stands at. */
  key: string;
  words: string;
  /** What would be usual instead. */
  settings: { port: number; tlsOption: string };
}

const FOR_READING = new Map([
  [110, "POP3"],
  [143, "IMAP"],
  [993, "IMAP"],
  [995, "POP3"],
]);
const STARTTLS = new Set([587, 2525, 25]);

/** Say what is unusual about the server of a node's settings, null where nothing is. */
export function adviceOf({ emailService, smtp }: Settings): ServerAdvice | null {
  if (emailService !== "other" || !isObject(smtp) || typeof smtp.port !== "number") return null;
  const { port, tlsOption } = smtp;
  const protocol = FOR_READING.get(port);
  if (protocol) {
    const words = `Port ${port} is for reading email (${protocol}). Email is sent through 465 or 587.`;
    return { key: "smtp.port", words, settings: { port: 465, tlsOption: "tls" } };
  }
  if (port === 465 && (tlsOption === "starttls" || tlsOption === "none")) {
    const words = "Port 465 begins with TLS. STARTTLS is for port 587.";
    return { key: "smtp.tlsOption", words, settings: { port, tlsOption: "tls" } };
  }
  if (STARTTLS.has(port) && tlsOption === "tls") {
    const words = `Port ${port} begins without TLS and changes to it by STARTTLS. TLS from the start is for port 465.`;
    return { key: "smtp.tlsOption", words, settings: { port, tlsOption: "starttls" } };
  }
  return null;
}

/** Name settings as a button does. */
export function nameOf({ port, tlsOption }: { port: number; tlsOption: string }): string {
  const modes: Record<string, string> = { tls: "TLS from the start", starttls: "STARTTLS", none: "no TLS" };
  return `Use these settings: port ${port}, ${modes[tlsOption] ?? tlsOption}`;
}
