// The layout around the content: one that is there, with a way to its source.

import { at } from "../base-path";
import { call } from "../api";
import { find, on } from "../dom";
import { textOf } from "./settings";
import type { Surroundings, Widget } from "./widget";

export function mountLayout(field: HTMLElement, around: Surroundings): Widget {
  const select = find<HTMLSelectElement>(field, "select");
  const edit = find<HTMLAnchorElement>(field, "[data-edit]");

  const fill = (chosen: string): void => {
    const isMissing = chosen && !around.layouts.includes(chosen);
    select.replaceChildren(
      new Option("None", ""),
      ...(isMissing ? [new Option(`${chosen} (not found)`, chosen)] : []),
      ...around.layouts.map((name) => new Option(name, name)),
    );
    select.value = chosen;
    tell();
  };
  const tell = (): void => {
    edit.hidden = !around.layouts.includes(select.value);
    edit.href = at(`/layouts/${encodeURIComponent(select.value)}`);
  };

  select.addEventListener("input", tell);
  // One that was made meanwhile, in the other tab.
  on(select, "focus", async () => {
    const names = (await call("GET /api/layouts")).map(({ name }) => name);
    if (names.join() === around.layouts.join()) return;
    around.layouts = names;
    fill(select.value);
  });
  return {
    show: (value) => fill(textOf(value)),
    value: () => select.value || undefined,
  };
}
