// Own header fields: rows of name and value.

import { isObject, type Settings, type Widget } from "./model";

export function mountHeaders(field: HTMLElement): Widget {
  const place = field.querySelector<HTMLElement>("[data-headers]")!;
  const template = document.querySelector<HTMLTemplateElement>("template[data-header]")!;

  function add(name: string, value: string): HTMLElement {
    const row = (template.content.cloneNode(true) as DocumentFragment).querySelector<HTMLElement>(".header-row")!;
    const nameInput = row.querySelector<HTMLInputElement>("[data-name]")!;
    nameInput.value = name;
    row.querySelector<HTMLInputElement>("[data-value]")!.value = value;
    const rename = (): void => {
      row.dataset.key = `headers.${nameInput.value}`;
    };
    row.classList.add("field");
    rename();
    nameInput.addEventListener("input", rename);
    row.querySelector("[data-action=remove]")!.addEventListener("click", () => {
      row.remove();
      place.dispatchEvent(new Event("input", { bubbles: true }));
    });
    place.append(row);
    return row;
  }

  field.querySelector("[data-action=add-header]")!.addEventListener("click", () => {
    add("", "").querySelector<HTMLInputElement>("[data-name]")!.focus();
  });
  return {
    show(value) {
      place.replaceChildren();
      for (const [name, one] of Object.entries(isObject(value) ? value : {})) add(name, String(one));
    },
    value() {
      const headers: Settings = {};
      for (const row of place.children) {
        const name = row.querySelector<HTMLInputElement>("[data-name]")!.value;
        const value = row.querySelector<HTMLInputElement>("[data-value]")!.value;
        if (name || value) headers[name] = value;
      }
      return headers;
    },
  };
}
