"""HTML content with values in it: escaped, with safe links, and its style sheets inlined for mail readers."""

import html
import re
from dataclasses import dataclass

from mailnode.node.aside import aside
from mailnode.node.expression import Evaluator
from mailnode.node.html_template import make_template
from mailnode.node.inline import Inlined, inline_style_sheets
from mailnode.node.js_string import Printed
from mailnode.node.markup import MARK, Attribute, Markup, decode_entities
from mailnode.node.template import Template
from mailnode.printable import quoted_ascii

_URL_ATTRIBUTES = frozenset(
    {"href", "src", "xlink:href", "action", "formaction", "background", "poster", "srcset", "cite", "data", "longdesc"}
)
_SCHEMES = frozenset({"http", "https", "mailto", "tel", "cid"})
_CODE_SCHEMES = frozenset({"javascript", "vbscript", "data"})

# What browsers drop within a URL (URL standard 4.4), and what a reader would not see.
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


@dataclass(frozen=True)
class RenderedHtml:
    """HTML ready for composing, and what its author should know about it."""

    html: str
    warnings: tuple[str, ...]


async def render_html(content: str, evaluator: Evaluator, *, inline_styles: bool = True) -> RenderedHtml:
    """Fill in the expressions of HTML content and, if `inline_styles`, inline its style sheets.

    `{{ }}` is escaped, `{{{ }}}` is not. A link whose scheme comes from an expression and is not http, https, mailto,
    tel or cid (or `data:image/` in src) is emptied, with a warning; so is a style with more than a value in it.

    Raises:
        ExpressionError: as `make_template` and `Evaluator.pieces`.
    """
    template = await aside(lambda: make_template(content, inline_styles=inline_styles), len(content))
    markup = template.markup
    filled, warnings = _Filling(markup, await evaluator.pieces(Template(markup.expressions))).filled()
    if template.is_inlined:
        inlined = Inlined(filled, template.warnings)
    else:
        inlined = await aside(lambda: inline_style_sheets(filled), len(filled))
    return RenderedHtml(inlined.html, (*_literal_schemes(markup), *warnings, *inlined.warnings))


def markdown_to_html(text: str) -> str:
    """HTML of CommonMark text with tables; HTML in the text stays text, and links with code in them too."""
    from markdown_it import MarkdownIt

    rendered: str = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return rendered


class _Filling:
    """Puts values in the places of their marks."""

    def __init__(self, markup: Markup, values: list[str | Printed]) -> None:
        self._markup = markup
        self._values = [value for value in values if isinstance(value, Printed)]
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
        self._warnings.append(f"{attribute.name} was emptied: {self._values[numbers[0]].expression} brings {reason}")
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


def _literal_schemes(markup: Markup) -> list[str]:
    """A warning for each scheme of the author's own that mail readers are unlikely to follow."""
    return [
        f"{name.lower()} has the scheme {scheme.lower()}, which mail readers may not follow"
        for name, scheme, image in _LITERAL_SCHEME.findall(markup.marked)
        if scheme.lower() not in _SCHEMES and not (image and (name.lower(), scheme.lower()) == ("src", "data"))
    ]
