import assert from "node:assert/strict";
import test from "node:test";

import { whenOf } from "../src/event";

const plain = (lines: string[]): string[] => lines.map((line) => line.replace(/[\u2009\u202f]/g, " "));
const START = Date.UTC(2026, 2, 12, 13, 30);

test("an event is told in its own zone, and by the reader's clock where that differs", () => {
  const event = { start: START, end: START + 45 * 60_000, allDay: false, zone: "Europe/Berlin" };
  const alone = plain(whenOf(event, "en-GB", "Europe/Berlin"));
  assert.equal(alone.length, 1);
  assert.match(alone[0] ?? "", /12 March 2026.*14:30\s?[–-]\s?15:15 \(Europe\/Berlin\)$/);
  const [there, here] = plain(whenOf(event, "en-US", "America/New_York"));
  assert.match(there ?? "", /2:30\s?–\s?3:15 PM \(Europe\/Berlin\)$/);
  assert.match(here ?? "", /9:30\s?–\s?10:15 AM \(your time, America\/New York\)$/);
});

test("days have no zone, and the last one is named", () => {
  const days = { start: Date.UTC(2026, 2, 12), end: Date.UTC(2026, 2, 14), allDay: true, zone: "" };
  const lines = plain(whenOf(days, "en-GB", "America/New_York"));
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /12.*14 March 2026/);
  const one = plain(whenOf({ ...days, end: days.start }, "en-GB", "Asia/Tokyo"));
  assert.match(one.join(), /^Thursday,? 12 March 2026$/);
});

test("a zone that the browser does not know, and an end before the start, are shown all the same", () => {
  const event = { start: START, end: START - 1, allDay: false, zone: "Mars/Olympus" };
  assert.match(plain(whenOf(event, "en-GB", "UTC"))[0] ?? "", /13:30 \(UTC\)$/);
});
