import "./dom";
import assert from "node:assert/strict";
import { test } from "node:test";
import { nameOf } from "../src/flows/name";
import { withLinesKept } from "../src/rich-text/plain-text";
import { declarationsOf, styleWithout } from "../src/rich-text/style";
import { isSafeUrl } from "../src/rich-text/url";

test("plain text keeps its lines, and HTML stays as it is", () => {
  assert.equal(
    withLinesKept("\nDear {{ input.name.split(\n' ')[0] }},\r\n\nbye & thanks\n"),
    "Dear {{ input.name.split(\n' ')[0] }},<br><br>bye & thanks",
  );
  for (const html of ["<p>a\nb</p>", "a &amp;\nb", "{{{ input.html }}}\nb", "<!-- a -->\nb"])
    assert.equal(withLinesKept(html), html);
});

test("a style is cut into declarations, not at semicolons within quotes and brackets", () => {
  assert.deepEqual(declarationsOf("color: RED;  background: url(a;b.png) ; font-family: 'a;b', \"c;d\"; broken; : x"), [
    ["background", "url(a;b.png)"],
    ["color", "RED"],
    ["font-family", "'a;b', \"c;d\""],
  ]);
  assert.equal(styleWithout("color: red; text-align: left;MARGIN:0", ["text-align", "color"]), "MARGIN:0");
  assert.equal(styleWithout("color: red", ["color"]), "");
});

test("an address with code in it is refused, however it is hidden", () => {
  for (const url of ["https://example.com", "mailto:a@b.c", "tel:1", "cid:logo", "/a", "#b", "{{ input.url }}", ""]) {
    assert.ok(isSafeUrl(url), url);
  }
  for (const url of [
    "javascript:alert(1)",
    " java\nscript:alert(1)",
    "JAVASCRIPT:1",
    "data:text/html,x",
    "vbscript:x",
    "java\u00adscript:1",
  ]) {
    assert.ok(!isSafeUrl(url), url);
  }
  assert.ok(isSafeUrl("data:image/png;base64,AA", true));
  assert.ok(!isSafeUrl("data:image/png;base64,AA"));
  assert.ok(!isSafeUrl("data:image/svg+xml;base64,AA", true));
});

test("what is typed as a flow's name becomes one", () => {
  const names: [string, string][] = [
    ["order-shipped", "order-shipped"],
    ["Order_2", "Order_2"],
    ["Order confirmation", "order-confirmation"],
    ["  Grüße & Co. ", "gru-e-co"],
    ["été", "ete"],
    ["x".repeat(80) + " y", "x".repeat(64)],
    ["日本", "日本"],
  ];
  for (const [typed, name] of names) assert.equal(nameOf(typed), name);
});
