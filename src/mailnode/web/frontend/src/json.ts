// JSON that a person has typed.

/** Give the JSON object that a text is, {} for none; null where it is something else. */
export function jsonObject(text: string): Record<string, unknown> | null {
  try {
    const parsed = JSON.parse(text || "{}") as unknown;
    return typeof parsed === "object" && !Array.isArray(parsed) ? (parsed as Record<string, unknown> | null) : null;
  } catch {
    return null;
  }
}
