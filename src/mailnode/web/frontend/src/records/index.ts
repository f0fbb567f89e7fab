// Deliveries, runs and the inbox: parts that renew themselves, and questions that come as dialogs.

export function mountRecords(): void {
  let seen = new Map<string, boolean>();
  // On the document, because a step back in the browser's history brings another main.
  // A button that is taken away between press and release is never clicked: what is under a finger is renewed later.
  let pressed: Node | null = null;
  document.addEventListener(
    "pointerdown",
    (event) => {
      pressed = event.target as Node;
    },
    true,
  );
  for (const end of ["pointerup", "pointercancel"]) {
    document.addEventListener(
      end,
      () =>
        setTimeout(() => {
          pressed = null;
        }),
      true,
    );
  }
  document.addEventListener("htmx:beforeSwap", (event) => {
    const part = event.target as Element;
    if (pressed && part.contains(pressed)) (event as CustomEvent<{ shouldSwap: boolean }>).detail.shouldSwap = false;
    seen = new Map([...detailsOf(part)].map((one) => [one.id, one.open]));
  });
  // What a reader has opened or closed stays so in the content that takes its place.
  document.addEventListener("htmx:load", (event) => {
    const part = event.target as Element;
    if (part.matches(".live")) {
      for (const one of detailsOf(part)) one.open = seen.get(one.id) ?? one.open;
    }
    showAsked(part);
  });
  // A session has its end, and the page of the login is no part of this one.
  document.addEventListener("htmx:beforeOnLoad", (event) => {
    const { xhr } = (event as CustomEvent<{ xhr: XMLHttpRequest }>).detail;
    if (new URL(xhr.responseURL).pathname !== "/login") return;
    event.preventDefault();
    location.reload();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const { elt, successful } = (event as CustomEvent<{ elt: Element; successful: boolean }>).detail;
    if (successful) elt.closest("dialog")?.close();
  });
}

function detailsOf(within: Element): NodeListOf<HTMLDetailsElement> {
  return within.querySelectorAll<HTMLDetailsElement>("details[id]");
}

/** A dialog that the server sends wants to be seen at once. */
function showAsked(within: Element): void {
  const asked = within.matches("dialog[data-show]") ? within : within.querySelector("dialog[data-show]");
  if (asked instanceof HTMLDialogElement && !asked.open) asked.showModal();
}
