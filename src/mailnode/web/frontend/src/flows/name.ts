/** The name most like what was typed, of those that the server takes: letters, digits, hyphens and underscores, in folders. */
export function nameOf(typed: string): string {
  return typed.split("/").map(partOf).join("/");
}

function partOf(typed: string): string {
  if (/^[\w-]*$/.test(typed)) return typed;
  const plain = typed.normalize("NFKD").replace(/\p{Mn}/gu, "");
  return (
    plain
      .replace(/\W+/g, "-")
      .replace(/^-+|-+$/g, "")
      .toLowerCase()
      .slice(0, 64) || typed
  );
}
