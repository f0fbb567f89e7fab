// When an event is, in the zone that it is written in, and by the reader's own clock.

export interface EventTimes {
  start: number;
  end: number;
  allDay: boolean;
  zone: string;
}

/** Give the words for an event's time; a second line says what the reader's clock shows then, where it differs. */
export function whenOf({ start, end, allDay, zone }: EventTimes, locale?: string, ownZone = readersZone()): string[] {
  // Days have no zone, and times without one are meant by anybody's clock.
  const timeZone = isKnown(zone) && !allDay ? zone : "UTC";
  const inZone = formatted(start, end, allDay, timeZone, locale);
  if (allDay || !zone) return [inZone];
  const own = formatted(start, end, allDay, ownZone, locale);
  const there = `${inZone} (${shown(timeZone)})`;
  return own === inZone ? [there] : [there, `${own} (your time, ${shown(ownZone)})`];
}

export function readersZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** Write the words of each event into its place. */
export function localEvents(within: ParentNode): void {
  for (const place of within.querySelectorAll<HTMLElement>("[data-event]")) {
    writeLines(place, whenOf(JSON.parse(place.dataset.event ?? "{}") as EventTimes));
  }
}

export function writeLines(place: HTMLElement, lines: string[]): void {
  place.replaceChildren(...lines.flatMap((line, index) => (index ? [document.createElement("br"), line] : [line])));
}

function formatted(start: number, end: number, allDay: boolean, timeZone: string, locale?: string): string {
  const style = allDay ? { dateStyle: "full" as const } : { dateStyle: "full" as const, timeStyle: "short" as const };
  return new Intl.DateTimeFormat(locale, { ...style, timeZone }).formatRange(start, Math.max(start, end));
}

function shown(zone: string): string {
  return zone.replaceAll("_", " ");
}

function isKnown(zone: string): boolean {
  try {
    new Intl.DateTimeFormat(undefined, { timeZone: zone });
    return zone !== "";
  } catch {
    return false;
  }
}
