// What is asked before a run: how many real emails leave, and for whom.

import type { Plan, PlannedMail } from "../api-types";

/** The words of the question, and of the button that answers it with yes. */
export interface Question {
  title: string;
  yes: string;
  /** What else must be known before it is answered. */
  notes: string[];
  /** Whether the inbox could get the emails instead. */
  hasReal: boolean;
}

const MOST_NAMED = 3;

/** Put the question of a plan; `isDirty` where what is on the screen would be saved first. */
export function questionOf({ emails, errors, isCertain }: Plan, isDirty: boolean): Question {
  const made = emails.filter((email) => !email.errors.length);
  const real = made.filter((email) => !email.isInbox);
  const notes = [];
  const inInbox = made.length - real.length;
  if (real.length && inInbox)
    notes.push(`${inInbox} more ${inInbox === 1 ? "email goes" : "emails go"} to the inbox on this machine.`);
  if (!isCertain) notes.push("Nodes of other packages may change what is sent.");
  if (errors.length) notes.push("The run stops at the problem below.");
  if (isDirty) notes.push("The flow has unsaved changes. They are saved first, and the run uses them.");
  const yes = real.length ? ["Send now", "Save and send"] : ["Run now", "Save and run"];
  return {
    title: titleOf(made, real),
    yes: yes[Number(isDirty)] ?? "",
    notes,
    hasReal: real.length > 0,
  };
}

function titleOf(made: PlannedMail[], real: PlannedMail[]): string {
  if (real.length) return `Send ${countOf(real.length, "real ")} to ${namesOf(recipientsOf(real))} now?`;
  if (made.length) return `Send ${countOf(made.length)} to the inbox on this machine now?`;
  return "Run the flow now? It sends no email.";
}

/** Name addresses as a sentence does: `a, b and 3 more`. */
export function namesOf(addresses: readonly string[]): string {
  const more = addresses.length - MOST_NAMED;
  if (more > 0) return `${addresses.slice(0, MOST_NAMED).join(", ")} and ${more} more`;
  const [last = "nobody", ...others] = [...addresses].reverse();
  return others.length ? `${others.reverse().join(", ")} and ${last}` : last;
}

/** Say of one email what it is and who carries it. */
export function lineOf({ label, subject, recipients, host, port, connection, isInbox }: PlannedMail): string {
  const server = isInbox
    ? "the inbox on this machine"
    : `${host}:${port}${connection ? `, connection ${connection}` : ""}`;
  return `${label}: “${subject}” to ${namesOf(recipients)}, through ${server}`;
}

function recipientsOf(emails: readonly PlannedMail[]): string[] {
  return [...new Set(emails.flatMap((email) => email.recipients))];
}

function countOf(count: number, kind = ""): string {
  return `${count} ${kind}${count === 1 ? "email" : "emails"}`;
}
