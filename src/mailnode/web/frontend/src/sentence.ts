// As web/sentence.py does it: an error, which results say in lower case, as the sentence that a page shows.

/** Give a text with a capital at its beginning and a full stop at its end, where plain words stand there. */
export function sentence(text: string): string {
  const isWord = /^(?!(?:mailnode|localhost)\b)[a-z]+(?:['-][a-z]+)*(?=[\s,;]|:(?!\/\/)|$)/.test(text);
  const begun = isWord ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return /(?:^|\s)["“(]*[\p{L}\p{N}_'’-]+[)\]"”'’]*$/u.test(begun) ? `${begun}.` : begun;
}
