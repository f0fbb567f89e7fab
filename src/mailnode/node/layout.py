"""Layouts: HTML or MJML around the content of several nodes, in files `layouts/NAME.html` beside the flows.

A layout and the content in it are one template: what holds for content (expressions, directives, escaping, style
sheets, limits) holds for both together.
"""

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from mailnode.errors import ErrorCode, MailnodeError, SettingsError
from mailnode.message.html_tree import MOST_LEVELS, MOST_TAGS
from mailnode.message.html_tree.extents import ExtentError, elements_with
from mailnode.message.html_tree.stack import BeyondLimitError
from mailnode.node.directives import Block
from mailnode.node.filling import LINE_BREAK
from mailnode.node.html import HtmlTemplate
from mailnode.node.markup import ATTRIBUTE, expression_spans, parse_html
from mailnode.node.mjml import compile_mjml, is_mjml
from mailnode.node.mjml.reader import without_expressions
from mailnode.node.template import Expression
from mailnode.printable import quoted

FOLDER = "layouts"
SUFFIX = ".html"
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
MOST_BYTES = 2**20
SLOT = "data-content"
# A file that was written less than this ago may change again without a change of its time stamp.
_SETTLED_SECONDS = 2

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_DOCUMENT = re.compile(
    rf"{_COMMENT.pattern}|(?P<found><!doctype\b|<(?:html|head|body)(?=[\s/>]))", re.DOTALL | re.IGNORECASE
)
# They hold no markup, or the most ordinary content ends them.
_NO_PLACE = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
    | {"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes", "noscript", "template"}
    | {"p", "html", "head", "colgroup", "select", "option", "svg", "math", "frameset"}
)
_END_TAG = re.compile(r"</[A-Za-z][^>]*>")
_TAG_NAME = re.compile(r"<[A-Za-z][^\s/>]*")


class _Slot(NamedTuple):
    """Where the attribute `data-content` stands, and where the content of its element begins and ends."""

    attribute: tuple[int, int]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout: the HTML before the content, and the HTML after it; its `expressions` are as errors show them."""

    name: str
    before: str
    after: str
    expressions: frozenset[str] = frozenset()

    def around(self, content: HtmlTemplate) -> HtmlTemplate:
        """Put content into the layout: one template, made once for its mails.

        Raises:
            SettingsError: the content is a whole document.
            ExpressionError: as `parse_html`.
        """
        try:
            return _around(self, content.source)
        except MailnodeError as error:
            raise error.locate(key="content") from None

    def has_said(self, error: MailnodeError) -> bool:
        """Tell whether an error is of an expression of the layout's own."""
        return any(one in error.message for one in self.expressions)


def check_layout_name(name: str) -> None:
    """Check the name of a layout: nothing that leads out of its folder is one; SettingsError if it is none."""
    if not NAME.fullmatch(name):
        raise SettingsError(
            f"{quoted(name)} can't be the name of a layout",
            hint="use letters, digits, - and _, at most 64: the layout `plain` is in the file layouts/plain.html",
        )


def find_layout(folder: Path | None, name: str) -> Layout:
    """Read the layout of this name of the flows in `folder`.

    Raises:
        SettingsError: `unknownLayout` if there is none, `badLayout` if it has not exactly one place for the content.
        ExpressionError: as `parse_html` and `compile_mjml`.
    """
    try:
        return read_layout(name, layout_text(folder, name))
    except MailnodeError as error:
        raise error.locate(key="layout") from None


def layout_text(folder: Path | None, name: str) -> str:
    """Read a layout's text; raises SettingsError as `find_layout` does."""
    check_layout_name(name)
    if folder is None:
        raise _unknown(
            name, "this flow was not read from a folder", "save the flow, with the folder `layouts` beside it"
        )
    path = folder / FOLDER / f"{name}{SUFFIX}"
    try:
        found = path.stat()
    except (OSError, ValueError):
        names = ", ".join(layout_names(folder))
        hint = f"layouts here: {names}" if names else f"put {name}{SUFFIX} into the folder `{FOLDER}` beside the flow"
        raise _unknown(name, f"there is no file {FOLDER}/{name}{SUFFIX} beside the flow", hint) from None
    if not S_ISREG(found.st_mode) or not path.resolve().is_relative_to(folder.resolve()):
        raise _unknown(name, "its file is not in the flows' folder", "put the file itself there, not a link to it")
    version = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    is_settled = time.time() - max(found.st_mtime_ns, found.st_ctime_ns) / 1e9 >= _SETTLED_SECONDS
    return _remembered_text(path, version) if is_settled else _text(path)


def layout_names(folder: Path) -> list[str]:
    """Give the names of the layouts of a folder of flows, sorted."""
    try:
        found = sorted(path.name.removesuffix(SUFFIX) for path in (folder / FOLDER).glob(f"*{SUFFIX}"))
    except OSError:
        return []
    return [name for name in found if NAME.fullmatch(name)]


@lru_cache(maxsize=32)
def read_layout(name: str, text: str) -> Layout:
    """Read a layout from its text, compiled if it is MJML; the same text again is not compiled again.

    Raises:
        SettingsError: `badLayout` if it has not exactly one place for the content.
        ExpressionError: as `parse_html` and `compile_mjml`.
    """
    try:
        html = compile_mjml(text) if is_mjml(text) else text
        markup = parse_html(html)  # around a content its errors would not tell which of the two is wrong
        slot = _slot(html)
    except MailnodeError as error:
        error.message = f"in the layout {name}: {error.message}"
        raise error from None
    start, end = slot.attribute
    rest = html[end : slot.start]
    tag = html[:start].rstrip() + (">" if rest.strip() == ">" else rest)
    return Layout(name, tag, html[slot.end :], frozenset(map(str, (*markup.expressions, *_judged(markup.blocks)))))


def _judged(blocks: Iterable[Block]) -> Iterator[Expression]:
    for block in blocks:
        yield from filter(None, (block.loop and block.loop.items, block.condition))
        yield from _judged(block.blocks)


@lru_cache(maxsize=32)
def _around(layout: Layout, source: str) -> HtmlTemplate:
    """Keep what a run made, for the next one."""
    content = HtmlTemplate(source)
    bare = without_expressions(source, expression_spans(source))
    if is_mjml(source) or any(one["found"] for one in _DOCUMENT.finditer(bare)):
        what = "MJML" if is_mjml(source) else "a whole document"
        raise SettingsError(
            f"the content is {what}, and stands in the layout {layout.name} already",
            hint="choose no layout, or keep only what stands within <body>",
        )
    first = len(expression_spans(layout.before))
    count = len(content.markup.expressions)
    if content.is_plain_text:
        return HtmlTemplate(f"{layout.before}{_with_breaks(source)}{layout.after}", plain=range(first, first + count))
    return HtmlTemplate(f"{layout.before}{source}{layout.after}")


def _with_breaks(text: str) -> str:
    """Make each line break of plain text a `<br>`, but for those within expressions."""
    pieces: list[str] = []
    position = 0
    text = text.strip("\r\n")
    for start, end in [*expression_spans(text), (len(text), len(text))]:
        pieces += LINE_BREAK.sub("<br>\n", text[position:start]), text[start:end]
        position = end
    return "".join(pieces)


def _slot(html: str) -> _Slot:
    bare = without_expressions(html, expression_spans(html))
    try:
        found = elements_with(bare, {SLOT}, most_levels=MOST_LEVELS, most_tags=MOST_TAGS)
    except ExtentError as error:
        raise _bad(f"{SLOT} on <{error.name}>: it {error}", error.remedy) from None
    except BeyondLimitError as error:
        raise _bad(str(error), "make it flatter, and shorter") from None
    if len(found) != 1:
        words = f"{len(found)} elements have {SLOT}" if found else f"no element has {SLOT}"
        raise _bad(
            words, "keep it on one of them" if found else f"write <div {SLOT}></div> where the content is to stand"
        )
    (element,) = found
    if element.name in _NO_PLACE:
        raise _bad(f"{SLOT} can't stand on <{element.name}>", "put it on a <div> or <td>")
    if any(start < element.start < end for start, end in (one.span() for one in _COMMENT.finditer(bare))):
        raise _bad(f"{SLOT} stands in a comment, which few mail programs read", "put it on an element that all see")
    start, end = _tag_end(bare, element.start), element.end
    closing = bare.rfind("</", start, end)
    if _END_TAG.fullmatch(bare, closing, end) and _is_own(element.name, bare, start, closing):
        end = closing
    attribute = element.attributes[0]
    return _Slot((attribute.start, attribute.end), start, end)


def _is_own(name: str, bare: str, start: int, closing: int) -> bool:
    """Tell whether the end tag at `closing` is that of an element whose content begins at `start`, not one within."""
    tags = re.compile(rf"<(/?){re.escape(name)}(?=[\s/>])", re.IGNORECASE)
    last = tags.match(bare, closing)
    depths = [-1 if tag[1] else 1 for tag in tags.finditer(bare, start, closing)]
    return last is not None and sum(depths) <= 0


def _tag_end(bare: str, start: int) -> int:
    name = _TAG_NAME.match(bare, start)
    assert name, "a start tag stands there"
    position = name.end()
    while attribute := ATTRIBUTE.match(bare, position):
        position = attribute.end()
    return bare.index(">", position) + 1


def _bad(words: str, hint: str) -> SettingsError:
    return SettingsError(words, code=ErrorCode.BAD_LAYOUT, hint=hint)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise _unknown(path.stem, f"its file can't be read: {error.strerror}", "check its permissions") from None
    if len(data) > MOST_BYTES:
        raise _unknown(path.stem, f"it is larger than {MOST_BYTES // 2**20} MB", "use links to images, not data: URLs")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _unknown(path.stem, "its file is not UTF-8", "save it as UTF-8") from None


@lru_cache(maxsize=32)
def _remembered_text(path: Path, _version: tuple[int, ...]) -> str:
    return _text(path)


def _unknown(name: str, why: str, hint: str) -> SettingsError:
    words = f"the layout {quoted(name)} can't be used: {why}"
    return SettingsError(words, code=ErrorCode.UNKNOWN_LAYOUT, hint=hint)
