import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailnode.message.text import html_to_text


def lines(html: str) -> list[str]:
    text = html_to_text(html)
    assert not text or text.endswith("\n")
    return text.splitlines()


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("Hello", ["Hello"]),
        ("<h1>Hello</h1><p>Jane</p>", ["Hello", "", "Jane"]),
        ("<p>a<p>b", ["a", "", "b"]),
        ("<p>a</p>\n\n<p></p><p> </p>\n<p>b</p>", ["a", "", "b"]),
        ("<div>a</div><div><div>b</div></div>c", ["a", "b", "c"]),
        ("a<br>b<br/>c", ["a", "b", "c"]),
        ("a<br><br><br><br>b", ["a", "", "b"]),
        ("<p>a</p><hr><p>b</p>", ["a", "", "-" * 40, "", "b"]),
        ("a  b\n\tc<b> d</b> <i>e </i> f", ["a b c d e f"]),
        ("a<b>b</b>c", ["abc"]),
        ("a&nbsp;b\u00a0", ["a b"]),
        ("&lt;b&gt; &amp; &#8364; &euro; &copy &nosuch; &#x1F600;", ["<b> & € € © &nosuch; \U0001f600"]),
        ("Grüße, 日本 \U0001f468\u200d\U0001f469", ["Grüße, 日本 \U0001f468\u200d\U0001f469"]),
        ("say <q>hi</q>", ["say “hi”"]),
        ("x" * 2000, ["x" * 2000]),
    ],
)
def test_blocks_and_white_space(html: str, expected: list[str]) -> None:
    assert lines(html) == expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<a href='https://x.example/a?b=1&amp;c=2'>See</a>.", "See (https://x.example/a?b=1&c=2)."),
        ("<a href=https://x.example/>https://x.example</a>", "https://x.example"),
        ("<a href='https://www.x.example/'>x.example</a>", "x.example"),
        ("<a href='https://evil.example'>https://x.example</a>", "https://x.example (https://evil.example)"),
        ("<a href='#top'>Top</a>", "Top"),
        ("<a href='cid:1'>Picture</a>", "Picture"),
        ("<a href=' java\nscript:alert(1)'>Click</a>", "Click"),
        ("<a name=x>Anchor</a>", "Anchor"),
        ("<a href='mailto:a@x.example'>a@x.example</a>", "a@x.example"),
        ("<a href='mailto:a%2Bb@x.example?subject=Hi'>Write</a>", "Write (a+b@x.example)"),
        ("<a href='https://x.example/a b'>See</a>", "See (https://x.example/a%20b)"),
        ("<a href='https://x.example'><img alt='Shop'></a>", "Shop (https://x.example)"),
        ("<a href='https://x.example'><img></a>", "https://x.example"),
        ("<a href='https://x.example'></a>a", "a"),
        (
            "<a href='https://x.example'>one<a href='https://y.example'>two",
            "one (https://x.example)two (https://y.example)",
        ),
        ("<a href='https://x.example'>Pay </a>now", "Pay (https://x.example) now"),
        ("<a href='https://x.example'><div>Pay now</div></a>", "Pay now (https://x.example)"),
    ],
)
def test_links_tell_where_they_lead(html: str, expected: str) -> None:
    assert lines(html) == [expected]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p>x</p><ul><li>a</li><li>b</li></ul><p>y", ["x", "", "- a", "- b", "", "y"]),
        ("<ul><li>a<ul><li>b<li>c</ul><li>d</ul>", ["- a", "  - b", "  - c", "- d"]),
        ("<ol start=9><li>a<li>b<br>c</ol>", ["9. a", "10. b", "    c"]),
        ("<ol><li>a<li value=7>b<li>c<ol><li>d</ol></ol>", ["1. a", "7. b", "8. c", "   1. d"]),
        ("<ol start=x><li>a</ol>", ["1. a"]),
        ("<ul><li><p>a</p></li><li><p>b</p><p>c</p></li></ul>", ["- a", "- b", "", "  c"]),
        ("<dl><dt>Tea<dd>green<dt>Cup<dd>blue</dl>", ["Tea", "  green", "Cup", "  blue"]),
        ("<li>stray", ["- stray"]),
    ],
)
def test_lists_keep_their_shape(html: str, expected: list[str]) -> None:
    assert lines(html) == expected


def test_the_table_of_an_order_reads_as_one() -> None:
    html = """
    <table>
      <thead><tr><th>Item</th><th>Quantity</th><th>Price</th></tr></thead>
      <tbody>
        <tr><td>Green tea</td><td>2</td><td>7,00&nbsp;€</td></tr>
        <tr><td>茶碗</td><td>1</td><td>12,50&nbsp;€</td></tr>
        <tr><td colspan="2">Total</td><td><b>19,50</b> €</td></tr>
      </tbody>
    </table>"""
    assert lines(html) == [
        "Item       Quantity  Price",
        "Green tea  2         7,00 €",
        "茶碗       1         12,50 €",
        "Total                19,50 €",
    ]


def test_a_table_too_wide_for_columns_has_its_cells_parted() -> None:
    html = f"<table><tr><td>{'a' * 50}<td>{'b' * 50}<tr><td>c<td>d</table>"
    assert lines(html) == ["a" * 50 + " | " + "b" * 50, "c | d"]


def test_tables_that_are_layout_are_read_cell_by_cell() -> None:
    html = (
        "<table><tr><td><h1>Shop</h1><p>Hello</p></td></tr><tr><td>"
        "<table><tr><td>Tea</td><td>2</td></tr></table><p>Bye</p></td></tr></table>"
    )
    assert lines(html) == ["Shop", "", "Hello", "", "Tea  2", "", "Bye"]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<blockquote>a<br>b<p>c</p></blockquote>d", ["> a", "> b", ">", "> c", "", "d"]),
        ("<blockquote>a<blockquote>b</blockquote></blockquote>", ["> a", ">", "> > b"]),
        ("<ul><li><blockquote>a</blockquote></ul>", ["- > a"]),
        ("<p>x</p><pre>\n a\n\n   b  \n</pre>y", ["x", "", " a", "", "   b", "", "y"]),
    ],
)
def test_quotes_and_preformatted_text(html: str, expected: list[str]) -> None:
    assert lines(html) == expected


@pytest.mark.parametrize(
    "html",
    [
        "<script>if (a<b) x('</p>')</script>",
        "<style>p { color: red }</style>",
        "<head><title>Title</title><meta charset=utf-8></head>",
        "<template><p>no</p></template>",
        "<!-- no --><!-- > no --><!doctype html><?php no ?>",
        "<!--!> no --><!---!> no --!><!--><!---><!---->",
        "<div style='DISPLAY : none'>no<div>no</div>no</div>",
        "<p hidden>no</p>",
        "<span style='font-size:1px;max-height:0;overflow:hidden'>no</span>",
        "<svg><text>no</text></svg>",
        "<input value=no>",
        "<img src=cid:1><img src=x alt=''>",
        "\u200c&nbsp;\u200c&zwnj;&shy;\ufeff&#847;",
    ],
)
def test_what_is_not_seen_is_left_out(html: str) -> None:
    assert lines(f"<p>yes</p>{html}") == ["yes"]
    assert lines(html) == []


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("a <img alt='A cat' src=cat.png> b", "a A cat b"),
        ("good<img alt='&#9786;'>", "good☺"),
        ("<img alt='two\n words'>", "two words"),
    ],
)
def test_images_give_their_alternative_text(html: str, expected: str) -> None:
    assert lines(html) == [expected]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("1 < 2 & 3 > 2", ["1 < 2 & 3 > 2"]),
        ("a <b", ["a <b"]),
        ("<p title='a>b'>c</p>", ["c"]),
        ("<p title='a>b</p><p>c", ["b", "", "c"]),
        ("</p></ul></table></blockquote></a>ok", ["ok"]),
        ("<table><tr><td>a", ["a"]),
        ("<p hidden>no<p>yes", ["yes"]),
        ("&#99999999999999999999999999;", ["\ufffd"]),
        ("&#" + "9" * 5000 + ";", ["&#" + "9" * 5000 + ";"]),
        ("\x00a\x1bb\x07", ["ab"]),
    ],
)
def test_slips_cost_little(html: str, expected: list[str]) -> None:
    assert lines(html) == expected


@pytest.mark.parametrize(
    "piece",
    ["<div>", "<blockquote>a", "<ul><li>a", "<table><tr><td>a", "<pre>a\n", "<a href=x>a", "<b ", "<!--", "<a b='"],
)
def test_depth_and_hostile_repetition_are_taken(piece: str) -> None:
    text = html_to_text(piece * 20_000)
    assert len(text) < 40 * 20_000 + len(piece) * 20_000


TAGS = (
    "a",
    "b",
    "blockquote",
    "br",
    "dd",
    "div",
    "dl",
    "hr",
    "img",
    "li",
    "ol",
    "p",
    "pre",
    "q",
    "svg",
    "table",
    "td",
    "tr",
    "ul",
)
PIECES = st.one_of(
    st.sampled_from(TAGS).map("<{}>".format),
    st.sampled_from(TAGS).map("</{}>".format),
    st.sampled_from(
        [" ", "\n", "&nbsp;", "x", "<a href=y>", "<p hidden>", "<td colspan=3>", "<", "<!--", "-->", "'", "&#"]
    ),
    st.text(max_size=5),
)


@given(st.lists(PIECES, max_size=40).map("".join))
@settings(max_examples=100)
def test_any_html_gives_clean_text(html: str) -> None:
    text = html_to_text(html)
    assert text == "" or re.fullmatch(r"[^\n](?:[^\n]|\n)*[^\n]\n|[^\n]\n", text)
    assert not re.search(r"[ \t\r\x00-\x08]\n", text)
    assert "\n\n\n" not in text or "<pre>" in html


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8), min_size=1, max_size=8))
@settings(max_examples=50)
def test_no_word_is_lost(words: list[str]) -> None:
    html = "".join(f"<p><b>{word}</b></p>" for word in words)
    assert lines(html)[::2] == words
