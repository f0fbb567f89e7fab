"""MJML made HTML: what is carried around its compiler, and what is said of what can't be."""

import re
import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailnode.errors import ErrorCode, MailnodeError, install_hint
from mailnode.node.expression import Evaluator
from mailnode.node.html import HtmlTemplate, render_html
from mailnode.node.mjml import _compiled, compile_mjml, is_mjml
from mailnode.node.mjml.components import CHILDREN, EMPTY, HTML_HOLDERS, IN_HEAD, NAMES, parents

EACH = 'data-each="item of input.items" data-if="item.good"'
NOT_CARRIED = {"mjml", "mj-body", "mj-raw", "mj-carousel-image", *IN_HEAD}
CARRIED = sorted(NAMES - NOT_CARRIED)
# What the directives of an element stand on: the outermost element that is made of it.
OUTERMOST = {
    **dict.fromkeys(("mj-section", "mj-wrapper", "mj-group", "mj-column", "mj-hero"), "div"),
    **dict.fromkeys(("mj-accordion-title", "mj-accordion-text"), "div"),
    "mj-social-element": "table",
    "mj-navbar-link": "a",
}
SECTIONS = f"<mj-body>{'<mj-section/>' * 2000}</mj-body>"


def in_body(inner: str) -> str:
    return f"<mjml><mj-body>{inner}</mj-body></mjml>"


def in_column(inner: str) -> str:
    return in_body(f"<mj-section><mj-column>{inner}</mj-column></mj-section>")


def holding(name: str, attributes: str = "", inner: str | None = None) -> str:
    """A document with an element of this name, in what may hold it, with something in it."""
    if inner is None:
        inner = (
            ""
            if name in EMPTY
            else "MARKED"
            if name in HTML_HOLDERS
            else "".join(holding_alone(child) for child in CHILDREN.get(name, ())[:1])
        )
    text = f"<{name} {attributes}>{inner}</{name}>"
    while name != "mjml":
        name = next(iter(parents(name)))
        text = f"<{name}>{text}</{name}>"
    return text


def holding_alone(name: str) -> str:
    inner = "x" if name in HTML_HOLDERS else "".join(holding_alone(child) for child in CHILDREN.get(name, ())[:1])
    return f"<{name}>{inner}</{name}>"


async def rendered(text: str, **values: Any) -> str:
    return (await render_html(HtmlTemplate(text), Evaluator(values, {}), inline_styles=False)).html


def refusal(text: str) -> MailnodeError:
    with pytest.raises(MailnodeError) as caught:
        compile_mjml(text)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<mjml></mjml>", True),
        ("\ufeff\n <!-- a --> <MJML lang='de'>", True),
        ("<?xml version='1.0' encoding='utf-8'?>\n<mjml>", True),
        ("\ufeff<?xml version='1.0'?><!-- a --><mjml>", True),
        ("<!-- a --><?xml version='1.0'?><mjml>", False),
        ("<?xml version='1.0'?><p>", False),
        ("<p><mjml></p>", False),
        ("<mjml-x>", False),
        ("&lt;mjml>", False),
        ("<!-- -->\n" * 1000 + "<mjml>", True),
        ("<!-- -->\n" * 1000 + "<p>", False),
    ],
)
def test_content_that_begins_with_mjml_is_mjml(text: str, expected: bool) -> None:
    assert is_mjml(text) is expected


class TestCarried:
    @pytest.mark.parametrize("name", CARRIED)
    def test_directives_stand_on_the_outermost_element_made(self, name: str) -> None:
        html = compile_mjml(holding(name, EACH))
        assert html.count("data-each") == html.count("data-if") == 1
        found = re.search(r'<([a-z]+) data-each="item of input.items" data-if="item.good"[ >]', html)
        assert found
        assert found[1] == OUTERMOST.get(name, "tr")
        bare = compile_mjml(holding(name))
        assert html.replace(f" {EACH}", "") == bare, "nothing else is changed"
        assert "MARKED" not in bare or html.index("MARKED") > found.start()

    @pytest.mark.parametrize("defaults", ['<mj-all css-class="d"/>', '<mj-class name="k" css-class="d"/>', ""])
    @pytest.mark.parametrize("attributes", ['mj-class="k"', 'css-class="own two"', 'css-class="own" mj-class="k"', ""])
    def test_classes_stay_as_they_would_be_without(self, defaults: str, attributes: str) -> None:
        head = f"<mj-head><mj-attributes>{defaults}</mj-attributes></mj-head>"
        for name in ("mj-section", "mj-text", "mj-column"):
            text = holding(name, f"{attributes} {EACH}").replace("<mj-body>", f"{head}<mj-body>", 1)
            assert compile_mjml(text).replace(f" {EACH}", "") == compile_mjml(text.replace(EACH, ""))

    @pytest.mark.parametrize(
        ("text", "tag"),
        [
            (in_body("<mj-section full-width='full-width' %s><mj-column></mj-column></mj-section>"), "table"),
            (in_body("<mj-section background-url='https://example.org/b.png' %s></mj-section>"), "div"),
            (in_body("<mj-wrapper><mj-section %s></mj-section><mj-section></mj-section></mj-wrapper>"), "div"),
            (in_body("<mj-hero><mj-text %s>x</mj-text></mj-hero>"), "tr"),
            (
                in_column("<mj-social mode='vertical'><mj-social-element name='x' %s></mj-social-element></mj-social>"),
                "tr",
            ),
        ],
    )
    def test_other_forms_of_the_elements(self, text: str, tag: str) -> None:
        html = compile_mjml(text % EACH)
        assert html.count(EACH) == html.count(f"<{tag} {EACH}") == 1
        assert html.replace(f" {EACH}", "") == compile_mjml(text % "")

    @pytest.mark.parametrize("name", sorted(NOT_CARRIED - {"mjml"}))
    def test_what_cannot_be_carried_is_told(self, name: str) -> None:
        inside = "mj-attributes" if name in {"mj-class", "mj-all"} else ""
        text = (
            f"<mjml><mj-head><{inside}><{name} {EACH}/></{inside}></mj-head></mjml>" if inside else holding(name, EACH)
        )
        error = refusal(text)
        assert error.code is ErrorCode.BAD_MJML
        assert error.message.startswith(f"MJML, line 1: data-each can't stand on <{name}>")

    def test_expressions_come_back_in_text_and_attributes(self) -> None:
        html = compile_mjml(
            '<mjml><mj-head><mj-title>{{ input.title }} "1"</mj-title><mj-preview>{{ input.short }}</mj-preview>'
            "</mj-head>"
            "<mj-body background-color='{{ input.a > \"b\" }}'><mj-section><mj-column>"
            "<mj-image src='{{ input.src }}' alt='say \"hi\" {{ input.alt }}'/>"
            "<mj-button href='https://example.org/?q={{ input.q && input.r }}'>{{{ input.html }}}</mj-button>"
            "</mj-column></mj-section></mj-body></mjml>"
        )
        assert "<title>{{ input.title }} &quot;1&quot;</title>" in html
        assert 'aria-label="{{ input.title }} &quot;1&quot;"' in html
        assert ">{{ input.short }}</div>" in html
        assert 'style="background-color:{{ input.a > "b" }};"' in html
        assert 'alt="say &quot;hi&quot; {{ input.alt }}"' in html
        assert 'src="{{ input.src }}"' in html
        assert 'href="https://example.org/?q={{ input.q && input.r }}"' in html
        assert ">{{{ input.html }}}</a>" in html
        assert len(HtmlTemplate(html).markup.expressions) >= 8

    def test_an_xml_declaration_before_it_is_left_out(self) -> None:
        text = in_column("<mj-text>{{ input.name }}</mj-text>")
        assert compile_mjml(f"\ufeff<?xml version='1.0' encoding='utf-8'?>\n{text}") == compile_mjml(text)

    def test_html_in_it_stays_as_it_was_written(self) -> None:
        inner = "<P>1<p>2 & 3 < 4<br><img src=x alt='a\"b'><!-- {{ x }} </mj-text> --><ul><li>a<li>b</ul><![if x]>"
        assert f">{inner}</div>" in compile_mjml(in_column(f"<mj-text>{inner}</mj-text>"))

    def test_directives_within_its_html_are_the_nodes(self) -> None:
        inner = '<tr data-each="item of input.items"><td>{{ item.name }}</td></tr>'
        assert f">{inner}</table>" in compile_mjml(in_column(f"<mj-table>{inner}</mj-table>"))

    def test_data_content_stands_directly_around_what_it_replaces(self) -> None:
        html = compile_mjml(in_column('<mj-text data-content color="red">sample</mj-text>'))
        assert re.search(r'<div data-content style="[^"]*color:red;">sample</div>', html)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (
                in_column('<mj-image src="{{ input.src }}" width="{{ input.width }}"/>'),
                "{{ input.width }} can't stand in width of <mj-image>",
            ),
            (
                in_body('<mj-section data-each="one of input.x" background-color="{{ one.color }}"></mj-section>'),
                "{{ one.color }} is needed outside what <mj-section> repeats",
            ),
        ],
    )
    def test_an_expression_without_a_place_is_told(self, text: str, words: str) -> None:
        assert words in refusal(text).message

    def test_what_is_repeated_around_it_may_use_the_variable(self) -> None:
        text = in_body(
            '<mj-wrapper data-each="one of input.x"><mj-section background-color="{{ one.color }}"/></mj-wrapper>'
        )
        assert "{{ one.color }}" in compile_mjml(text)


class TestRendered:
    @pytest.mark.parametrize("name", CARRIED)
    async def test_every_element_is_repeated_and_left_out(self, name: str) -> None:
        inner = "" if name in EMPTY else "{{ item.word }}" if name in HTML_HOLDERS else None
        text = holding(name, 'data-each="item of input.items" data-if="item.good" css-class="one"', inner)
        items = [{"good": True, "word": "A&amp;"}, {"good": False, "word": "no"}, {"good": True, "word": "B"}]
        html = await rendered(text, items=items)
        one = r'class="(?:[^"]* )?one"'
        assert len(re.findall(one, html)) == 2 * len(re.findall(one, compile_mjml(text)))
        if inner:
            assert html.index("A&amp;amp;") < html.index(">B<")
        assert "data-" not in html
        assert not re.search(one, await rendered(text, items=[]))

    @pytest.mark.parametrize("name", ["mj-section", "mj-wrapper", "mj-hero"])
    async def test_the_next_element_may_be_shown_else(self, name: str) -> None:
        one, two = (
            holding(name, f'{words} css-class="{words[5:7]}"') for words in ('data-if="input.vip"', "data-else")
        )
        text = one.removesuffix("</mj-body></mjml>") + two.removeprefix("<mjml><mj-body>")
        vip, other = await rendered(text, vip=True), await rendered(text, vip=False)
        assert ('class="if"' in vip, 'class="el"' in vip) == (True, False)
        assert ('class="if"' in other, 'class="el"' in other) == (False, True)

    async def test_rows_of_a_column_and_of_a_table_within(self) -> None:
        text = in_column(
            '<mj-text data-if="input.items.length">Some</mj-text> <!-- or --> <mj-text data-else>None</mj-text>'
            '<mj-table><tr data-each="item of input.items"><td>{{ item }}</td><tr data-else><td>-</td></tr></mj-table>'
        )
        assert ("Some" in await rendered(text, items=["1"])) is ("None" in await rendered(text, items=[])) is True
        assert "<tr><td>1</td><tr><td>2</td></table>" in await rendered(text, items=["1", "2"])
        assert "<tr><td>-</td></tr></table>" in await rendered(text, items=[])


@pytest.mark.parametrize(
    ("text", "line", "words", "hint"),
    [
        (
            "<mjml>\n<mj-body>\n<mj-text>x</mj-text>",
            3,
            "<mj-text> can't stand in <mj-body>",
            "<mj-column> or <mj-hero>",
        ),
        ("<mjml>\n<mj-body><mj-sectoin>", 2, "no element <mj-sectoin>", "did you mean <mj-section>?"),
        ("<mjml>\n<mj-body><div></div>", 2, "no element <div>", "<mj-raw>"),
        ("<mjml><mj-body>\nHello {{ a }} <mj-section>", 2, "'Hello {{ a }}' can't stand in <mj-body>", "<mj-text>"),
        ("<mjml><mj-body>\n\n<mj-section>", 3, "<mj-section> is not closed", "</mj-section>"),
        ("<mjml><mj-body></mj-section>", 1, "</mj-section> closes nothing", "<mj-body> is open"),
        ("<mjml></mjml>\n<mjml></mjml>", 2, "<mjml> can't stand here", "once"),
        ("<mjml></mjml> </mjml>", 1, "</mjml> closes nothing", "remove"),
        (
            "<mjml><mj-body></mj-body>\n<mj-body></mj-body></mjml>",
            2,
            "<mj-body> can't stand there twice",
            "one of the two",
        ),
        (
            "<?xml version='1.0'?>\n<mjml>\n<mj-head/><mj-head/></mjml>",
            3,
            "<mj-head> can't stand there twice",
            "one of",
        ),
        ("<mjml><mj-body>\n<mj-include path='/etc/passwd'/>", 2, "<mj-include> is not read", "put the text"),
        ("<mjml><mj-head>\n<mj-title>x", 2, "<mj-title> is not closed", "</mj-title>"),
        ("<mjml><mj-body width='1' WIDTH='2'>", 1, "has width twice", "keep one"),
        ("<mjml><mj-body {{ a }}>", 1, "can't be the name of an attribute", "values"),
        ("<mjml><mj-body", 1, "the tag <mj-body has no end", ">"),
        ("<mjml><!-- x", 1, "a comment is not closed", "-->"),
        ("<mjml>\n<!--[if mso]><x><![endif]-->", 2, "conditional comment", "<mj-raw>"),
        (in_column("<mj-spacer><mj-spacer/></mj-spacer>"), 1, "<mj-spacer> can't stand in <mj-spacer>", "<mj-column>"),
        (in_body("<mj-section>" * 20_000), 1, "<mj-section> can't stand in <mj-section>", "<mj-body>"),
        (in_body("<mj-section/>" * 6_000), 1, "more than 5,000 elements", "data-each"),
        (in_column("<mj-carousel>" + "<mj-carousel-image src='u'/>" * 51), 1, "more than 50 images", "several"),
        (
            f"<mjml><mj-head><mj-attributes><mj-all a='{'x' * 9000}'/></mj-attributes></mj-head>{SECTIONS}</mjml>",
            1,
            "attributes that other elements have too are too long",
            "<mj-attributes>",
        ),
        (in_body(f"<mj-section background-url=\"{{{{ '{'x' * 720}' }}}}\"/>" * 1350), 1, "5 MB of HTML", "data-each"),
        (in_column(f"<mj-text>{'x' * 2**20}</mj-text>"), 1, "longer than 1 MB", "links"),
        (in_column("<mj-raw data-content></mj-raw>"), 1, "data-content can't stand on <mj-raw>", "<mj-text>"),
        (in_column("<mj-image data-content/>"), 1, "data-content can't stand on <mj-image>", "<mj-text>"),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_remedy(text: str, line: int, words: str, hint: str) -> None:
    error = refusal(text)
    assert error.message.startswith(f"MJML, line {line}: ")
    assert words in error.message
    assert hint in error.hint


def test_html_that_is_deeper_than_the_compiler_can_bear_never_reaches_it() -> None:
    deep = "<div>" * 20_000
    assert compile_mjml(in_column(f"<mj-text>{deep}</mj-text>")).count("<div>") == 20_000


def test_the_same_text_is_compiled_once() -> None:
    text = in_column("<mj-text>once</mj-text>")
    assert compile_mjml(text) is compile_mjml("".join(text))


def test_without_the_compiler_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mjml", None)
    with pytest.raises(MailnodeError) as caught:
        _compiled("<mjml></mjml>")
    assert caught.value.hint == install_hint("mjml")


_WORDS = ["<", ">", "/", "</", " ", "=", '"', "'", "{{ a }}", "<!--", "-->", "x", "mj-text", "<mj-text>", "</mj-text>"]


@given(st.lists(st.sampled_from([*_WORDS, *(f"<{name}>" for name in sorted(NAMES)), "</mj-body>", " a='{{ b }}'"])))
def test_any_text_is_compiled_or_told(words: list[str]) -> None:
    with suppress(MailnodeError):
        compile_mjml(f"<mjml>{''.join(words)}</mjml>")
