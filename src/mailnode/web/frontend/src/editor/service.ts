// Email Service: a search among the services that are known by name, or "other".

import type { EmailService } from "../api-types";
import { element, find } from "../dom";
import { textOf } from "./settings";
import type { Surroundings, Widget } from "./widget";

const OTHER = "Other SMTP Service";

export function mountService(field: HTMLElement, around: Surroundings): Widget {
  const input = find<HTMLInputElement>(field, "input");
  const list = find<HTMLElement>(field, "[role=listbox]");
  const note = find<HTMLElement>(field, "[data-note]");
  let active = -1;

  const choices = (): string[] => {
    const sought = input.value.trim().toLowerCase();
    const isWhole = sought === OTHER.toLowerCase() || around.services.some((one) => one.name.toLowerCase() === sought);
    const names = around.services.map((service) => service.name);
    if (isWhole || !sought) return [OTHER, ...names];
    const rank = (service: EmailService): number => {
      const words = [...namesOf(service), service.host].map((word) => word.toLowerCase());
      return words.some((word) => word.startsWith(sought)) ? 0 : words.some((word) => word.includes(sought)) ? 1 : 2;
    };
    const fitting = around.services.filter((service) => rank(service) < 2).sort((one, two) => rank(one) - rank(two));
    return [...fitting.map((service) => service.name), OTHER];
  };

  const open = (): void => {
    list.replaceChildren(
      ...choices().map((name, index) => {
        const option = element("li", { role: "option", id: `${list.id}-${index}`, textContent: name });
        option.ariaSelected = String(index === active);
        option.addEventListener("mousedown", (event) => {
          event.preventDefault();
          choose(name);
        });
        return option;
      }),
    );
    list.hidden = false;
    input.ariaExpanded = "true";
    const chosen = list.children[active];
    chosen?.scrollIntoView({ block: "nearest" });
    if (chosen) input.setAttribute("aria-activedescendant", chosen.id);
    else input.removeAttribute("aria-activedescendant");
  };
  const close = (): void => {
    list.hidden = true;
    input.ariaExpanded = "false";
    input.removeAttribute("aria-activedescendant");
    active = -1;
  };
  const choose = (name: string): void => {
    input.value = name;
    close();
    tell();
    input.dispatchEvent(new Event("input", { bubbles: true }));
    close();
  };
  const tell = (): void => {
    const found = around.services.find((service) => service.name === input.value);
    note.textContent = found?.dead || (found?.note ?? "");
    note.hidden = !note.textContent;
  };

  input.addEventListener("input", (event) => {
    tell();
    if (event.isTrusted) {
      active = 0;
      open();
    }
  });
  input.addEventListener("focus", () => input.select());
  input.addEventListener("click", open);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const count = list.hidden ? 0 : list.children.length;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      active = count ? (active + (event.key === "ArrowDown" ? 1 : count - (active < 0 ? 0 : 1))) % count : 0;
      open();
    } else if (event.key === "Enter" && active >= 0) {
      event.preventDefault();
      choose(choices()[active] ?? input.value);
    } else if (event.key === "Escape" && !list.hidden) {
      event.preventDefault();
      close();
    }
  });
  return {
    show(value) {
      const said = textOf(value);
      const known = around.services.find((service) => namesOf(service).some((name) => fold(name) === fold(said)));
      input.value = fold(said) === "other" ? OTHER : (known?.name ?? said);
      input.dataset.said = said;
      input.dataset.shown = input.value;
      tell();
    },
    value() {
      // An alias stays as it was written until somebody chooses another service.
      if (input.value === input.dataset.shown) return input.dataset.said || undefined;
      return input.value.trim() === OTHER ? "other" : input.value.trim() || undefined;
    },
  };
}

function namesOf(service: EmailService): string[] {
  return [service.name, ...service.aliases];
}

function fold(name: string): string {
  return name.toLowerCase().replace(/[ _-]/g, "");
}
