// What is done to many deliveries: to those that are ticked, or if none are to all that match.

/** Have the buttons of a list say to how many things they would do something. */
export function mountBulk(): void {
  document.addEventListener("change", showCounts);
  document.addEventListener("htmx:load", showCounts);
  for (const zone of document.querySelectorAll<HTMLInputElement>("[data-zone]")) {
    zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
  }
}

function showCounts(): void {
  for (const group of document.querySelectorAll<HTMLElement>("[data-bulk]")) {
    const list = document.querySelector(group.dataset.bulk ?? "");
    const count = list?.querySelectorAll("[name=id]:checked").length ?? 0;
    for (const button of group.querySelectorAll<HTMLElement>("[data-all]")) {
      const { all = "", some = "" } = button.dataset;
      button.textContent = count ? some.replace("#", String(count)) : all;
    }
  }
}
