// Own header fields: rows of name and value.

import { copyOf, find } from "../dom";
import { isObject, type Settings, textOf } from "./settings";
import type { Widget } from "./widget";

export function mountHeaders(field: HTMLElement): Widget {
  const place = find<HTMLElement>(field, "[data-headers]");

  function add(name: string, value: string): HTMLElement {
    const row = copyOf("template[data-header]");
    const nameInput = find<HTMLInputElement>(row, "[data-name]");
    nameInput.value = name;
    find<HTMLInputElement>(row, "[data-value]").value = value;
    const rename = (): void => {
      row.dataset.key = `headers.${nameInput.value}`;
    };
    row.classList.add("field");
    rename();
    nameInput.addEventListener("input", rename);
    find(row, "[data-action=remove]").addEventListener("click", () => {
      row.remove();
      place.dispatchEvent(new Event("input", { bubbles: true }));
    });
    place.append(row);
    return row;
  }

  find(field, "[data-action=add-header]").addEventListener("click", () => {
    find(add("", ""), "[data-name]").focus();
  });
  return {
    show(value) {
      place.replaceChildren();
      for (const [name, one] of Object.entries(isObject(value) ? value : {})) add(name, textOf(one));
    },
    value() {
      const headers: Settings = {};
      for (const row of place.children) {
        const name = find<HTMLInputElement>(row, "[data-name]").value;
        const value = find<HTMLInputElement>(row, "[data-value]").value;
        if (name || value) headers[name] = value;
      }
      return headers;
    },
  };
}
