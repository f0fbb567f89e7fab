"""Documents made at random: they leave byte for byte, and every element has in Chromium the style that it had."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page, sync_playwright

from mailnode.node.inline import inline_style_sheets
from support.browser import chromium
from support.byte_invariant import changes

SELECTORS = (
    *(
        "p",
        "P",
        ".a",
        ".b",
        ".A",
        "#i",
        "*",
        "p.a",
        ".a.b",
        "div p",
        "div > p",
        "p + p",
        "p ~ b",
        "td",
        "table td",
        "b",
    ),
    *("tbody", "body", "html", ":root", "p:first-child", "p:nth-child(2n+1)", "p:not(.a)", "p:not(.a, #i)", ":not(b)"),
    *("[title]", "[TITLE=x]", "[title='X' i]", "[class~=b]", "[style]", "p[style*='color']", "p:empty", "svg *"),
    *("p:hover", "p::before", "p:before", "a:link", "[data-ogsc] .a", ".ExternalClass p", "#outlook .b", "u + .a"),
    *("p:is(.a)", ":where(.b)", "p:has(b)", "p::-webkit-x", ".a >", "..a", "noscript p", "li:last-child", ".\\61"),
)
DECLARATIONS = (
    *("color:red", "color: blue", "color:green!important", "color:var(--x)", "--x:lime", "color:inherit", "colour:x"),
    *("margin:1px", "margin-left:2px", "margin-inline:3px", "padding:4px !important", "padding-left:5px"),
    *("background:#fff;background:linear-gradient(red,blue)", "background-color:#eee", "background:url(a&b.png)"),
    *("font:10px/20px x", "font-size:11px", "line-height:12px", "font-family:\"A'B\", 'C'", "border:1px solid red"),
    *("border-left-color:blue", "border-width:2px", "text-decoration:none", "text-decoration-color:red", "all:unset"),
    *("display:block;display:-webkit-box", "display:none", "*zoom:1", "width:10px/**/", "color:rgb(1,2", "x:{y}"),
)
TAGS = ("p", "div", "b", "table", "tr", "td", "li", "A", "pre", "body", "select", "br", "tbody", "form", "h1", "html")
ATTRIBUTES = (
    *(" class=a", " class='a b'", ' CLASS="B"', " id=i", " title='x'", " title='<p class=a>'", " /", " href=x"),
    *(" style='color: gray'", " STYLE=margin:7px", ' style="font-family:&quot;x&quot;" style=x', " style", ' "', " =x"),
)
ELSE = (
    *(
        "text &amp; &copy &#x41; < > {",
        "\r\n\t",
        "<!-- <p class=a> -->",
        "<!--[if mso]><p class=a><![endif]-->",
        "<!-->",
    ),
    *("<!--[if mso]><style>.a{color:maroon}p{margin:9px!important}</style><![endif]-->", "<![if !mso]>", "<![endif]>"),
    *("<!--[if !mso]><!-->", "<!--<![endif]-->", "<noscript><p class=a>n</p></noscript>", "<template><p>t</template>"),
    *("<svg><![CDATA[<p>]]><g class=a /></svg>", "<svg><style>.b{color:navy}</style><p>", "<math><mi class=b>"),
    *("<textarea>\n<p></textarea>", "<title><p></title>", "<?xml version='1.0'?>", "</>", "<o:p class=a></o:p>"),
    *("<style>p{color:teal", "<p class=", "<script>'<p>'</script>", "<xmp><p></xmp>", "<plaintext>"),
)
FRAMES = (
    "{0}{1}",
    "<!DOCTYPE html><html><head>{0}</head><body>{1}</body></html>",
    "<!doctype html>{0}<body class=b>{1}",
)
SHEETS = ("<style>{}</style>", "<STYLE type='text/css'>\n{}\n</STYLE >", "<style><!--{}--></style>")
CONDITIONAL = (
    "<style media='(min-width:500px)'>{}</style>",
    "<style type=text/less>{}</style>",
    "<style title=t>{}</style>",
)
AT_RULES = ("@media (min-width:500px){{{}}}", "@supports (color:red){{{}}}", "@layer x{{{}}}", "@media print{{ {} }}")

rules = st.builds(
    "{}{{{}}}".format,
    st.lists(st.sampled_from(SELECTORS), min_size=1, max_size=2).map(", ".join),
    st.lists(st.sampled_from(DECLARATIONS), max_size=3).map("; ".join),
)
sheets = st.builds(
    str.format,
    st.sampled_from(SHEETS * 3 + CONDITIONAL),
    st.lists(rules | rules | st.builds(str.format, st.sampled_from(AT_RULES), rules), max_size=5).map(
        " /* c */\n".join
    ),
)
tags = st.builds(
    "<{}{}>x".format, st.sampled_from(TAGS), st.lists(st.sampled_from(ATTRIBUTES), max_size=2).map("".join)
)
ends = st.sampled_from(TAGS).map("</{}>".format)
documents = st.builds(
    str.format,
    st.sampled_from(FRAMES),
    st.lists(sheets, min_size=1, max_size=3).map("\n".join),
    st.lists(tags | tags | tags | ends | st.sampled_from(ELSE) | sheets, max_size=8).map("".join),
)

# Where scripts do not run <noscript> is markup, as in mail readers; some of these put attributes around a mail.
STYLES = """([html, width, reader]) => {
    const frame = document.createElement('iframe');
    frame.sandbox = 'allow-same-origin';
    frame.style.width = width + 'px';
    document.body.append(frame);
    const inner = frame.contentDocument;
    inner.open(); inner.write(html); inner.close();
    if (reader) {
        inner.documentElement.setAttribute('data-ogsc', '');
        inner.body?.classList?.add('ExternalClass');
        inner.documentElement.id = 'outlook';
    }
    const names = ['color', 'margin', 'padding', 'background', 'font', 'border', 'text-decoration', 'display',
        'width', '--x'];
    const said = [...inner.querySelectorAll('*')].filter((one) => one.localName !== 'style').map((one) =>
        [null, '::before'].map((what) => {
            const style = frame.contentWindow.getComputedStyle(one, what);
            return one.localName + names.map((name) => ' ' + style.getPropertyValue(name)).join();
        }));
    frame.remove();
    return said;
}"""


@given(documents)
@settings(max_examples=100, deadline=None)
def test_what_leaves_is_what_was_written(html: str) -> None:
    left = inline_style_sheets(html)
    assert left.warnings == ()
    changes(html, left.html)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium())
        yield browser.new_page()
        browser.close()


@given(documents)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_element_looks_as_before(page: Page, html: str) -> None:
    left = inline_style_sheets(html).html
    if left == html:
        return
    for width in (300, 700):
        for reader in (False, True):

            def styles(source: str) -> Any:
                return page.evaluate(STYLES, [source, width, reader])  # noqa: B023 -- used at once

            assert styles(left) == styles(html), (width, reader)
