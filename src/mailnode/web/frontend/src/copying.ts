// Texts that are copied by a button.

/** Copy the text beside a button, and say so on it. */
export async function copyBeside(button: HTMLElement): Promise<void> {
  const text = button.parentElement?.querySelector("code")?.textContent ?? "";
  const label = button.lastChild;
  if (!label) return;
  const words = label.textContent;
  try {
    await navigator.clipboard.writeText(text);
    label.textContent = "Copied";
  } catch {
    label.textContent = "Select the text to copy it";
  }
  button.addEventListener("blur", () => (label.textContent = words), { once: true });
}
