// The path that everything is below, where a proxy gives mailnode a part of a site.

const BASE = document.documentElement.dataset.base ?? "";

/** Give the address of a path of ours. */
export function at(path: string): string {
  return BASE + path;
}

/** Give the path of the page that is open, as the server knows it. */
export function pathHere(): string {
  return location.pathname.slice(BASE.length);
}
