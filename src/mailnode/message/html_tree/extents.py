"""Where elements begin and end, as parsers of HTML have it: where an end tag was left out too."""

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from mailnode.message.html_tree.names import HEADINGS
from mailnode.message.html_tree.scanner import Scanner, modes
from mailnode.message.html_tree.stack import ATTRIBUTE, Element, Stack, ascii_lower

# Without one of these HTML is a piece of a page, which may begin with the rows of a table.
_WHOLE = re.compile(r"<(?:!doctype|html|head|body|frameset)(?=[\t\n\f\r />])", re.IGNORECASE)
_CONDITION = re.compile(r"<!--\[if\b[^\]>]*\]>", re.IGNORECASE)
_CONDITION_END = re.compile(r"<!\[endif\]", re.IGNORECASE)
_MOST_WITHIN = 2
_PAGE = frozenset({"body", "frameset", "head", "html"})


class ExtentError(Exception):
    """An element has no place, or no end, of its own; says why, a clause about "it"."""

    def __init__(self, name: str, attribute: str, why: str, remedy: str) -> None:
        """Name the element, the attribute that it was wanted for, and what to do about it."""
        super().__init__(why)
        self.name = name
        self.attribute = attribute
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class WrittenAttribute:
    """A tag's attribute at `html[start:end]`: its name in lower case, its value as written, without quotes."""

    name: str
    value: str
    start: int
    end: int


@dataclass(slots=True)
class Extent:
    """An element at `html[start:end]`, and those of its attributes that were asked for."""

    name: str
    start: int
    end: int
    attributes: tuple[WrittenAttribute, ...]


def elements_with(html: str, names: AbstractSet[str], *, most_levels: int, most_tags: int) -> list[Extent]:
    """Find the elements that have one of these attributes, in the order of their start tags, in linear time.

    An element ends behind its end tag or, where that was left out, before the tag that ends it. What conditional
    comments and <noscript> hold is looked at too: it is markup to the readers that it is meant for.

    Raises:
        ExtentError: browsers drop the start tag, or the element overlaps another one.
        BeyondLimitError: the HTML is deeper or longer than is asked for.
    """
    extents = _Extents(html, 0, names, most_levels, most_tags)
    extents.run()
    return sorted(extents.found, key=lambda one: one.start)


class _Stack(Stack):
    """Remembers what the last tag has inserted."""

    def __init__(self, most_levels: int, most_elements: int) -> None:
        super().__init__(most_levels, most_elements)
        self.inserted: list[Element] = []

    def push(self, name: str, source: str = "") -> Element:
        element = super().push(name, source)
        self.inserted.append(element)
        return element

    def innermost_before(self) -> Element:
        """Give the innermost element that was open before the last tag, and still is."""
        return next(one for one in reversed(self.open) if not any(one is new for new in self.inserted))


class _Extents(Scanner):
    """Follows the elements of a document, or of a piece of one that stands at `offset` in it."""

    def __init__(
        self, html: str, offset: int, names: AbstractSet[str], most_levels: int, most_tags: int, within: int = 0
    ) -> None:
        self._stack = _Stack(most_levels, most_tags)
        super().__init__(html, self._stack, most_tags, len(html) + 1, is_quirky=modes(html)[0])
        self._offset = offset
        self._names = names
        self._most = most_levels, most_tags
        self._name = re.compile("|".join(map(re.escape, sorted(names))), re.IGNORECASE)
        self._within = within
        self._open: list[tuple[Extent, Element]] = []
        self._page_end = 0
        self.found: list[Extent] = []
        if offset or not _WHOLE.search(html):
            self._builder.template_modes.append("in template")
            self._builder.mode = "in template"
            self._stack.push("template")

    def run(self) -> None:
        super().run()
        # What stands behind </body> is a part of it to parsers.
        end = self._page_end or len(self._html)
        for extent, _ in self._open:
            if self._within:
                remedy = "put it on an element around the comment, or close this one before <![endif]"
                raise _error(extent, "does not end in the conditional comment that it begins in", remedy)
            extent.end = max(end + self._offset, extent.end)

    def _tag(self, name: str, is_end: bool, start: int) -> int | None:
        begin = start - len(name) - (2 if is_end else 1)
        self._stack.inserted.clear()
        end = super()._tag(name, is_end, start)
        if end is None:
            return end
        if is_end and name in {"body", "html"} and not self._page_end:
            self._page_end = begin
        self._close(begin, end, name if is_end else "")
        if not is_end and self._name.search(self._html, start, end) and (attributes := self._attributes(start)):
            self._begin(Extent(name, begin + self._offset, end + self._offset, attributes))
        if name == "noscript" and not is_end:
            self._look_into(start, end)
        return end

    def _text(self, start: int, end: int) -> None:
        super()._text(start, end)
        self._close(start, start, "")

    def _attributes(self, position: int) -> tuple[WrittenAttribute, ...]:
        found: list[WrittenAttribute] = []
        while attribute := ATTRIBUTE.match(self._html, position):
            if (name := ascii_lower(attribute[1])) in self._names:
                value = attribute[2] or attribute[3] or attribute[4] or ""
                start, end = attribute.start(1) + self._offset, attribute.end() + self._offset
                found.append(WrittenAttribute(name, value, start, end))
            position = attribute.end()
        return tuple(found)

    def _begin(self, extent: Extent) -> None:
        inserted = self._stack.inserted
        if extent.name in _PAGE:
            raise _error(extent, "is the page itself", "put it on an element within <body>")
        if not inserted or _bare(inserted[-1]) != extent.name:
            raise _error(extent, "stands where browsers drop it", "put it where it belongs: <tr> within <table>")
        self.found.append(extent)
        if self._stack.open[-1] is inserted[-1]:
            self._open.append((extent, inserted[-1]))
        # Any other is void, or holds no markup.

    def _close(self, before: int, behind: int, name: str) -> None:
        """End the elements that a tag has ended: those of its `name` behind it, others before it."""
        while self._open and not any(one is self._open[-1][1] for one in reversed(self._stack.open)):
            extent, element = self._open.pop()
            around = self._stack.innermost_before()
            # It was deeper than all that is open now.
            if around.depth >= element.depth:
                raise _error(extent, f"overlaps <{_bare(around)}>", "close what was opened in it before it ends")
            is_own = extent.name == name or {extent.name, name} <= HEADINGS
            extent.end = (behind if is_own else before) + self._offset

    def _declaration(self, opening: str, start: int) -> int | None:
        end = super()._declaration(opening, start)
        if opening == "<!--" and (condition := _CONDITION.match(self._html, start)):
            stop = len(self._html) if end is None else end
            closing = _CONDITION_END.search(self._html, condition.end(), stop)
            self._look_into(condition.end(), closing.start() if closing else stop)
        return end

    def _look_into(self, start: int, end: int) -> None:
        # A comment that never ends holds all that follow.
        if self._within < _MOST_WITHIN and self._name.search(self._html, start, end):
            html = self._html[start:end]
            part = _Extents(html, self._offset + start, self._names, *self._most, within=self._within + 1)
            part.run()
            self.found += part.found


def _bare(element: Element) -> str:
    return element.name.rpartition(" ")[2]


def _error(extent: Extent, why: str, remedy: str) -> ExtentError:
    return ExtentError(extent.name, extent.attributes[0].name, why, remedy)
