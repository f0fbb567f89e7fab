// Content that is plain text, though it is HTML: its lines are kept here as a run keeps them.

import { decodeEntities, lift, lower } from "./expression-marks";

/** Plain text with a `<br>` for each line break; what holds a tag, a comment, an entity or `{{{ }}}` stays as it is. */
export function withLinesKept(content: string): string {
  const { marked, written } = lift(content);
  const isHtml =
    /<[A-Za-z/!?]/.test(marked) || decodeEntities(marked) !== marked || written.some((one) => one.startsWith("{{{"));
  if (isHtml) return content;
  return lower(marked.replace(/^[\r\n]+|[\r\n]+$/g, "").replace(/\r\n?|\n/g, "<br>"), written);
}
