/** Errors of the API in the words of the form: keys are what their fields are called. */

import type { ErrorDetail } from "../api-types";

/** Give an error for the form; `labels` are the names of its fields by their keys. */
export function inWordsOfForm(error: ErrorDetail, labels: ReadonlyMap<string, string>): ErrorDetail {
  const label = labels.get(error.key);
  if (error.code === "missingSetting" && label && /^\w+ is missing\.?$/.test(error.message)) {
    return { ...error, message: `${label} is missing.`, hint: "" };
  }
  return { ...error, message: named(error.message, labels), hint: named(error.hint, labels) };
}

/** Replace keys by names; a key in small letters is a word like any other, and stays. */
function named(text: string, labels: ReadonlyMap<string, string>): string {
  return text.replace(/\b[a-z]+[A-Z][A-Za-z]*\b/g, (key) => labels.get(key) ?? key);
}
