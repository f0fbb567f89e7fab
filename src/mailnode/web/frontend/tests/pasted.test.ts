import "./dom";
import assert from "node:assert/strict";
import { test } from "node:test";
import { readPasted } from "../src/rich-text/pasted";
import { parserOf, writeStored } from "../src/rich-text/stored-html";
import { schema } from "./schema";

/** What the editor stores of what was pasted. */
function stored(html: string): string {
  const { body } = new DOMParser().parseFromString(readPasted(html).html, "text/html");
  return writeStored(parserOf(schema).parse(body));
}

const bullet = (level: number, text: string): string =>
  `<p class=MsoListParagraph style='margin-left:${36 * level}.0pt;text-indent:-18.0pt;mso-list:l0 level${level} lfo1'>` +
  `<![if !supportLists]><span style='font-family:Symbol;mso-fareast-font-family:Symbol'><span style='mso-list:Ignore'>·` +
  `<span style='font:7.0pt "Times New Roman"'>&nbsp;&nbsp;&nbsp; </span></span></span><![endif]>` +
  `<span lang=EN-US style='mso-ansi-language:EN-US'>${text}<o:p></o:p></span></p>`;

const number = (list: string, sign: string, text: string): string =>
  `<p class=MsoListParagraphCxSpMiddle style='text-indent:-18.0pt;mso-list:${list} level1 lfo2'><![if !supportLists]>` +
  `<span style='mso-list:Ignore'>${sign}<span style='font:7.0pt "Times New Roman"'>&nbsp; </span></span><![endif]>${text}<o:p></o:p></p>`;

const WORD = `<html xmlns:o="urn:schemas-microsoft-com:office:office" xmlns:w="urn:schemas-microsoft-com:office:word">
<head><meta name=Generator content="Microsoft Word 15"><!--[if gte mso 9]><xml><w:WordDocument></w:WordDocument></xml><![endif]-->
<style><!--
 /* Font Definitions */
 @font-face {font-family:"Cambria Math"; panose-1:2 4 5 3 5 4 6 3 2 4;}
 p.MsoNormal, li.MsoNormal {mso-style-unhide:no; margin:0cm; font-size:11.0pt; font-family:"Calibri",sans-serif;}
 h1 {mso-style-priority:9; font-size:16.0pt; color:#2F5496;}
 @page WordSection1 {size:595.3pt 841.9pt; margin:70.85pt;}
 div.WordSection1 {page:WordSection1;}
--></style></head><body lang=DE style='tab-interval:35.4pt'><!--StartFragment--><div class=WordSection1>
<h1>Offer<o:p></o:p></h1>
<p class=MsoNormal>Dear <b style='mso-bidi-font-weight:normal'>Jane</b>, <span style='color:red;mso-themecolor:text1'>red</span>
and <u>under</u><o:p></o:p></p>
<p class=MsoNormal><o:p>&nbsp;</o:p></p>
${bullet(1, "one")}${bullet(2, "deeper")}${bullet(1, "two")}
<p class=MsoNormal>then<o:p></o:p></p>
${number("l1", "3.", "three")}${number("l1", "4.", "four")}${number("l2", "a)", "other")}
</div><!--EndFragment--></body></html>`;

test("lists of Word become lists, and its paragraphs keep their look", () => {
  const html = stored(WORD);
  assert.match(html, /<h1 style="color: #2F5496; font-size: 16.0pt">Offer<\/h1>/);
  assert.match(html, /<ul><li>one<ul><li>deeper<\/li><\/ul><\/li><li>two<\/li><\/ul>/);
  assert.match(html, /<ol start="3"><li>three<\/li><li>four<\/li><\/ol><ol type="a"><li>other<\/li><\/ol>/);
  assert.match(
    html,
    /<p style="[^"]*margin: 0cm[^"]*">Dear <strong>Jane<\/strong>, <span style="color: red">red<\/span>/,
  );
  assert.match(html, /<p[^>]*><br><\/p>/);
  assert.doesNotMatch(html, /mso|Mso|Symbol|·|o:p|supportLists|WordSection/);
  assert.deepEqual(readPasted(WORD).lost, []);
});

const GMAIL = `<meta http-equiv="content-type" content="text/html; charset=utf-8"><div dir="ltr"><div>Hello <font color="#ff0000" size="4">
big red</font></div><div><br></div><div><span style="font-weight:bold;background-color:rgb(255,255,0)">yes</span></div></div><br>
<div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">On Mon, Nov 2, 2026 Jane wrote:<br></div>
<blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex">
<div>quoted <img src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7" alt="Logo" width="120" height="40"></div></blockquote></div>`;

test("Gmail's colours, sizes, quotes and images are kept", () => {
  const html = stored(GMAIL);
  assert.match(html, /<span style="color: #ff0000; font-size: 18px"> ?big red<\/span>/);
  assert.match(html, /<div><br><\/div>/);
  assert.match(
    html,
    /<strong><span style="background-color: rgb\(255, ?255, ?0\)">yes|<span style="background-color: rgb\(255, ?255, ?0\)"><strong>yes/,
  );
  assert.match(html, /<blockquote style="border-left: 1px solid rgb\(204,204,204\)[^"]*" class="gmail_quote">/);
  assert.match(html, /<img src="data:image\/gif;base64,[^"]*" alt="Logo" width="120" height="40">/);
});

const OUTLOOK = `<div style="font-family: Aptos, Arial, sans-serif; font-size: 12pt; color: rgb(0, 112, 192);" class="elementToProof">Blue text</div>
<div class="elementToProof"><b><span style="font-size:14pt;mso-fareast-language:EN-US">Bigger</span></b></div>
<table class="MsoNormalTable" border="0" cellspacing="0" cellpadding="0" style="border-collapse:collapse"><thead><tr><th style="border:solid windowtext 1.0pt;padding:0cm 5.4pt">Item</th></tr></thead>
<tbody><tr><td valign="top" style="background:#D9E2F3;border:solid windowtext 1.0pt"><p class="MsoNormal">Tea<o:p></o:p></p></td></tr></tbody></table>
<hr style="display:inline-block;width:98%"><div id="divRplyFwdMsg" dir="ltr"><font face="Calibri, sans-serif" style="font-size:11pt" color="#000000"><b>From:</b> Jane</font></div>
<p><img src="cid:image001.png@01DB" width="100" height="50"><img src="file:///C:/Users/jane/clip_image002.png" width="300"><img src="https://example.com/a.png"></p>`;

test("Outlook's fonts, tables and rules are kept, and its images that are nowhere are told", () => {
  const html = stored(OUTLOOK);
  assert.match(html, /<div style="[^"]*color: rgb\(0, 112, 192\)[^"]*">Blue text<\/div>/);
  assert.match(html, /<span style="font-size: 14pt"><strong>Bigger/);
  assert.match(
    html,
    /<thead><tr><th style="[^"]*border: solid windowtext 1.0pt[^"]*">Item<\/th><\/tr><\/thead><tbody>/,
  );
  assert.match(html, /<td [^>]*background: #D9E2F3/);
  assert.match(html, /<hr style="[^"]*width: 98%[^"]*">/);
  assert.match(html, /font-family: Calibri, sans-serif/);
  assert.match(html, /<img src="https:\/\/example.com\/a.png">/);
  assert.deepEqual(readPasted(OUTLOOK).lost, ["2 images that are not on the web"]);
});

const DOCS = `<meta charset="utf-8"><b style="font-weight:normal;" id="docs-internal-guid-1"><p dir="ltr" style="line-height:1.38;margin-top:0pt;">
<span style="font-size:11pt;font-family:Arial,sans-serif;color:#000000;background-color:transparent;font-weight:700;font-style:normal;text-decoration:underline;white-space:pre-wrap;">Bold</span></p>
<ul style="margin-top:0;padding-inline-start:48px;"><li dir="ltr" style="list-style-type:disc;" aria-level="1"><p dir="ltr" role="presentation"><span style="font-weight:400;vertical-align:super">x</span></p></li></ul></b>`;

const EXCEL = `<style><!--table {mso-displayed-decimal-separator:",";} .xl65 {color:white; font-weight:700; background:#4472C4;} td {padding-top:1px;}--></style>
<table border=0 cellpadding=0 width=174><col width=87><tr height=20><td height=20 class=xl65 width=87>Item</td><td class=xl65 x:num>5</td></tr></table>`;

test("what Google Docs and Excel write in their own ways is written in ours", () => {
  const docs = stored(DOCS);
  assert.match(docs, /<strong>/);
  assert.match(docs, /<u>/);
  assert.match(docs, /<sup>x<\/sup>/);
  assert.match(docs, /font-size: 11pt/);
  assert.doesNotMatch(docs, /white-space|font-style|transparent|<b |docs-internal/);
  const excel = stored(EXCEL);
  assert.match(excel, /<td [^>]*style="[^"]*background: #4472C4; color: white; font-weight: 700[^"]*"[^>]*>Item<\/td>/);
});

test("what nobody may mail is told by what and how many", () => {
  const html =
    '<p>a</p><form><input name=x><select></select><button>go</button></form><iframe src="x"></iframe><svg></svg><video></video>' +
    '<a href="javascript:x()">link</a><img src="https://example.com/pixel.gif" width=1 height=1><img width="1" height="1">';
  assert.deepEqual(readPasted(html).lost, [
    "1 embedded page",
    "1 video or sound",
    "1 drawing or formula",
    "3 fields or buttons of forms",
    "1 link to an address that no email may have",
  ]);
  assert.doesNotMatch(stored(html), /javascript|iframe|input|form/);
  assert.match(stored(html), /link/);
});

test("what was copied here comes back as it was", () => {
  const own = '<p data-pm-slice="1 1 []" data-if="input.vip" class="lead" style="mso-line-height-rule: exactly">a</p>';
  assert.equal(readPasted(own).html, own);
  assert.doesNotMatch(stored('<p data-if="x">a</p>'), /data-if/);
});

test("a deep and a wide paste have an end", () => {
  assert.ok(stored("<div>".repeat(200) + "x").includes("x"));
  assert.ok(stored(bullet(1, "x").repeat(300)).split("<li>").length === 301);
});
