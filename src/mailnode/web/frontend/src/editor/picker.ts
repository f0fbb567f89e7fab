// Dates, times and zones: picked with what the browser has for that, or written as an expression.

import { find } from "../dom";
import { readersZone } from "../event";
import { textOf } from "./settings";
import type { Widget } from "./widget";

/** What a picker shows; null for what it has no way to show, which stays written. */
interface Picked {
  show(text: string): boolean;
  text(): string;
}

export function mountPicker(field: HTMLElement): Widget {
  const pick = find<HTMLElement>(field, "[data-pick]");
  const written = find<HTMLInputElement>(field, "[data-written]");
  const button = find<HTMLButtonElement>(field, "[data-action=write]");
  const picked = field.dataset.kind === "zone" ? zonePicker(pick) : momentPicker(field, pick);
  let given: unknown;
  let shown = "";

  const isWritten = (): boolean => !written.hidden;
  const text = (): string => (isWritten() ? written.value.trim() : picked.text());
  const showWritten = (is: boolean): void => {
    written.hidden = !is;
    pick.hidden = is;
    button.textContent = is ? "Pick a value" : "Use an expression";
  };

  button.addEventListener("click", () => {
    const before = text();
    const isNow = !isWritten();
    if (isNow) written.value = before;
    else if (!picked.show(before)) picked.show("");
    showWritten(isNow);
    find<HTMLElement>(isNow ? field : pick, isNow ? "[data-written]" : "input, select").focus();
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  return {
    show(value) {
      given = value;
      const said = textOf(value);
      const fits = picked.show(said);
      if (!fits) picked.show("");
      written.value = fits ? "" : said;
      showWritten(!fits);
      shown = text();
    },
    // What was written down stays so until it is changed here.
    value: () => (text() === shown ? given : text()) || undefined,
  };
}

/** A date, and a time that may be left out; the reader's own zone is chosen with the first time. */
function momentPicker(field: HTMLElement, pick: HTMLElement): Picked {
  const date = find<HTMLInputElement>(pick, "[type=date]");
  const time = find<HTMLInputElement>(pick, "[type=time]");
  time.addEventListener("input", () => {
    const zone = field.parentElement?.querySelector<HTMLSelectElement>(
      '[data-kind="zone"] [data-pick]:not([hidden]) select',
    );
    if (time.value && zone && !zone.value) zone.value = readersZone();
  });
  return {
    show(text) {
      const [, day = "", hour = ""] = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::00)?)?$/.exec(text) ?? [];
      date.value = day;
      time.value = hour;
      return text === "" || date.value !== "";
    },
    text: () => (date.value && time.value ? `${date.value}T${time.value}` : date.value),
  };
}

function zonePicker(pick: HTMLElement): Picked {
  const select = find<HTMLSelectElement>(pick, "select");
  for (const zone of new Set([readersZone(), "UTC", ...Intl.supportedValuesOf("timeZone")])) {
    select.add(new Option(zone.replaceAll("_", " "), zone));
  }
  return {
    show(text) {
      select.value = text;
      return select.value === text;
    },
    text: () => select.value,
  };
}
