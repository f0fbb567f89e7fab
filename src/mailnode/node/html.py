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
from mailnode.node.inline import Inlined, inline_before_values, inline_style_sheets
from mailnode.node.js_string import ValueText
from mailnode.node.markup import MARK, Attribute, Markup, decode_entities, find_tags, parse_html, set_marked
from mailnode.printable import quoted_ascii

_URL_ATTRIBUTES = frozenset(
    {"href", "src", "xlink:href", "action", "formaction", "background", "poster", "srcset", "cite", "data", "longdesc"}
)
_SCHEMES = frozenset({"http", "https", "mailto", "tel", "cid"})
_CODE_SCHEMES = frozenset({"javascript", "vbscript", "data"})

# What browsers drop within a URL (URL standard 4.4), and what nobody would see.
_UNSEEN = re.compile(r"[\0-\x20\x7f-\xa0\xad\u1680\u180e\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]+")
_SCHEME = re.compile(r"([^/?#:\\]*):")
_LITERAL_SCHEME = re.compile(r"[\s\"'/](href|src)\s*=\s*+[\"']?\s*+([a-z][a-z0-9+.-]*):(image/)?", re.IGNORECASE)
_CSS_BEYOND_A_VALUE = re.compile(
    r"[;{}\\<@\n\r\f]|/\*|(?:url|src|image(?:-set)?|cross-fade|element|paint|expression)\s*\(", re.IGNORECASE
)
_CSS_STRING = re.compile(r"\"[^\"]*\"|'[^']*'")
# Attributes that are addresses only sometimes, and may then be code.
_AT_TIMES_URLS = frozenset(
    {("meta", "content"), ("param", "value")}
    | {(tag, name) for tag in ("animate", "set") for name in ("to", "from", "by", "values")}
)
_CODE_IN_PLACE = re.compile(r"(?:^|[;,=])(javascript|vbscript|data):", re.IGNORECASE)

_TAG = re.compile(r"<[A-Za-z/!?]")
_LINE_BREAK = re.compile(r"\r\n?|\n")
_PLAIN_TEXT_WARNING = "content is plain text, so each of its line breaks became a <br>: write HTML, or use textContent"


T = TypeVar("T")

_LONG_CHARACTERS = 50_000


async def in_thread_if_long(work: Callable[[], T], characters: int) -> T:
    """Do some work on so many characters: in a thread if they are many, else at once; what it raises comes out here."""
    return await asyncio.to_thread(work) if characters > _LONG_CHARACTERS else work()


class _PreparedMarkup(NamedTuple):
    """Markup that values can be put into; when `is_inlined` is false its sheets are still to be inlined after that.

    `outline` is its text, and `skeleton` itself, where no value has a say in the text, or in links and images.
    """

    markup: Markup
    is_inlined: bool = True
    warnings: tuple[str, ...] = ()
    outline: TextOutline | None = None
    skeleton: str | None = None


class HtmlTemplate:
    """HTML content, parsed once for all its mails, and inlined once where values have no say in that."""

    def __init__(self, source: str) -> None:
        """Parse content.

        Raises:
            ExpressionError: as `parse_html`.
        """
        self.source = source
        self.markup = parse_html(source)
        self.is_plain_text = _is_plain_text(self.markup)
        self._prepared: dict[bool, _PreparedMarkup] = {}

    @cached_property
    def scheme_warnings(self) -> tuple[str, ...]:
        """A warning for each scheme of the author's own that mail readers are unlikely to follow."""
        return tuple(
            f"{name.lower()} has the scheme {scheme.lower()}, which mail programs may not follow"
            for name, scheme, image in _LITERAL_SCHEME.findall(self.markup.marked)
            if scheme.lower() not in _SCHEMES and not (image and (name.lower(), scheme.lower()) == ("src", "data"))
        )

    async def prepared(self, *, inline_styles: bool) -> _PreparedMarkup:
        """Give the markup for values, its style sheets inlined if `inline_styles` and if that can be done before."""
        if inline_styles not in self._prepared:
            make = self._inlined if inline_styles else lambda: _PreparedMarkup(self.markup)
            self._prepared[inline_styles] = await in_thread_if_long(lambda: _outlined(make()), len(self.source))
        return self._prepared[inline_styles]

    def _inlined(self) -> _PreparedMarkup:
        markup = self.markup
        # What stands in three braces may bring elements.
        if any(expression.raw for expression in markup.expressions):
            return _PreparedMarkup(markup, is_inlined=False)
        unknown = {attribute.name for attribute in markup.attributes}
        inlined = inline_before_values(markup.marked, unknown | {":empty"} if markup.expressions else unknown)
        if not inlined:
            return _PreparedMarkup(markup, is_inlined=False)
        return _PreparedMarkup(set_marked(markup, inlined.html), warnings=inlined.warnings)


def _outlined(prepared: _PreparedMarkup) -> _PreparedMarkup:
    """Add what its mails have in common."""
    markup = prepared.markup
    if not prepared.is_inlined or any(expression.raw for expression in markup.expressions):
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
    values = await evaluator.value_texts(prepared.markup.expressions)
    filled, warnings = _Filler(prepared.markup, values).filled()
    if prepared.is_inlined:
        inlined = Inlined(filled, prepared.warnings)
    else:
        inlined = await in_thread_if_long(lambda: inline_style_sheets(filled), len(filled))
    # A warning tells of an attribute that was emptied.
    outline, skeleton = (None, None) if warnings else (prepared.outline, prepared.skeleton)
    return RenderedHtml(
        inlined.html,
        (*template.scheme_warnings, *warnings, *inlined.warnings),
        outline.filled([value.text for value in values]) if outline else None,
        skeleton,
    )


async def _render_plain_text(template: HtmlTemplate, evaluator: Evaluator) -> RenderedHtml:
    """Fill in the expressions, escaped, and make each line break a `<br>`; without one nothing else is changed."""
    values = [value.text for value in await evaluator.value_texts(template.markup.expressions)]
    characters = len(template.source) + sum(map(len, values))
    return await in_thread_if_long(lambda: _plain_text_with(template.markup, values), characters)


def _plain_text_with(markup: Markup, texts: Sequence[str]) -> RenderedHtml:
    values = [html.escape(text.replace("\0", "\ufffd")) for text in texts]
    filled = MARK.sub(lambda mark: values[int(mark[1])], markup.marked)
    text = filled.strip("\r\n")
    if not _LINE_BREAK.search(text):
        return RenderedHtml(filled, ())
    return RenderedHtml(_LINE_BREAK.sub("<br>\n", text) + "\n", (_PLAIN_TEXT_WARNING,))


def markdown_to_html(text: str) -> str:
    """HTML of CommonMark text with tables; HTML in the text stays text, and links with code in them too."""
    from markdown_it import MarkdownIt

    rendered: str = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return rendered


class _Filler:
    """Puts values in the places of their marks."""

    def __init__(self, markup: Markup, values: list[ValueText]) -> None:
        self._markup = markup
        self._values = values
        self._warnings: list[str] = []

    def filled(self) -> tuple[str, list[str]]:
        pieces: list[str] = []
        position = 0
        for attribute in self._markup.attributes:
            pieces.append(self._fill(self._markup.marked[position : attribute.start]))
            pieces.append(self._attribute(attribute))
            position = attribute.end
        pieces.append(self._fill(self._markup.marked[position:]))
        return "".join(pieces), self._warnings

    def _fill(self, marked: str) -> str:
        return MARK.sub(lambda mark: self._markup_of(int(mark[1])), marked)

    def _markup_of(self, number: int) -> str:
        value = self._values[number]
        text = value.text.replace("\0", "\ufffd")
        return text if value.expression.raw else html.escape(text)

    def _attribute(self, attribute: Attribute) -> str:
        marked = self._markup.marked[attribute.start : attribute.end]
        literals, numbers = MARK.split(marked)[::2], [int(mark) for mark in MARK.findall(marked)]
        values = [self._values[number].text for number in numbers]
        if attribute.name in _URL_ATTRIBUTES:
            reason = _unsafe_url(attribute, [decode_entities(literal) for literal in literals], values)
        elif (attribute.tag, attribute.name) in _AT_TIMES_URLS:
            reason = _code_in(self._fill(marked))
        elif attribute.name == "style" and not all(map(_is_one_value, values)):
            reason = "more than one value of a style"
        else:
            reason = ""
        if not reason:
            return self._fill(marked)
        self._warnings.append(f"{attribute.name} was emptied: {self._values[numbers[0]].expression} contains {reason}")
        return ""


def _is_one_value(css: str) -> bool:
    """Tell whether CSS stays within the value it is put into: a quote or bracket left open swallows what follows."""
    if _CSS_BEYOND_A_VALUE.search(css):
        return False
    bare = _CSS_STRING.sub("", css)
    depth = 0
    for character in bare:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0 and not set("\"'") & set(bare)


def _code_in(filled: str) -> str:
    """Why an attribute that is an address only sometimes can't have this value; empty when it can."""
    for seen in (decode_entities(filled), decode_entities(decode_entities(filled))):
        if found := _CODE_IN_PLACE.search(_UNSEEN.sub("", seen)):
            return f"the scheme {found[1].lower()!a}"
    return ""


def _unsafe_url(attribute: Attribute, literals: list[str], values: list[str]) -> str:
    """Why a URL made of literals and values between them can't be linked to; empty when it can."""
    url = literals[0] + "".join(value + literal for value, literal in zip(values, literals[1:], strict=True))
    if attribute.name == "srcset":
        return next(filter(None, (_unsafe_scheme(attribute, part) for part in url.split(","))), "")
    written = _scheme(literals[0])
    # A scheme that the author wrote is the author's choice, unless the value would be code in it.
    if written is not None and written not in _CODE_SCHEMES:
        return ""
    return _unsafe_scheme(attribute, url)


def _unsafe_scheme(attribute: Attribute, url: str) -> str:
    # A reader that decodes entities once too often must not find another scheme than we do.
    for seen in (url, decode_entities(url), decode_entities(decode_entities(url))):
        scheme = _scheme(seen)
        if scheme is None or scheme in _SCHEMES:
            continue
        # Of what is framed or embedded an image is a document, which can be code.
        is_image = (attribute.tag, attribute.name) == ("img", "src")
        if not (is_image and _UNSEEN.sub("", seen).lower().startswith("data:image/")):
            return f"the scheme {quoted_ascii(scheme)}"
    return ""


def _scheme(url: str) -> str | None:
    found = _SCHEME.match(_UNSEEN.sub("", url))
    return found[1].lower() if found else None
