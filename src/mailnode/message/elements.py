"""What HTML's elements and attributes mean to a reader of plain text."""

import re
from typing import Literal
from urllib.parse import unquote

from mailnode.message.markup import Tag
from mailnode.printable import ASCII_CONTROL

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

_MAY_HIDE = re.compile(r"hidden|display|max-height", re.IGNORECASE)
_HIDING_STYLE = re.compile(
    r"(?<![-\w])(?:display\s*:\s*none|visibility\s*:\s*hidden|max-height\s*:\s*0(?![.\d]))", re.IGNORECASE
)
_NOT_A_PLACE = re.compile(r"#|(?:about|blob|cid|data|file|javascript|vbscript):", re.IGNORECASE)
_ADDRESS_URL = re.compile(r"(?:mailto|tel|sms):([^?]*)", re.IGNORECASE)
_URL_CONTROLS = re.compile(f"[{ASCII_CONTROL}]")
_SCHEME = re.compile(r"(?:https?:)?//(?:www\.)?")
_NUMBER = re.compile(r"\s*(-?\d{1,6})(?!\d)")


def is_hidden(tag: Tag) -> bool:
    """Whether the element and all in it are not shown."""
    if not _MAY_HIDE.search(tag.source):
        return False
    attributes = tag.attributes()
    return "hidden" in attributes or bool(_HIDING_STYLE.search(attributes.get("style", "")))


def integer(tag: Tag, name: str, default: int) -> int:
    """Read an attribute that should be a number."""
    found = _NUMBER.match(tag.attributes().get(name, "")) if tag.source else None
    return int(found[1]) if found else default


def place(href: str) -> str:
    """Say where a link leads, as a person would write it; "" for nowhere outside the mail."""
    href = _URL_CONTROLS.sub("", href).strip()
    if _NOT_A_PLACE.match(href):
        return ""
    if address := _ADDRESS_URL.match(href):
        return " ".join(unquote(address[1]).split())
    return href.replace(" ", "%20")


def bare(place: str) -> str:
    """Say a place without what people leave out, to see whether a link's text names it already."""
    return _SCHEME.sub("", place.lower()).rstrip("/")
