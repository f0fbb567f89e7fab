// The server's UTC as the reader's time.

import { localEvents } from "./event";

/** Show each time as the reader's clock would; the exact one stays as a title. */
export function localTimes(within: ParentNode): void {
  for (const time of within.querySelectorAll<HTMLTimeElement>("time[data-ms]")) {
    time.title = time.dateTime;
    time.textContent = new Date(Number(time.dataset.ms)).toLocaleString(undefined, {
      dateStyle: "medium",
      timeStyle: "medium",
    });
  }
  localEvents(within);
}
