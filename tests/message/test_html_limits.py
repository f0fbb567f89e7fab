"""The tree that is counted is never smaller than the one that the parser in native code makes."""

import json
import subprocess
import sys

import css_inline
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fuzz.written import tree
from mailnode.message import html_tree
from mailnode.message.html_tree import MOST_ATTRIBUTES, MOST_LEVELS, beyond_limits, measure

INLINER = css_inline.CSSInliner(keep_style_tags=True, keep_link_tags=True, load_remote_stylesheets=False)


def words(text):
    return text.split()


ON_A_SMALL_STACK = """
import json, sys, threading
import css_inline, nh3
def parse():
    for html in json.loads(sys.argv[1]):
        css_inline.inline(html)
        nh3.clean(html)
threading.stack_size(512 * 1024)
thread = threading.Thread(target=parse)
thread.start()
thread.join()
"""
NAMES = words("""
    a address annotation-xml b body br button caption center code col colgroup dd desc div dl dt em font foreignObject
    form frame frameset g h1 h2 head hr html i img input li math mglyph mi nobr noscript object ol optgroup option p
    plaintext pre rb rp rt rtc ruby script select span style svg table tbody td template textarea th title tr ul x-y
""")
DOCTYPES = [
    "",
    "<!doctype html>",
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1.dtd">',
    '<!doctype html public "-//W3C//DTD HTML 4.01 Transitional//EN">',
    "<!--><!doctype html>",
]
TEXTS = [
    "x",
    " ",
    "&amp;",
    "<!-- -->",
    "<![CDATA[x]]>",
    "x < y",
    "<!x>",
    "</ x>",
    "</>",
    "<!-->",
    "--><",
    '<p a="',
    "]]>",
]
ATTRIBUTES = ["", "", "", " a=1", " a='2'", " color=red", "/", " type=hidden", ' b="&amp;"', " a=/", ' x="<b>"']


@st.composite
def documents(draw):
    names = st.sampled_from(draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=8)))
    tags = st.tuples(st.sampled_from(["<", "<", "</"]), names, st.sampled_from(ATTRIBUTES), st.just(">")).map("".join)
    pieces = draw(st.lists(tags | tags | tags | st.sampled_from(TEXTS), max_size=40))
    return draw(st.sampled_from(DOCTYPES)) + "".join(pieces)


@settings(max_examples=400)
@example("<math></p><rp><ul><rp>")  # an end tag that ends foreign content
@example("<form><div></form>" * 5)  # a form that is around what its end tag left open
@example("<a><svg><desc>" * 5)  # so is a link
@example("<svg a=/>" * 5)  # a slash that is a value
@example("</head><template><p>x")
@example("".join(f"<p><font size={size}>" for size in range(9)))
@example("<b>" * 9 + "<div>" * 3 + "</b>" * 9 + "<p>x")
@example("<table><p><b><td></b><i></table>x")
@example("<p><table><p>")
@given(documents())
def test_no_tree_is_larger_than_it_is_measured(html):
    levels, elements = tree(INLINER.inline(html))
    size = measure(html)
    assert size.levels >= levels
    assert size.elements >= elements


@pytest.mark.parametrize("repeated", ["<li>x", "<p>x", "<tr><td>x", "<option>x", "<dt>x<dd>y", "<br>", "<td>", "<a>x"])
@pytest.mark.parametrize("around", ["{}", "<table>{}</table>", "<ul>{}", "<select>{}</select>", "<dl>{}"])
def test_a_list_without_end_tags_is_flat(repeated, around):
    assert measure(around.format(repeated * 1000)).levels < 12


@pytest.mark.parametrize(
    ("html", "levels"),
    [
        ("<!doctype html><html><head></head><body><div><p>x</p></div><p>y</p></body></html>", 4),
        ("<!doctype html><div><table><tr><td><table><tr><td>x", 11),
        ("<svg><g/><g/><g><path/></g></svg>", 5),
        ("<style><p><p></style><script>'<div>'</script><title><b></title><!-- <p><p> -->", 3),
        ("<script><!--<script></script><div></script>", 3),
        ("<p title='<div><div>'>x</p>", 3),
        ("x", 2),
        ("", 2),
    ],
)
def test_depth_is_that_of_the_tree(html, levels):
    assert measure(html).levels == levels
    assert "<!--" in html or tree(INLINER.inline(html))[0] == levels


@pytest.mark.parametrize(
    ("html", "why"),
    [
        ("<div>" * MOST_LEVELS, "it is nested deeper than 256 elements"),
        ("".join(f"<p><font size={size}>" for size in range(400)), "it is nested deeper than 256 elements"),
        ("<form><div></form>" * 200, "it is nested deeper than 256 elements"),
        ("<p><b><i><u></p>" + "<p>x</p>" * 30_000, "it has more than 100,000 elements"),
        ("<p " + "a " * (MOST_ATTRIBUTES + 1) + ">", "a tag has more than 500 attributes"),
        ("x" * 9_000_000, "it is longer than 8 MB"),
        (f"<p><font title='{'x' * 10_000}'></p>" + "<p>x</p>" * 1000, "it is longer than 8 MB"),
        ("<table><td><object></table>" * 600, "it has too many unclosed formatting elements"),
        (
            "".join(f"<b title='&#{at};'>" for at in range(9)),
            "it has many formatting elements that differ only in entities",
        ),
        ("<style>" + "a{" * 65, "one of its style sheets is nested deeper than 64 levels"),
        ("<style>" + "(/*)*/" * 65, "one of its style sheets is nested deeper than 64 levels"),
        ("<style>" + '(")"' * 65, "one of its style sheets is nested deeper than 64 levels"),
    ],
    ids=range(12),
)
def test_what_is_beyond_a_limit_is_told(html, why):
    assert beyond_limits(html) == why


def test_so_is_what_has_too_many_elements_or_tags(monkeypatch):
    monkeypatch.setattr(html_tree, "MOST_ELEMENTS", 1000)
    monkeypatch.setattr(html_tree, "MOST_TAGS", 2000)
    assert beyond_limits("<p>x</p>" * 990) == beyond_limits("</i>" * 2000) == ""
    assert beyond_limits("<p>x" * 1000) == "it has more than 1,000 elements"
    assert beyond_limits("</i>" * 1001 + "<!---->" * 1000) == "it has more than 2,000 tags"


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * (MOST_LEVELS - 2),
        "<p " + "a " * MOST_ATTRIBUTES + ">",
        "<style>p{color:red}" * 999 + "</style>",
        "<style>" + '"("' * 99 + "/*(*/" * 99 + "\\(" * 99 + "url(()" * 99,
        "<p a='x",
        "<",
        "<a href=x>x" * 9000,
        "<font face='&quot;Arial&quot;'>" * 9 + "<font color=red face='&quot;Verdana&quot;'>" * 9,
    ],
    ids=range(8),
)
def test_what_is_within_them_is_not(html):
    assert beyond_limits(html) == ""


def test_the_deepest_that_is_given_to_native_code_leaves_room_on_a_small_stack():
    """Threads have 512 KB on some systems; here 8 MB, and css-inline would die at 10,600 levels."""
    deep = ["<div title='x'>" * 253, "<table><tr><td>" * 63, "<svg>" + "<g>" * 253, "<p>" + "<b>" * 2 + "<i a=1>" * 3]
    deep = ["<style>p{color:red}</style>" + one + "<p>x" for one in deep]
    assert [beyond_limits(one) for one in deep] == [""] * 4
    assert [measure(one).levels for one in deep[:3]] == [256, 255, 256]
    done = subprocess.run([sys.executable, "-c", ON_A_SMALL_STACK, json.dumps(deep)], check=False)
    assert done.returncode == 0
