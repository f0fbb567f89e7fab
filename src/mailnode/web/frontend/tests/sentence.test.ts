import assert from "node:assert/strict";
import { test } from "node:test";
import { sentence } from "../src/sentence";

test("an error is a sentence, as the server's own pages have it", () => {
  const shown: [string, string][] = [
    ["", ""],
    ["the address is invalid", "The address is invalid."],
    ["one-click needs https", "One-click needs https."],
    ["is it there?", "Is it there?"],
    ["smtp.host is missing", "smtp.host is missing."],
    ["tlsOption is none", "tlsOption is none."],
    ["mailnode failed", "mailnode failed."],
    ["localhost:25 does not answer", "localhost:25 does not answer."],
    ["http://127.0.0.1/a.pdf leads to a private address", "http://127.0.0.1/a.pdf leads to a private address."],
    ["write it like jane@example.org", "Write it like jane@example.org"],
    ["the expression has no end: {{ input.order", "The expression has no end: {{ input.order"],
    ["allow it (and only it)", "Allow it (and only it)."],
    ["'x' can't be a name", "'x' can't be a name."],
  ];
  for (const [said, words] of shown) {
    assert.equal(sentence(said), words);
    assert.equal(sentence(words), words);
  }
});
