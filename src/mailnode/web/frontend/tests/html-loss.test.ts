import "./dom";
import assert from "node:assert/strict";
import { test } from "node:test";
import { lossOf } from "../src/rich-text/html-loss";

const SAME: [string, string][] = [
  ["<p>a</p>", "<p>a</p>"],
  ["<p><b>a</b></p>", "<p><strong>a</strong></p>"],
  ["<p><b><i>a</i></b></p>", "<p><em><strong>a</strong></em></p>"],
  ["<ul>\n  <li>a</li>\n</ul>", "<ul><li>a</li></ul>"],
  ['<p style="COLOR:red; margin: 0">a</p>', '<p style="margin: 0; color: red;">a</p>'],
  ['<p id="x" class="y">a</p>', '<p class="y" id="x">a</p>'],
  ["<table><tr><td>a</td></tr></table>", "<table><tbody><tr><td>a</td></tr></tbody></table>"],
  ["<p>{{ a &amp;&amp; b }}</p>", "<p>{{a && b}}</p>"],
  ["<p></p>", "<p><br></p>"],
  ["<p>a  b</p>", "<p>a b</p>"],
];

test("HTML that a reader can't tell apart is the same", () => {
  for (const [before, after] of SAME) assert.deepEqual(lossOf(before, after), [], before);
});

const LOST: [before: string, after: string, lost: string[]][] = [
  ["<div>a</div>", "<p>a</p>", ["<div>"]],
  ['<p class="x">a</p>', "<p>a</p>", ["class of <p>"]],
  ['<font color="red">a</font>', "<p>a</p>", ["<font>"]],
  ["<p>a</p><p>a</p>", "<p>a</p>", ["<p>"]],
  ["<!-- note --><p>a</p>", "<p>a</p>", ["comments"]],
  ["<!doctype html><p>a</p>", "<p>a</p>", ["<!doctype>"]],
  ['<p onclick="x()">a</p>', "<p>a</p>", ["onclick of <p>"]],
  ["<style>p { color: red }</style><p>a</p>", "<p>a</p>", ["<style>"]],
  ["<p>{{ a }}</p>", "<p>{{ b }}</p>", ["the arrangement of its elements"]],
  ["<p>{{ a }}</p>", "<p>{{{ a }}}</p>", ["the arrangement of its elements"]],
  ["<p>a</p><h1>b</h1>", "<h1>b</h1><p>a</p>", ["the arrangement of its elements"]],
];

test("what is lost is named for a reader", () => {
  for (const [before, after, lost] of LOST) assert.deepEqual(lossOf(before, after), lost, before);
});
