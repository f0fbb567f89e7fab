"""The stack of open elements, and the list of active formatting elements (HTML 13.2.4.2 and 13.2.4.3)."""

import re
from collections.abc import Set as AbstractSet

from mailnode.message.html_tree.names import BUTTON_SCOPE, IMPLIED_ENDS, SCOPE, SPECIAL

ATTRIBUTE = re.compile(
    r"[\t\n\f\r /]*+([^\t\n\f\r />][^\t\n\f\r />=]*+)"
    r"(?:[\t\n\f\r ]*+=[\t\n\f\r ]*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\t\n\f\r \"'>][^\t\n\f\r >]*+)|(?=>|\Z)))?"
)
_MOST_EQUAL = 3
_OUTER_ROUNDS, _INNER_ROUNDS = 8, 3


class BeyondLimitError(Exception):
    """The tree is larger, or deeper, than is asked for; says what it is."""


class Element:
    """An element that is open; of its tag what stands behind the name.

    It lies no deeper in the tree than `depth`, of which the stack's are ascending: what has left the stack, such as a
    form before its content, may still be around it.
    """

    __slots__ = ("depth", "name", "source")

    def __init__(self, name: str, source: str, depth: int) -> None:
        self.name = name
        self.source = source
        self.depth = depth


def attributes_of(source: str) -> dict[str, str]:
    """Take a tag's attributes apart, as they are written: names in lower case, of equal names the first."""
    found: dict[str, str] = {}
    for name, double, single, bare in ATTRIBUTE.findall(source):
        found.setdefault(ascii_lower(name), double or single or bare)
    return found


def ascii_lower(name: str) -> str:
    """Give a name in lower case as parsers of HTML do, who leave letters beyond ASCII."""
    if name.isascii():
        return name.lower()
    return name.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


class Stack:
    """The elements that are open, and what is to be opened again; counts all that were inserted."""

    def __init__(self, most_levels: int, most_elements: int) -> None:
        """Begin with <html>; <head> and <body> come to every document."""
        self.open = [Element("html", "", 1)]
        self.formatting: list[Element | None] = []  # None is a marker
        self.depth = 2
        self.elements = 3
        self.copied = 0  # characters of the tags whose elements stand again
        self._most_levels = most_levels
        self._most_elements = most_elements

    @property
    def current(self) -> str:
        """The name of the current node."""
        return self.open[-1].name

    def push(self, name: str, source: str = "") -> Element:
        """Insert an element, and leave it open.

        Raises:
            BeyondLimitError: it is too deep, or one too many.
        """
        element = Element(name, source, self.open[-1].depth + 1)
        self.open.append(element)
        self._count(element.depth)
        return element

    def insert(self, name: str) -> None:
        """Insert an element that is closed at once."""
        self.push(name)
        self.open.pop()

    def has(self, name: str) -> bool:
        """Tell whether an element of the name is open anywhere."""
        return any(element.name == name for element in self.open)

    def in_scope(self, names: AbstractSet[str], scope: AbstractSet[str] = SCOPE) -> bool:
        """Tell whether one of these is open, with none of the scope's between."""
        for element in reversed(self.open):
            if element.name in names:
                return True
            if element.name in scope:
                return False
        return False

    def has_in_scope(self, wanted: Element) -> bool:
        """Tell whether this very element is open, and in scope."""
        at = _index(self.open, wanted)
        return at >= 0 and all(element.name not in SCOPE for element in self.open[at + 1 :])

    def remove(self, element: Element) -> None:
        """Close an element, and none within it."""
        _discard(self.open, element)

    def pop_until(self, names: AbstractSet[str]) -> None:
        """Close elements up to and with one of these, which is there."""
        while self.open.pop().name not in names:
            pass

    def pop_to(self, context: AbstractSet[str]) -> None:
        """Close elements until the current one is one of these."""
        while self.open[-1].name not in context:
            self.open.pop()

    def imply_ends(self, names: AbstractSet[str] = IMPLIED_ENDS, *, but: str = "") -> None:
        """Close the elements whose end tags may be left out."""
        while self.open[-1].name in names and self.open[-1].name != but:
            self.open.pop()

    def close(self, names: AbstractSet[str], scope: AbstractSet[str] = SCOPE) -> bool:
        """Close the innermost of these, and all within it, where it is in scope; tell whether it was."""
        if not self.in_scope(names, scope):
            return False
        self.pop_until(names)
        return True

    def close_p(self) -> bool:
        """End the paragraph that ends where a block begins."""
        return self.close({"p"}, BUTTON_SCOPE)

    def end_any(self, name: str) -> None:
        """Take an end tag that means nothing more than its name (13.2.6.4.7, any other end tag)."""
        for at in range(len(self.open) - 1, -1, -1):
            if self.open[at].name == name:
                del self.open[at:]
                return
            if self.open[at].name in SPECIAL:
                return

    def mark(self) -> None:
        """Begin a part whose formatting ends with it."""
        self.formatting.append(None)
        self._bound_formatting()

    def clear_to_marker(self) -> None:
        """End that part."""
        while self.formatting and self.formatting.pop():
            pass

    def reconstruct(self) -> None:
        """Open again the formatting elements that ended with what was around them."""
        listed = self.formatting
        if not listed or self._is_open(listed[-1]):
            return
        first = len(listed) - 1
        while first and not self._is_open(listed[first - 1]):
            first -= 1
        for at in range(first, len(listed)):
            listed[at] = self._opened_again(listed[at])

    def format(self, name: str, source: str) -> None:
        """Insert a formatting element; of more than three alike the first is no longer opened again."""
        named = [one for one in self._listed() if one.name == name]
        if len(named) >= _MOST_EQUAL:
            given = attributes_of(source)
            equal = [one for one in named if _are_equal(attributes_of(one.source), given)]
            if len(equal) >= _MOST_EQUAL:
                self.formatting.remove(equal[-1])
        self.formatting.append(self.push(name, source))
        self._bound_formatting()

    def forget_link(self) -> None:
        """End a link that is open where another one begins."""
        link = next((one for one in self._listed() if one.name == "a"), None)
        if link:
            self.adopt("a")
            _discard(self.formatting, link)
            _discard(self.open, link)

    def adopt(self, name: str) -> None:
        """Take the end tag of a formatting element: the adoption agency algorithm (13.2.6.4.7)."""
        if self.current == name and not _contains(self.formatting, self.open[-1]):
            self.open.pop()
            return
        for _ in range(_OUTER_ROUNDS):
            element = next((one for one in self._listed() if one.name == name), None)
            if not element:
                self.end_any(name)
                return
            if not self._is_open(element):
                _discard(self.formatting, element)
                return
            if not self.has_in_scope(element):
                return
            at = _index(self.open, element)
            block = next((one for one in range(at, len(self.open)) if self.open[one].name in SPECIAL), 0)
            if not block:
                del self.open[at:]
                _discard(self.formatting, element)
                return
            self._adopt(element, block)

    def _adopt(self, element: Element, block_at: int) -> None:
        """Put the formatting element into the block that is in it, and the block where that element was."""
        block = self.open[block_at]
        ancestor_at = _index(self.open, element) - 1
        bookmark = element
        at = block_at - 1
        rounds = 1
        while (node := self.open[at]) is not element:
            listed = _index(self.formatting, node)
            if rounds > _INNER_ROUNDS and listed >= 0:
                del self.formatting[listed]
            if rounds > _INNER_ROUNDS or listed < 0:
                del self.open[at]
            else:
                copied = self._copied(node)
                self.open[at] = self.formatting[listed] = copied
                if bookmark is element:
                    bookmark = copied
            rounds += 1
            at -= 1
        again = self._copied(element)
        self.formatting.insert(_index(self.formatting, bookmark) + 1, again)
        _discard(self.formatting, element)
        _discard(self.open, element)
        again_at = _index(self.open, block) + 1
        self.open.insert(again_at, again)
        for at in range(ancestor_at, again_at):
            self.open[at + 1].depth = self.open[at].depth + 1

    def _listed(self) -> list[Element]:
        """Give the formatting elements since the last marker, the latest first."""
        found: list[Element] = []
        for element in reversed(self.formatting):
            if element is None:
                break
            found.append(element)
        return found

    def _is_open(self, element: Element | None) -> bool:
        return element is None or any(one is element for one in reversed(self.open))

    def _opened_again(self, element: Element | None) -> Element:
        assert element, "markers are not opened"
        self.copied += len(element.source)
        return self.push(element.name, element.source)

    def _copied(self, element: Element) -> Element:
        self.copied += len(element.source)
        self._count(element.depth)
        return Element(element.name, element.source, element.depth)

    def _count(self, depth: int) -> None:
        self.depth = max(self.depth, depth)
        self.elements += 1
        if depth > self._most_levels:
            raise BeyondLimitError(f"it is nested deeper than {self._most_levels} elements")
        if self.elements > self._most_elements:
            raise BeyondLimitError(f"it has more than {self._most_elements:,} elements")

    def _bound_formatting(self) -> None:
        if len(self.formatting) > 2 * self._most_levels:
            raise BeyondLimitError("it has too many unclosed formatting elements")


def _are_equal(one: dict[str, str], other: dict[str, str]) -> bool:
    if one == other or one.keys() != other.keys():
        return one == other
    differing = [one[name] + other[name] for name in one if one[name] != other[name]]
    if all("&" in values for values in differing):
        raise BeyondLimitError("it has many formatting elements that differ only in entities")
    return False


def _index(elements: list[Element] | list[Element | None], element: Element) -> int:
    return next((at for at, one in enumerate(elements) if one is element), -1)


def _contains(elements: list[Element | None], element: Element) -> bool:
    return _index(elements, element) >= 0


def _discard(elements: list[Element] | list[Element | None], element: Element) -> None:
    if (at := _index(elements, element)) >= 0:
        del elements[at]
