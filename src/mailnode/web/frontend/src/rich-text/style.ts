// The value of a style attribute, cut into its declarations as they were written (a browser would drop what it doesn't know).

/** Give property and value of each declaration, in an order that only depends on what applies. */
export function declarationsOf(style: string): [string, string][] {
  const declarations = split(style).flatMap((declaration): [string, string][] => {
    const colon = declaration.indexOf(":");
    const property = declaration.slice(0, colon).trim().toLowerCase();
    const value = declaration
      .slice(colon + 1)
      .trim()
      .replace(/\s+/g, " ");
    return colon > 0 && property && value ? [[property, value]] : [];
  });
  return declarations.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
}

/** Give the declarations of a style that are not about these properties; empty when none is left. */
export function styleWithout(style: string, properties: readonly string[]): string {
  const kept = split(style).filter((declaration) => {
    const [property = "", value = ""] = declaration.split(/:(.*)/s);
    return property.trim() && value.trim() && !properties.includes(property.trim().toLowerCase());
  });
  return kept.map((declaration) => declaration.trim()).join("; ");
}

/** Cut at semicolons outside of quotes and brackets. */
function split(style: string): string[] {
  return style.match(/(?:[^;"'(]|"[^"]*"?|'[^']*'?|\((?:[^)"']|"[^"]*"?|'[^']*'?)*\)?)+/g) ?? [];
}
