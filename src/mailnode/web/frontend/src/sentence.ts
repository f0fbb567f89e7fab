// As web/sentence.py does it: an error, which results say in lower case, as the sentence that a page shows.

/** Give a text with a capital at its beginning, if a plain word stands there, and a full stop at its end. */
export function sentence(text: string): string {
  const isWord = /^(?!(?:mailnode|localhost)\b)[a-z]+(?:['-][a-z]+)*(?=[\s,;:]|$)/.test(text);
  const begun = isWord ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return !begun || /[.!?…:]$/.test(begun) ? begun : `${begun}.`;
}
