// Colours to pick from, with names that a screen reader can say.

const COLOURS: Record<string, string> = {
  Black: "#000000",
  Grey: "#6b6b6b",
  White: "#ffffff",
  Red: "#b3261e",
  Orange: "#b45309",
  Yellow: "#fde68a",
  Green: "#1d6b34",
  Teal: "#0b5c57",
  Blue: "#1f4fbf",
  Purple: "#6d28d9",
  Pink: "#f9a8d4",
  Sky: "#bae6fd",
};

/** Open the palette at a button; the answer is a colour, or an empty text for none. */
export function pickColour(opener: HTMLElement, title: string, before: string, picked: (colour: string) => void): void {
  const palette = document.createElement("div");
  palette.className = "palette";
  palette.popover = "auto";
  palette.role = "dialog";
  palette.ariaLabel = title;
  const answer = (colour: string): void => {
    palette.hidePopover();
    picked(colour);
  };
  for (const [name, colour] of Object.entries(COLOURS)) {
    const swatch = choice(name, () => answer(colour));
    swatch.className = "swatch";
    swatch.style.backgroundColor = colour;
    swatch.ariaPressed = String(colour === before);
    palette.append(swatch);
  }
  palette.append(ownColour(before, answer));
  const none = choice("None", () => answer(""));
  none.className = "button";
  none.textContent = "None";
  palette.append(none);
  palette.addEventListener("keydown", (event) => step(palette, event));
  palette.addEventListener("toggle", (event) => event.newState === "closed" && palette.remove());
  // In the field, not in the toolbar: its arrows are its own.
  (opener.closest("[data-rich]") ?? document.body).append(palette);
  palette.showPopover();
  const { left, bottom } = opener.getBoundingClientRect();
  palette.style.left = `${Math.max(4, Math.min(left, innerWidth - palette.offsetWidth - 4))}px`;
  palette.style.top = `${Math.min(bottom + 4, innerHeight - palette.offsetHeight - 4)}px`;
  (palette.querySelector<HTMLElement>('[aria-pressed="true"]') ?? palette.querySelector("button"))?.focus();
}

function choice(name: string, run: () => void): HTMLButtonElement {
  const element = document.createElement("button");
  element.type = "button";
  element.ariaLabel = name;
  element.title = name;
  element.addEventListener("click", run);
  return element;
}

function ownColour(before: string, answer: (colour: string) => void): HTMLInputElement {
  const input = document.createElement("input");
  input.type = "color";
  input.ariaLabel = "Another colour";
  input.title = "Another colour";
  input.value = /^#[0-9a-f]{6}$/i.test(before) ? before : "#000000";
  input.addEventListener("input", (event) => event.stopPropagation());
  input.addEventListener("change", (event) => {
    event.stopPropagation();
    answer(input.value);
  });
  return input;
}

function step(palette: HTMLElement, event: KeyboardEvent): void {
  const all = [...palette.querySelectorAll<HTMLElement>("button, input")];
  const at = all.indexOf(event.target as HTMLElement);
  const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 6, ArrowUp: -6 }[event.key];
  if (by === undefined || at < 0) return;
  event.preventDefault();
  all[Math.max(0, Math.min(all.length - 1, at + by))]?.focus();
}
