// Words that several notices need.

const MOST_NAMED = 6;

export function buttonOf(words: string, work: () => void): HTMLButtonElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button";
  button.textContent = words;
  button.addEventListener("click", work);
  return button;
}

/** Join by commas and "and". */
export function listed(words: string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1) ?? ""}`;
}

export function named(lost: string[]): string {
  const some = lost.slice(0, MOST_NAMED).join(", ");
  return lost.length > MOST_NAMED ? `${some} and ${lost.length - MOST_NAMED} more` : some;
}
