// The card of an invitation in the preview, as the inbox shows it.

import type { Preview } from "../api-types";
import { element } from "../dom";
import { whenOf, writeLines } from "../event";

type Event = NonNullable<Preview["invitation"]>;

const KINDS: Record<string, string> = { request: "Invitation", cancel: "Cancelled event" };

export function eventCard(event: Event): HTMLElement {
  const when = element("dd");
  writeLines(when, whenOf(event));
  const facts = [
    ["Where", event.location],
    ["Organizer", event.organizer],
    ["Invited", event.attendees.join(", ")],
    ["Web address", event.url],
    ["Description", event.description],
  ] as const;
  const rows = facts.flatMap(([name, value]) =>
    value ? [element("dt", { textContent: name }), element("dd", { textContent: value, className: "lines" })] : [],
  );
  return element(
    "section",
    { className: event.method === "cancel" ? "card event cancelled" : "card event", ariaLabel: "Invitation" },
    element("p", { className: "event-kind", textContent: KINDS[event.method] ?? "Event" }),
    element("h3", { textContent: event.summary || "(no name)" }),
    element("dl", { className: "facts" }, element("dt", { textContent: "When" }), when, ...rows),
  );
}
