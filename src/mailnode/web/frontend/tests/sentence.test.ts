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
    ["'x' can't be a name", "'x' can't be a name."],
  ];
  for (const [said, words] of shown) {
    assert.equal(sentence(said), words);
    assert.equal(sentence(words), words);
  }
});
