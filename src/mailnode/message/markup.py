"""HTML cut into tags and text, as browsers cut it, and what its elements mean to a reader of plain text.

The standard library's parser takes quadratic time on unclosed tags and can raise; all here takes linear time.
"""

import re
from collections.abc import Iterator
from html import unescape
from typing import Literal, NamedTuple
from urllib.parse import unquote

from mailnode.printable import ASCII_CONTROL

_MARKUP = re.compile(r"<(?:(/?)([a-zA-Z][^\s/>]*)|!--|[!?/])")
_TAG_STOP = re.compile(r">|=\s*([\"'])")
_COMMENT_END = re.compile(r"--!?>")
_ATTRIBUTE = re.compile(r"([^\s\"'<>/=]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>]+)))?")

# Elements whose content is no markup, with what ends them (HTML 13.2.5.1: raw text and RCDATA).
_RAW_END = {
    name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE)
    for name in ("script", "style", "title", "textarea", "iframe", "noembed", "noframes", "xmp")
}

Kind = Literal["quote", "list", "item", "table", "cell", "pre"]

PARAGRAPHS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6", "figure", "form", "fieldset"})
BLOCKS = frozenset(
    {"address", "article", "aside", "body", "caption", "center", "details", "dir", "div", "dt", "fieldset"}
    | {"figcaption", "footer", "header", "hgroup", "html", "legend", "main", "nav", "option", "section", "summary"}
    | {"tbody", "tfoot", "thead"}
)
VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
DROPPED = frozenset({"template", "svg", "math", "object", "select", "datalist"})
FOREIGN = frozenset({"svg", "math"})  # the only elements that `/>` ends
LISTS = frozenset({"ul", "ol", "menu", "dl"})
_ITEMS = frozenset({"li", "dd"})
CELLS = frozenset({"td", "th"})
KINDS: dict[str, Kind] = {
    "blockquote": "quote",
    "pre": "pre",
    "table": "table",
    **dict.fromkeys(LISTS, "list"),
    **dict.fromkeys(_ITEMS, "item"),
    **dict.fromkeys(CELLS, "cell"),
}
# What an end tag does not reach across: a row's end in an inner table leaves the outer one alone.
BARRIERS: dict[Kind, frozenset[Kind]] = {
    "quote": frozenset({"cell"}),
    "list": frozenset({"cell"}),
    "item": frozenset({"list", "cell"}),
    "table": frozenset(),
    "cell": frozenset({"table"}),
    "pre": frozenset({"cell"}),
}

# Stands before and after a number, in the place of a value that is put in later (text_outline.py): no character.
HOLE = "\ufdd0"
_MAY_HIDE = re.compile(rf"hidden|display|max-height|{HOLE}", re.IGNORECASE)
_HIDING_STYLE = re.compile(
    r"(?<![-\w])(?:display\s*:\s*none|visibility\s*:\s*hidden|max-height\s*:\s*0(?![.\d]))", re.IGNORECASE
)
_NOT_A_PLACE = re.compile(r"#|(?:about|blob|cid|data|file|javascript|vbscript):", re.IGNORECASE)
_ADDRESS_URL = re.compile(r"(?:mailto|tel|sms):([^?]*)", re.IGNORECASE)
_URL_CONTROLS = re.compile(f"[{ASCII_CONTROL}]")
_WEB = re.compile(r"https?://", re.IGNORECASE)
_SCHEME = re.compile(r"(?:https?:)?//(?:www\.)?")
_NUMBER = re.compile(r"\s*(-?\d{1,6})(?!\d)")


class HoleError(Exception):
    """How HTML is shown depends on the value that will be put in."""


class Tag(NamedTuple):
    """One tag: its name in lower case, and its attributes, not yet taken apart."""

    name: str
    is_end: bool
    source: str

    def attributes(self) -> dict[str, str]:
        """Take the attributes apart: names in lower case, entities in values decoded, the first of equal names."""
        found: dict[str, str] = {}
        holes = self.source.count(HOLE)
        for name, double, single, bare in _ATTRIBUTE.findall(self.source):
            found.setdefault(name.lower(), decode(double or single or bare))
            holes -= (double or single).count(HOLE)
        if holes:  # outside of quotes
            raise HoleError
        return found


def tokens(html: str, *, has_holes: bool = False) -> Iterator[Tag | str]:
    """Cut `html` into tags and text (entities decoded); comments, declarations and raw text are left out.

    What looks like a hole is none unless the caller made it (`has_holes`).

    A quote that is never closed does not swallow the rest, and an unclosed tag at the end is text: what a person wrote
    is not lost by a slip.
    """
    if not has_holes:
        html = html.replace(HOLE, "\N{REPLACEMENT CHARACTER}")
    tag_end = _quoted_tag_end
    position = 0
    while found := _MARKUP.search(html, position):
        if found.start() > position:
            yield decode(html[position : found.start()])
        if found[0] == "<!--":
            position = _comment_end(html, found.end())
            continue
        end = tag_end(html, found.end())
        if end < 0 and tag_end is _quoted_tag_end:
            tag_end = _plain_tag_end  # from here on for good: looking for closing quotes again would be quadratic
            end = tag_end(html, found.end())
        if end < 0:
            position = found.start()
            break
        position = end + 1
        if found[2]:
            tag = Tag(found[2].lower(), bool(found[1]), html[found.end() : end])
            yield tag
            if not tag.is_end and tag.name in _RAW_END:
                raw_end = _RAW_END[tag.name].search(html, position)
                position = raw_end.start() if raw_end else len(html)
    if position < len(html):
        yield decode(html[position:])


def decode(text: str) -> str:
    """Decode entities, as `html.unescape` does, but for numbers too long for Python to read, which stay."""
    if "&" not in text:
        return text
    try:
        return unescape(text)
    except ValueError:
        return text


def _comment_end(html: str, start: int) -> int:
    # `<!-->` and `<!--->` are whole comments.
    if html.startswith((">", "->"), start):
        return html.index(">", start) + 1
    found = _COMMENT_END.search(html, start)
    return found.end() if found else len(html)


def _quoted_tag_end(html: str, start: int) -> int:
    """Find the `>` that ends a tag, past attribute values in quotes; -1 when there is none."""
    while found := _TAG_STOP.search(html, start):
        if not found[1]:
            return found.start()
        close = html.find(found[1], found.end())
        start = found.end() if close < 0 else close + 1
    return -1


def _plain_tag_end(html: str, start: int) -> int:
    return html.find(">", start)


def is_hidden(tag: Tag) -> bool:
    """Whether the element and all in it are not shown."""
    if not _MAY_HIDE.search(tag.source):
        return False
    attributes = tag.attributes()
    style = attributes.get("style", "")
    if HOLE in style:
        raise HoleError
    return "hidden" in attributes or bool(_HIDING_STYLE.search(style))


def integer(tag: Tag, name: str, default: int) -> int:
    """Read an attribute as an integer."""
    given = tag.attributes().get(name, "") if tag.source else ""
    if HOLE in given:
        raise HoleError
    found = _NUMBER.match(given)
    return int(found[1]) if found else default


def place(href: str) -> str:
    """Give the destination of a link as a person would write it; "" if it leads nowhere outside the email."""
    href = _URL_CONTROLS.sub("", href).strip()
    if HOLE in href and not _WEB.match(href):
        raise HoleError
    if _NOT_A_PLACE.match(href):
        return ""
    if address := _ADDRESS_URL.match(href):
        return " ".join(unquote(address[1]).split())
    return href.replace(" ", "%20")


def is_place(shown: str, place: str) -> bool:
    """Whether the text of a link is its destination already, be it without scheme and www."""
    wanted = _bare(place)
    if HOLE in shown or HOLE in place:
        literal, _, _ = wanted.partition(HOLE)
        # The host has to be whole: `https://{{ one }}` may begin with www. What follows has a say in a small sigma.
        is_unsure = HOLE in shown or "/" not in literal or not literal.isascii()
        if is_unsure or _bare(shown).startswith(literal):
            raise HoleError
        return False
    return _bare(shown) == wanted


def _bare(place: str) -> str:
    return _SCHEME.sub("", place.lower()).rstrip("/")
