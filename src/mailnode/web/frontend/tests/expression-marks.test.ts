import "./dom";
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeEntities, encodeEntities, lift, lower, markOf } from "../src/rich-text/expression-marks";

const WRITTEN: [html: string, written: string[]][] = [
  ["<p>Dear {{ input.name }}</p>", ["{{ input.name }}"]],
  [
    "<p>{{ input.a &amp;&amp; &quot;}}&quot; }} and {{{ input.b }}}</p>",
    ["{{ input.a &amp;&amp; &quot;}}&quot; }}", "{{{ input.b }}}"],
  ],
  ['<a href="{{ input["url"] }}">x</a>', ['{{ input["url"] }}']],
  ["<p>{{ input.a < 1 }}</p>", ["{{ input.a < 1 }}"]],
  ['<p>{{{ "<b>x</b>" }}}</p>', ['{{{ "<b>x</b>" }}}']],
  ["<p>{{ a &lt; b }}</p><p>{{ c }}</p>", ["{{ a &lt; b }}", "{{ c }}"]],
];

test("expressions are lifted as they were written, and come back byte for byte", () => {
  for (const [html, written] of WRITTEN) {
    const lifted = lift(html);
    assert.deepEqual(lifted.written, written);
    assert.equal(lower(lifted.marked, lifted.written), html);
    written.forEach((_, number) => assert.ok(lifted.marked.includes(markOf(number))));
  }
});

test("one that a tag cuts, that has no end or stands in a comment is text", () => {
  for (const html of [
    "<p>{{ <b>input.name</b> }}</p>",
    "<p>{{ input.name</p>",
    "<p>{{ }}</p>",
    "<!-- {{ input.name }} -->",
    "<p>&#123;&#123; input.name }}</p>",
  ]) {
    assert.deepEqual(lift(html), { marked: html, written: [] });
  }
});

test("a conditional comment for Outlook is content, and expressions in it are lifted", () => {
  assert.deepEqual(lift("<!--[if mso]><p>{{ input.name }}</p><![endif]-->").written, ["{{ input.name }}"]);
});

test("character references are decoded as a browser does it", () => {
  const decoded: [string, string][] = [
    ["&lt;b&gt; &amp;&amp; &quot;a&quot; &#39;b&#x27;", "<b> && \"a\" 'b'"],
    ["&euro;&nbsp;&hellip;", "\u20ac\u00a0\u2026"],
    ["&unknown; &amp", "&unknown; &amp"],
  ];
  for (const [written, text] of decoded) assert.equal(decodeEntities(written), text);
  assert.equal(decodeEntities(encodeEntities("a < b && c > d")), "a < b && c > d");
});
