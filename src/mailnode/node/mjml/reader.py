"""Reads MJML strictly, so that each fault has its line, and the compiler gets nothing that it could die of.

What an element such as `<mj-text>` holds is HTML, and is not looked into. The elements of MJML nest nine levels at the
most, by what may stand in what.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from difflib import get_close_matches

from mailnode.errors import ErrorCode, ExpressionError
from mailnode.node.markup import ATTRIBUTE, expression_spans
from mailnode.node.mjml.components import CHILDREN, DEFAULTS, EMPTY, HTML_HOLDERS, NAMES, parents
from mailnode.printable import quoted, shortened

MOST_CHARACTERS = 2**20
MOST_ELEMENTS = 5_000
# Each comes with rules for all the others.
MOST_IMAGES = 50
# What elements have from others is written again for each of them: characters of such attributes, times elements.
MOST_INHERITED = 10_000_000
_GIVING = frozenset({"mj-social", "mj-navbar", "mj-accordion", "mj-accordion-element", "mj-carousel"})
_DECLARATION = re.compile(r"\ufeff?<\?xml\s[^<>]*\?>", re.IGNORECASE)
_BEGINNING = re.compile(
    rf"(?:{_DECLARATION.pattern}|\ufeff)?\s*(?:<!--.*?-->\s*)*+<mjml(?=[\s/>])", re.DOTALL | re.IGNORECASE
)
_START = re.compile(r"<([A-Za-z][^\s/>]*)")
_NAME = re.compile(r"[a-z_][a-z0-9_:.-]*")
_TAG_END = re.compile(r"[\s/]*>")
_END_TAG = re.compile(r"</([A-Za-z][^\s/>]*)\s*>")
_BARE_BLANKS = re.compile(r"[ \t\r\n\f]*")


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute: `text[start:end]` is its value within the quotes; `has_value` is false for a name alone."""

    name: str
    start: int
    end: int
    has_value: bool


@dataclass(slots=True)
class Element:
    """An element of MJML; `content` is where the HTML in it begins and ends."""

    name: str
    position: int
    attributes: dict[str, Attribute]
    parent: "Element | None" = None
    children: "list[Element]" = field(default_factory=list)
    content: tuple[int, int] | None = None


def without_expressions(text: str, spans: list[tuple[int, int]]) -> str:
    """Give a text of the same length in which nothing that stands in an expression is taken for markup."""
    pieces: list[str] = []
    position = 0
    for start, end in spans:
        pieces += text[position:start], "x" * (end - start)
        position = end
    return "".join([*pieces, text[position:]])


class MjmlSource:
    """A text of MJML, and where its expressions stand."""

    def __init__(self, text: str) -> None:
        """Find the expressions; ExpressionError as `expression_spans`."""
        self.text = text
        self.spans = expression_spans(text)
        self._starts = [start for start, _ in self.spans]
        self.bare = without_expressions(text, self.spans)

    def within(self, start: int, end: int) -> range:
        """Give the numbers of the expressions between two places."""
        return range(bisect_right(self._starts, start - 1), bisect_right(self._starts, end - 1))

    def expression(self, number: int) -> str:
        """Give an expression as it is written, with its braces."""
        start, end = self.spans[number]
        return self.text[start:end]

    def error(self, position: int, words: str, hint: str) -> ExpressionError:
        """Make an error of what stands at a place."""
        line = self.text.count("\n", 0, position) + 1
        return ExpressionError(f"MJML, line {line}: {words}", code=ErrorCode.BAD_MJML, phase="settings", hint=hint)


def is_mjml(text: str) -> bool:
    """Tell whether content is MJML: it begins with `<mjml>`, after XML declaration and comments at the most."""
    return bool(_BEGINNING.match(text))


def read_mjml(source: MjmlSource) -> Element:
    """Read MJML to its root element.

    Raises:
        ExpressionError: it is not well formed, an element is unknown or stands where it can't, or there is too much.
    """
    if len(source.text) > MOST_CHARACTERS:
        raise source.error(
            0, f"it is longer than {MOST_CHARACTERS // 2**20} MB", "use links to images instead of data: URLs"
        )
    return _Reader(source).root()


class _Reader:
    def __init__(self, source: MjmlSource) -> None:
        self._source = source
        self._bare = source.bare
        self._position = 0
        self._open: list[Element] = []
        self._root: Element | None = None
        self._count = self._inherited = 0

    def root(self) -> Element:
        if declaration := _DECLARATION.match(self._bare):
            self._position = declaration.end()
        while self._position < len(self._bare):
            self._take()
        if self._open:
            one = self._open[-1]
            raise self._source.error(one.position, f"<{one.name}> is not closed", f"write </{one.name}> at its end")
        assert self._root, "it begins with <mjml>"
        if self._inherited * self._count > MOST_INHERITED:
            raise self._source.error(
                0, "attributes that other elements have too are too long", "make those of <mj-attributes> shorter"
            )
        return self._root

    def _take(self) -> None:
        blanks = _BARE_BLANKS.match(self._bare, self._position)
        assert blanks, "it may be empty"
        start = blanks.end() + self._bare.startswith("\ufeff", blanks.end())
        self._position = start
        if start >= len(self._bare):
            return
        if self._bare.startswith("<!--", start):
            self._take_comment()
        elif tag := _START.match(self._bare, start):
            self._take_start(tag)
        elif tag := _END_TAG.match(self._bare, start):
            self._take_end(tag)
        else:
            self._refuse_text()

    def _take_comment(self) -> None:
        start = self._position
        if re.compile(r"<!--\[if\b", re.IGNORECASE).match(self._bare, start):
            raise self._source.error(
                start, "a conditional comment can't stand between elements of MJML", "put it into <mj-raw>"
            )
        end = self._bare.find("-->", start + len("<!--"))
        if end < 0:
            raise self._source.error(start, "a comment is not closed", "write --> at its end")
        self._position = end + len("-->")

    def _refuse_text(self) -> None:
        start = self._position
        text = self._source.text[start : self._bare.find("<", start + 1) if "<" in self._bare[start + 1 :] else None]
        where = f"in <{self._open[-1].name}>" if self._open else "outside <mjml>"
        hint = "put text into <mj-text>, and HTML into <mj-text> or <mj-raw>"
        raise self._source.error(start, f"{quoted(shortened(' '.join(text.split())))} can't stand {where}", hint)

    def _take_start(self, tag: re.Match[str]) -> None:
        name = tag[1].lower()
        self._check_place(name, tag.start())
        attributes, position = self._attributes(tag)
        ending = _TAG_END.match(self._bare, position)
        if not ending:
            raise self._source.error(tag.start(), f"the tag <{name} has no end", "write > at its end")
        element = Element(name, tag.start(), attributes, self._open[-1] if self._open else None)
        self._count += 1
        if self._count > MOST_ELEMENTS:
            raise self._source.error(
                tag.start(), f"there are more than {MOST_ELEMENTS:,} elements", "repeat with data-each"
            )
        if name in _GIVING or (element.parent and element.parent.name == DEFAULTS):
            self._inherited += position - tag.start()
        if element.parent:
            self._check_room(element.parent, name, tag.start())
            element.parent.children.append(element)
        else:
            self._root = element
        self._position = ending.end()
        is_default = element.parent is not None and element.parent.name == DEFAULTS
        if "/" in ending.group():
            return
        if name in HTML_HOLDERS and not is_default:
            self._pass_content(element)
        else:
            self._open.append(element)

    def _check_room(self, parent: Element, name: str, position: int) -> None:
        if parent.name == "mjml" and any(one.name == name for one in parent.children):
            raise self._source.error(position, f"<{name}> can't stand there twice", "put all into one of the two")
        if parent.name == "mj-carousel" and len(parent.children) == MOST_IMAGES:
            words = f"<mj-carousel> can't hold more than {MOST_IMAGES} images"
            raise self._source.error(position, words, "use several, or link to a gallery")

    def _check_place(self, name: str, position: int) -> None:
        if name == "mj-include":
            raise self._source.error(position, "<mj-include> is not read", "put the text of the file here")
        if name not in NAMES:
            near = get_close_matches(name, NAMES, n=1)
            hint = f"did you mean <{near[0]}>?" if near else "put HTML into <mj-text> or <mj-raw>"
            raise self._source.error(position, f"there is no element <{name}> of MJML that can stand here", hint)
        parent = self._open[-1].name if self._open else ""
        if parent == DEFAULTS or (not parent and name == "mjml" and not self._root):
            return
        if name not in CHILDREN.get(parent, ()):
            places = " or ".join(f"<{one}>" for one in parents(name)) or "the beginning, once"
            where = f"in <{parent}>" if parent else "here"
            raise self._source.error(position, f"<{name}> can't stand {where}", f"put it into {places}")

    def _attributes(self, tag: re.Match[str]) -> tuple[dict[str, Attribute], int]:
        found: dict[str, Attribute] = {}
        position = tag.end()
        while attribute := ATTRIBUTE.match(self._bare, position):
            position = attribute.end()
            name, kind = attribute["name"].lower(), attribute.lastgroup
            assert kind, "each has a name"
            if not _NAME.fullmatch(name) or self._source.within(*attribute.span("name")):
                written = self._source.text[slice(*attribute.span("name"))]
                raise self._source.error(
                    attribute.start("name"),
                    f"{quoted(written)} can't be the name of an attribute of <{tag[1].lower()}>",
                    'write name="value"; put expressions into the values of attributes',
                )
            if name in found:
                raise self._source.error(
                    attribute.start("name"), f"<{tag[1].lower()}> has {name} twice", "keep one of the two"
                )
            has_value = kind != "name"
            span = attribute.span(kind) if has_value else (position, position)
            found[name] = Attribute(name, *span, has_value)
        return found, position

    def _pass_content(self, element: Element) -> None:
        start = self._position
        end = re.compile(rf"<!--.*?(?:-->|\Z)|(?P<end></{element.name}\s*>)", re.DOTALL | re.IGNORECASE)
        closing = next((one for one in end.finditer(self._bare, start) if one["end"]), None)
        if not closing:
            raise self._source.error(
                element.position, f"<{element.name}> is not closed", f"write </{element.name}> at its end"
            )
        element.content = start, closing.start()
        self._position = closing.end()

    def _take_end(self, tag: re.Match[str]) -> None:
        name = tag[1].lower()
        if not self._open or self._open[-1].name != name:
            words = f"</{name}> closes nothing"
            hint = f"<{self._open[-1].name}> is open here: close it first, or remove this tag" if self._open else ""
            raise self._source.error(tag.start(), words, hint or "remove this tag")
        element = self._open.pop()
        if element.name in EMPTY and element.children:
            raise self._source.error(element.position, f"<{name}> can't hold anything", "write it without a content")
        self._position = tag.end()
