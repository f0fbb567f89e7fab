import pytest

from mailnode.message.html_tree.extents import ExtentError, elements_with
from mailnode.message.html_tree.stack import BeyondLimitError


def found(html):
    return [html[one.start : one.end] for one in elements_with(html, {"x"}, most_levels=256, most_tags=1000)]


@pytest.mark.parametrize(
    ("html", "elements"),
    [
        ("<p x>a</p>b", ["<p x>a</p>"]),
        ("<P X>a</P>b", ["<P X>a</P>"]),
        ("<p x='>'>a</p>b", ["<p x='>'>a</p>"]),
        ("<p y='x'>a</p>", []),
        ("<!-- <p x> --><p>", []),
        ("<textarea><p x></textarea><script><p x></script>", []),
        # An end tag that was left out.
        ("<ul><li x>a<li x>b</ul>c", ["<li x>a", "<li x>b"]),
        ("<li x>1<ul><li>2</ul></li>z", ["<li x>1<ul><li>2</ul></li>"]),
        ("<table><tr x><td>1<tr><td x>2<td>3</table>", ["<tr x><td>1", "<td x>2"]),
        ("<table><tbody x><tr><td>1<tbody><tr><td></table>", ["<tbody x><tr><td>1"]),
        ("<table><caption x>1<tr><td>2</table>", ["<caption x>1"]),
        ("<colgroup x><col><tr>", ["<colgroup x><col>"]),
        ("<select><option x>1<option x>2</select>", ["<option x>1", "<option x>2"]),
        ("<dl><dt x>1<dd x>2</dl>", ["<dt x>1", "<dd x>2"]),
        ("<ruby>a<rt x>b<rp x>c</ruby>", ["<rt x>b", "<rp x>c"]),
        ("<p x>a\n\n<p>b", ["<p x>a\n\n"]),
        ("<p x>a<div>b</div>", ["<p x>a"]),
        ("<p><b x>1</p>2", ["<b x>1"]),
        ("<a x>1<a x>2</a>", ["<a x>1", "<a x>2</a>"]),
        ("<html><body><p x>a</body></html>", ["<p x>a"]),
        ("<p x>un", ["<p x>un"]),
        # With a doctype of today a table ends a paragraph.
        ("<p x>a<table></table>b</p>", ["<p x>a<table></table>b</p>"]),
        ("<!doctype html><p x>a<table></table>b</p>", ["<p x>a"]),
        # Void elements, and those whose content is no markup.
        ("<img x>b<br x/>c", ["<img x>", "<br x/>"]),
        ("<style x>p{}</style>a<title x>1</title>2", ["<style x>p{}</style>", "<title x>1</title>"]),
        ("<svg><g x><circle x/></g></svg>", ["<g x><circle x/></g>", "<circle x/>"]),
        ("<mj-text x>1</mj-text>", ["<mj-text x>1</mj-text>"]),
        # A piece of a page, and what only some readers see.
        ("<tr x><td>1</td></tr>\n<tr><td>", ["<tr x><td>1</td></tr>"]),
        ("<td x>1<td>2", ["<td x>1"]),
        ("<tr x><td>1</td></tr><p>a</p><tr x><td>2</td></tr>", ["<tr x><td>1</td></tr>", "<tr x><td>2</td></tr>"]),
        ("<p>a</p><!--[if mso]><tr x><td>1</td></tr><![endif]-->q", ["<tr x><td>1</td></tr>"]),
        ("<!--[if mso]><td x>1<td>2</td><![endif]-->q", ["<td x>1"]),
        ("<noscript x><p x>1</p></noscript>2", ["<noscript x><p x>1</p></noscript>", "<p x>1</p>"]),
        ("<table><tr><td x><table><tr><td>1</table></td></tr></table>", ["<td x><table><tr><td>1</table></td>"]),
        ("<h1 x>a</h2>b", ["<h1 x>a</h2>"]),
        ("</template><p x>1</p>", ["<p x>1</p>"]),
    ],
)
def test_an_element_ends_where_the_rules_of_html_say(html, elements):
    assert found(html) == elements


@pytest.mark.parametrize(
    ("html", "words"),
    [
        ("<div><tr x></div>", "browsers drop it"),
        ("<p>a</p><tr x><td>1</td></tr>", "browsers drop it"),
        ("<body x><p>", "the page itself"),
        ("<b x>1<p>2</b>3</p>", "overlaps <p>"),
        ("<!--[if mso]><td x><![endif]-->1<!--[if mso]></td><![endif]-->", "does not end in the conditional comment"),
        ("<!doctype html><form x><div></form></div>", "overlaps <div>"),
    ],
)
def test_an_element_without_an_extent_of_its_own_is_refused(html, words):
    with pytest.raises(ExtentError, match=words) as caught:
        found(html)
    assert caught.value.remedy


def test_what_is_too_deep_is_refused():
    with pytest.raises(BeyondLimitError):
        found("<div x>" * 300)
