"""HTML content with values in it: escaped, with safe links, and its style sheets inlined for mail readers."""

import asyncio
import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeVar

from mailnode.message.markup import decode
from mailnode.message.text_outline import TextOutline, outline_of
from mailnode.node.expression import Evaluator
from mailnode.node.filling import LINE_BREAK, Filler, Parts, parts_of, program_of
from mailnode.node.inline import Inlined, inline_before_values, inline_style_sheets
from mailnode.node.markup import MARK, Markup, find_tags, parse_html, set_marked
from mailnode.node.mjml import compile_mjml, is_mjml
from mailnode.node.program import Program, TapeReader
from mailnode.node.safe_attributes import SCHEMES

_LITERAL_SCHEME = re.compile(r"[\s\"'/](href|src)\s*=\s*+[\"']?\s*+([a-z][a-z0-9+.-]*):(image/)?", re.IGNORECASE)

_TAG = re.compile(r"<[A-Za-z/!?]")
_PLAIN_TEXT_WARNING = "content is plain text, so each of its line breaks became a <br>: write HTML, or use textContent"

T = TypeVar("T")

_LONG_CHARACTERS = 50_000


async def in_thread_if_long(work: Callable[[], T], characters: int) -> T:
    """Do some work on so many characters: in a thread if they are many, else at once; what it raises comes out here."""
    return await asyncio.to_thread(work) if characters > _LONG_CHARACTERS else work()


class _PreparedMarkup(NamedTuple):
    """Markup that values can be put into; when `is_inlined` is false its sheets are still to be inlined after that.

    `outline` is its text, and `skeleton` itself, where no value has a say in the text, or in links and images.
    `parts` are its markup, taken apart; what its directives ask for is evaluated by a `program`.
    """

    markup: Markup
    is_inlined: bool = True
    warnings: tuple[str, ...] = ()
    outline: TextOutline | None = None
    skeleton: str | None = None
    parts: Parts = ()
    program: Program | None = None


class HtmlTemplate:
    """HTML content, parsed once for all its mails, and inlined once where values have no say in that."""

    def __init__(self, source: str, plain: range = range(0)) -> None:
        """Parse content, compiled before if it is MJML; `plain` are expressions whose line breaks are to be seen.

        Raises:
            ExpressionError: as `parse_html` and `compile_mjml`.
            SettingsError: as `compile_mjml`.
        """
        self.source = source
        self.plain = plain
        self.markup = parse_html(compile_mjml(source) if is_mjml(source) else source)
        self.is_plain_text = _is_plain_text(self.markup)
        self._prepared: dict[bool, _PreparedMarkup] = {}

    @cached_property
    def scheme_warnings(self) -> tuple[str, ...]:
        """A warning for each scheme of the author's own that mail readers are unlikely to follow."""
        return tuple(
            f"{name.lower()} has the scheme {scheme.lower()}, which mail programs may not follow"
            for name, scheme, image in _LITERAL_SCHEME.findall(self.markup.marked)
            if scheme.lower() not in SCHEMES and not (image and (name.lower(), scheme.lower()) == ("src", "data"))
        )

    async def prepared(self, *, inline_styles: bool) -> _PreparedMarkup:
        """Give the markup for values, its style sheets inlined if `inline_styles` and if that can be done before."""
        if inline_styles not in self._prepared:
            make = self._inlined if inline_styles else lambda: _PreparedMarkup(self.markup)
            self._prepared[inline_styles] = await in_thread_if_long(lambda: self._cut(make()), len(self.source))
        return self._prepared[inline_styles]

    def _inlined(self) -> _PreparedMarkup:
        markup = self.markup
        # What stands in three braces may bring elements, and those that repeat are siblings to selectors that count.
        if markup.blocks or any(expression.raw for expression in markup.expressions):
            return _PreparedMarkup(markup, is_inlined=False)
        unknown = {attribute.name for attribute in markup.attributes}
        inlined = inline_before_values(markup.marked, unknown | {":empty"} if markup.expressions else unknown)
        if not inlined:
            return _PreparedMarkup(markup, is_inlined=False)
        return _PreparedMarkup(set_marked(markup, inlined.html), warnings=inlined.warnings)

    def _cut(self, prepared: _PreparedMarkup) -> _PreparedMarkup:
        """Add what its mails have in common."""
        markup = prepared.markup
        parts = parts_of(markup)
        if markup.blocks:
            return prepared._replace(parts=parts, program=program_of(parts, markup.expressions))
        prepared = prepared._replace(parts=parts)
        if self.plain or not prepared.is_inlined or any(expression.raw for expression in markup.expressions):
            return prepared
        numbers = {int(mark) for one in markup.attributes for mark in MARK.findall(markup.marked[one.start : one.end])}
        seen = (f"{name} {tag.value(name)}" for tag in find_tags(markup.marked, "a", "img") for name in tag.places)
        skeleton = None if any(map(MARK.search, seen)) else markup.marked
        return prepared._replace(outline=outline_of(MARK.split(markup.marked), numbers), skeleton=skeleton)


def _is_plain_text(markup: Markup) -> bool:
    """Tell whether the author's own words hold no tag, comment or entity, nor {{{ }}}, which brings HTML."""
    if _TAG.search(markup.marked) or any(expression.raw for expression in markup.expressions):
        return False
    own = MARK.sub(" ", markup.marked)
    return decode(own) == own


@dataclass(frozen=True)
class RenderedHtml:
    """HTML ready for composing, and what its author should know about it.

    `text` is its plain text, where that was known before the values; `skeleton` has the same links and images.
    """

    html: str
    warnings: tuple[str, ...]
    text: str | None = None
    skeleton: str | None = None


async def render_content(template: HtmlTemplate, evaluator: Evaluator, *, inline_styles: bool = True) -> RenderedHtml:
    """Render content as HTML, or as plain text whose lines are kept where its author wrote no HTML.

    Raises:
        ExpressionError: as `Evaluator.value_texts`.
    """
    if template.is_plain_text:
        return await _render_plain_text(template, evaluator)
    return await render_html(template, evaluator, inline_styles=inline_styles)


async def render_html(template: HtmlTemplate, evaluator: Evaluator, *, inline_styles: bool = True) -> RenderedHtml:
    """Fill in the expressions of HTML content and, if `inline_styles`, inline its style sheets.

    `{{ }}` is escaped, `{{{ }}}` is not. A link whose scheme comes from an expression and is not http, https, mailto,
    tel or cid (or `data:image/` in src) is emptied, with a warning; so is a style with more than a value in it.

    Raises:
        ExpressionError: as `Evaluator.value_texts`.
    """
    prepared = await template.prepared(inline_styles=inline_styles)
    filled, warnings, texts = await _filled(prepared, evaluator, template.plain)
    if prepared.is_inlined:
        inlined = Inlined(filled, prepared.warnings)
    else:
        inlined = await in_thread_if_long(lambda: inline_style_sheets(filled), len(filled))
    # A warning tells of an attribute that was emptied.
    outline, skeleton = (None, None) if warnings else (prepared.outline, prepared.skeleton)
    return RenderedHtml(
        inlined.html,
        (*template.scheme_warnings, *warnings, *inlined.warnings),
        outline.filled(texts) if outline else None,
        skeleton,
    )


async def _filled(prepared: _PreparedMarkup, evaluator: Evaluator, plain: range) -> tuple[str, list[str], list[str]]:
    """Give the HTML, warnings, and the values' texts where no directive decides how many there are."""
    program = prepared.program
    if program:
        reader = await evaluator.read(program)
        filler = Filler(reader, is_bounded=True, plain=plain)
        return (*await in_thread_if_long(lambda: filler.filled(prepared.parts), reader.characters), [])
    expressions = prepared.markup.expressions
    texts = [value.text for value in await evaluator.value_texts(expressions)]
    filler = Filler(TapeReader(texts, expressions), is_bounded=False, plain=plain)
    return *filler.filled(prepared.parts), texts


async def _render_plain_text(template: HtmlTemplate, evaluator: Evaluator) -> RenderedHtml:
    """Fill in the expressions, escaped, and make each line break a `<br>`; without one nothing else is changed."""
    values = [value.text for value in await evaluator.value_texts(template.markup.expressions)]
    characters = len(template.source) + sum(map(len, values))
    return await in_thread_if_long(lambda: _plain_text_with(template.markup, values), characters)


def _plain_text_with(markup: Markup, texts: Sequence[str]) -> RenderedHtml:
    values = [html.escape(text.replace("\0", "\ufffd")) for text in texts]
    filled = MARK.sub(lambda mark: values[int(mark[1])], markup.marked)
    text = filled.strip("\r\n")
    if not LINE_BREAK.search(text):
        return RenderedHtml(filled, ())
    return RenderedHtml(LINE_BREAK.sub("<br>\n", text) + "\n", (_PLAIN_TEXT_WARNING,))


def markdown_to_html(text: str) -> str:
    """HTML of CommonMark text with tables; HTML in the text stays text, and links with code in them too."""
    from markdown_it import MarkdownIt

    rendered: str = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return rendered
