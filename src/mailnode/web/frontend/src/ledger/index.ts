// Deliveries, runs and the inbox: parts that renew themselves, and questions that come as dialogs.

export function mountLedger(main: HTMLElement): void {
  let open: string[] = [];
  main.addEventListener("htmx:beforeSwap", (event) => {
    open = [...(event.target as Element).querySelectorAll("details[open][id]")].map((one) => one.id);
  });
  // What a reader has opened stays so in the content that takes its place; what was closed too.
  main.addEventListener("htmx:load", (event) => {
    const part = event.target as Element;
    if (part.matches(".live") && open.length) {
      for (const one of part.querySelectorAll<HTMLDetailsElement>("details[id]")) one.open ||= open.includes(one.id);
    }
    showAsked(part);
  });
  main.addEventListener("htmx:afterRequest", (event) => {
    const { elt, successful } = (event as CustomEvent<{ elt: Element; successful: boolean }>).detail;
    if (successful) elt.closest("dialog")?.close();
  });
}

/** A dialog that the server sends wants to be seen at once. */
function showAsked(within: Element): void {
  const asked = within.matches("dialog[data-show]") ? within : within.querySelector("dialog[data-show]");
  if (asked instanceof HTMLDialogElement && !asked.open) asked.showModal();
}
