// Reads calendar objects, one in Base64 a line, with ical.js, and tells of each as JSON what a calendar would show.
import { createInterface } from "node:readline";

import ICAL from "ical.js";

function read(text) {
  const calendar = new ICAL.Component(ICAL.parse(text));
  ICAL.TimezoneService.reset();
  for (const zone of calendar.getAllSubcomponents("vtimezone")) ICAL.TimezoneService.register(zone);
  const [component, ...others] = calendar.getAllSubcomponents("vevent");
  if (others.length) throw new Error("there are several events");
  const event = new ICAL.Event(component);
  const moment = (time) => (time.isDate ? time.toString() : time.toJSDate().toISOString().replace(/\.\d+/, ""));
  return {
    method: calendar.getFirstPropertyValue("method"),
    uid: event.uid,
    sequence: event.sequence,
    summary: event.summary,
    location: event.location ?? "",
    description: event.description ?? "",
    start: moment(event.startDate),
    end: moment(event.endDate),
    organizer: event.organizer,
    attendees: event.attendees.map((one) => one.getFirstValue()),
    names: component.getAllProperties().map((one) => one.name),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(read(Buffer.from(line, "base64").toString("utf8"))) + "\n");
}
