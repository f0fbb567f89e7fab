// Email Service: a search among the services that are known by name, or "other".

import type { EmailService } from "../api-types";
import { element, find } from "../dom";
import { textOf } from "./settings";
import type { Surroundings, Widget } from "./widget";

export const OTHER = "Other SMTP Service";
const NO_FIT = 2;

export function mountService(field: HTMLElement, around: Surroundings): Widget {
  const input = find<HTMLInputElement>(field, "input");
  const list = find<HTMLElement>(field, "[role=listbox]");
  const note = find<HTMLElement>(field, "[data-note]");
  let active = -1;

  const choices = (): string[] => choicesFor(input.value, around.services);
  /** The choice that is highlighted, as long as it fits what was typed: it counts as chosen. */
  const matched = (): string | undefined => {
    if (list.hidden || active < 0) return undefined;
    const choice = choices()[active];
    return choice && isFit(choice, input.value, around.services) ? choice : undefined;
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
    const found = around.services.find((service) => service.name === (matched() ?? input.value));
    note.textContent = found?.dead || (found?.note ?? "");
    note.hidden = !note.textContent;
  };

  // Before the form reads the field: what is highlighted is what it reads.
  input.addEventListener("input", (event) => {
    if (event.isTrusted) {
      active = 0;
      open();
    }
    tell();
  });
  input.addEventListener("focus", () => input.select());
  input.addEventListener("click", open);
  input.addEventListener("blur", () => {
    const choice = matched();
    if (choice) choose(choice);
    else close();
  });
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
      input.dispatchEvent(new Event("input", { bubbles: true }));
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
      const said = matched() ?? input.value.trim();
      return said === OTHER ? "other" : said || undefined;
    },
  };
}

/** Give what the list shows for a text: all for a whole name, else what begins with it before what has it within. */
export function choicesFor(text: string, services: readonly EmailService[]): string[] {
  const sought = text.trim().toLowerCase();
  const names = services.map((service) => service.name);
  if (!sought || [OTHER, ...names].some((name) => name.toLowerCase() === sought)) return [OTHER, ...names];
  const ranked = services.map((service) => ({ name: service.name, rank: rankOf(service, sought) }));
  const fitting = ranked.filter(({ rank }) => rank < NO_FIT).sort((one, two) => one.rank - two.rank);
  const known = fitting.map(({ name }) => name);
  return OTHER.toLowerCase().startsWith(sought) ? [OTHER, ...known] : [...known, OTHER];
}

/** Whether a choice has in it what was typed; *other* is offered for everything. */
export function isFit(choice: string, text: string, services: readonly EmailService[]): boolean {
  const sought = text.trim().toLowerCase();
  if (!sought) return false;
  if (choice === OTHER) return OTHER.toLowerCase().startsWith(sought);
  const service = services.find(({ name }) => name === choice);
  return service !== undefined && rankOf(service, sought) < NO_FIT;
}

function rankOf(service: EmailService, sought: string): number {
  const words = [...namesOf(service), ...service.domains, service.host].map((word) => word.toLowerCase());
  return words.some((word) => word.startsWith(sought)) ? 0 : words.some((word) => word.includes(sought)) ? 1 : NO_FIT;
}

function namesOf(service: EmailService): string[] {
  return [service.name, ...service.aliases];
}

function fold(name: string): string {
  return name.toLowerCase().replace(/[ _-]/g, "");
}
