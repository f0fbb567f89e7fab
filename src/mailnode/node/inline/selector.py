"""What a selector asks for, as far as a document at rest can answer."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tinycss2.ast import Node

# What mail readers put around a mail or into it: ids, classes and attributes that hacks for one of them ask for.
_OF_READERS = frozenset(
    {
        *("aolreplacesbody", "bloop_container", "data-ogac", "data-ogab", "data-ogsb", "data-ogsc", "externalclass"),
        *("messageviewbody", "messagewebviewdiv", "moz-text-html", "outlook", "override", "owa"),
        *("readmsgbody", "u", "x-apple-data-detectors", "yahoo", "yshortcuts"),
    }
)
# The longest that native code is asked to match.
_LONGEST = 400

_STILL = frozenset(
    {"empty", "first-child", "first-of-type", "last-child", "last-of-type", "only-child", "only-of-type", "root"}
)
_NTH = frozenset({"nth-child", "nth-last-child", "nth-last-of-type", "nth-of-type"})
# Valid everywhere, but for a reader to answer.
_MOVING = frozenset(
    {
        *("active", "any-link", "checked", "default", "disabled", "enabled", "focus", "focus-visible", "focus-within"),
        *("hover", "indeterminate", "invalid", "link", "optional", "out-of-range", "placeholder-shown", "read-only"),
        *("read-write", "required", "target", "valid", "visited"),
    }
)
_PSEUDO_ELEMENTS = frozenset({"after", "before", "first-letter", "first-line"})
_FLAT = frozenset({"comment", "dimension", "ident", "literal", "number", "whitespace"})
_NTH_ARGUMENT = re.compile(r"(?:odd|even|[+-]?\d*n?|[+-]?\d*n\s*[+-]\s*\d+)", re.IGNORECASE)
_OPERATORS = frozenset({"=", "~=", "|=", "^=", "$=", "*="})
_COMBINATORS = frozenset({">", "+", "~"})
_BLANK = frozenset({"whitespace", "comment"})
# More than any selector has: of one that can't be told.
MOST_SPECIFIC = 1000


class StyleCondition(NamedTuple):
    """What a selector asks of a style attribute: `[style*="margin"]`; an empty operator asks for its presence."""

    operator: str
    value: str

    def holds(self, style: str | None) -> bool:
        """Tell whether an element with this style attribute, or with none, is meant."""
        if style is None:
            return False
        match self.operator:
            case "":
                return True
            case "=":
                return style == self.value
            case "~=":
                return self.value in style.split()
            case "|=":
                return style == self.value or style.startswith(f"{self.value}-")
            case "^=":
                return style.startswith(self.value)
            case "$=":
                return style.endswith(self.value)
            case _:
                return self.value in style


class Subject(NamedTuple):
    """What an element needs at the least to be meant: a tag in lower case or "", classes and ids."""

    tag: str = ""
    classes: frozenset[str] = frozenset()
    ids: frozenset[str] = frozenset()

    def folded(self) -> "Subject":
        """Give it in lower case."""
        return Subject(self.tag, frozenset(map(str.lower, self.classes)), frozenset(map(str.lower, self.ids)))


_ANY = Subject()


@dataclass(slots=True)
class Selector:
    """One selector of a rule's list.

    `still` is what of it a document at rest can match, as CSS: "" when that can't be told; `is_exact`: it is all of it.
    `subject_css` is its subject as CSS. `is_known`: every reader takes it for valid. `is_of_element`: it styles an
    element and not, say, what stands before one. `asks_for` are the attributes
    that it looks at, and ":empty". `asks_reader`: it names what only mail readers put around a mail.
    """

    still: str = ""
    is_exact: bool = True
    subject: Subject = _ANY
    subject_css: str = "*"
    specificity: tuple[int, int, int] = (0, 0, 0)
    is_known: bool = True
    is_of_element: bool = True
    counts_siblings: bool = False
    asks_for: set[str] = field(default_factory=set)
    asks_reader: bool = False
    style_conditions: list[StyleCondition] = field(default_factory=list)


def read_selectors(tokens: Sequence[Node]) -> list[Selector]:
    """Read the selectors of a list, which commas part."""
    return [_Reading(one).selector for one in _split(tokens)]


def _split(tokens: Sequence[Node]) -> Iterator[list[Node]]:
    piece: list[Node] = []
    for node in tokens:
        if node == ",":
            yield piece
            piece = []
        else:
            piece.append(node)
    yield piece


class _Reading:
    """Goes through the tokens of one selector."""

    def __init__(self, tokens: Sequence[Node], *, is_nested: bool = False) -> None:
        self.selector = Selector()
        self.combinators = 0
        self._is_nested = is_nested
        self._compounds: list[str] = []
        self._begin_compound()
        self._read([node for node in tokens if node.type != "comment"])

    def _begin_compound(self) -> None:
        self._pieces: list[str] = []
        self._tag, self._classes, self._ids = "", [], []  # type: str, list[Node], list[Node]
        self._is_begun = False

    def _read(self, tokens: list[Node]) -> None:
        here = 0
        pending = ""
        while here < len(tokens):
            node = tokens[here]
            if node.type == "whitespace":
                pending = pending or (" " if self._is_begun else "")
            elif node.type == "literal" and node.value in _COMBINATORS:
                if not self._is_begun or pending.strip():
                    self._unknown()
                pending = node.value
            else:
                if pending:
                    self._end_compound(pending)
                    pending = ""
                here += self._simple(tokens, here)
                self._is_begun = True
                continue
            here += 1
        if not self._is_begun or pending.strip():
            self._unknown()
        self._end()

    def _end_compound(self, combinator: str) -> None:
        self._compounds += "".join(self._pieces) or "*", combinator
        self.combinators += 1
        self.selector.counts_siblings |= combinator in {"+", "~"}
        self._begin_compound()

    def _end(self) -> None:
        selector = self.selector
        still = "".join([*self._compounds, "".join(self._pieces) or "*"])
        selector.still = still if len(still) <= _LONGEST else ""
        selector.is_exact &= bool(selector.still)
        css = self._tag + "".join(_css(node) for node in (*self._classes, *self._ids))
        if len(css) <= _LONGEST:
            selector.subject_css = css or "*"
        selector.subject = Subject(
            self._tag.lower(),
            frozenset(node.value for node in self._classes),
            frozenset(node.value for node in self._ids),
        )

    def _simple(self, tokens: list[Node], here: int) -> int:
        """Read one simple selector; how many tokens it is made of."""
        node = tokens[here]
        following = tokens[here + 1] if here + 1 < len(tokens) else None
        if node.type == "ident" and not self._is_begun:
            self._tag = node.serialize()
            self._note_name(node.value)
            self._take(self._tag, types=1)
        elif node == "*" and not self._is_begun:
            self._take("*")
        elif node.type == "hash" and node.is_identifier:
            self._ids.append(node)
            self._note_name(node.value)
            self._take(_css(node), ids=1)
        elif node == "." and following and following.type == "ident":
            self._classes.append(following)
            self._note_name(following.value)
            self._take(_css(following), classes=1)
            return 2
        elif node.type == "[] block":
            self._attribute([one for one in node.content if one.type not in _BLANK])
        elif node == ":" and following:
            if following == ":":
                self._pseudo_element(tokens[here + 2 : here + 3])
                return 3
            self._pseudo_class(following)
            return 2
        else:
            self._unknown()
        return 1

    def _take(self, css: str, *, ids: int = 0, classes: int = 0, types: int = 0) -> None:
        self._count(ids, classes, types)
        self._pieces.append(css)

    def _note_name(self, name: str) -> None:
        self.selector.asks_reader |= name.lower() in _OF_READERS

    def _count(self, ids: int, classes: int, types: int) -> None:
        before = self.selector.specificity
        self.selector.specificity = before[0] + ids, before[1] + classes, before[2] + types

    def _leave_out(self, *, ids: int = 0, classes: int = 0, types: int = 0) -> None:
        """Note that the document can't tell; without this the selector means at least as many elements."""
        self._count(ids, classes, types)
        self.selector.is_exact = False

    def _unknown(self) -> None:
        self._leave_out(ids=MOST_SPECIFIC)
        self.selector.is_known = False

    def _attribute(self, content: list[Node]) -> None:
        name = content[0] if content else None
        is_simple = len(content) == 1 or (
            len(content) == len(("name", "=", "value"))
            and content[1].type == "literal"
            and content[1].value in _OPERATORS
            and content[2].type in {"ident", "string"}
        )
        if name is None or name.type != "ident" or not is_simple:
            self._unknown()
            return
        self.selector.asks_for.add(name.lower_value)
        if name.lower_value == "style":
            values = [one.value for one in content[1:]] or ["", ""]
            self.selector.style_conditions.append(StyleCondition(*values))
            self._leave_out(classes=1)
        else:
            self._note_name(name.value)
            self._take(f"[{''.join(one.serialize() for one in content)}]", classes=1)

    def _pseudo_element(self, name: list[Node]) -> None:
        self._leave_out(types=1)
        self.selector.is_of_element = False
        self.selector.is_known &= bool(name) and name[0].type == "ident" and name[0].lower_value in _PSEUDO_ELEMENTS

    def _pseudo_class(self, node: Node) -> None:
        if node.type == "function":
            self._function(node)
        elif node.type != "ident":
            self._unknown()
        elif node.lower_value in _STILL:
            self.selector.counts_siblings |= node.lower_value != "root"
            if node.lower_value == "empty":
                self.selector.asks_for.add(":empty")
            self._take(f":{node.lower_value}", classes=1)
        elif node.lower_value in _PSEUDO_ELEMENTS:
            self._pseudo_element([node])
        else:
            self._leave_out(classes=1)
            self.selector.is_known &= node.lower_value in _MOVING

    def _function(self, node: Node) -> None:
        if node.lower_name in _NTH and all(one.type in _FLAT for one in node.arguments):
            argument = "".join(one.serialize() for one in node.arguments).strip()
            if _NTH_ARGUMENT.fullmatch(argument):
                self.selector.counts_siblings = True
                self._take(f":{node.lower_name}({argument})", classes=1)
                return
        if node.lower_name == "not" and not self._is_nested:
            self._negation(node)
        else:
            self._unknown()

    def _negation(self, node: Node) -> None:
        readings = [_Reading(one, is_nested=True) for one in _split(node.arguments)]
        inner = [reading.selector for reading in readings]
        self._count(*max(one.specificity for one in inner))
        self.selector.counts_siblings |= any(one.counts_siblings for one in inner)
        self.selector.asks_for.update(*(one.asks_for for one in inner))
        self.selector.is_known &= all(one.is_known and one.is_of_element for one in inner)
        self.selector.style_conditions += [condition for one in inner for condition in one.style_conditions]
        if all(one.is_exact for one in inner) and not any(reading.combinators for reading in readings):
            self._pieces.append(f":not({','.join(one.still for one in inner)})")
        else:
            self.selector.is_exact = False


def _css(node: Node) -> str:
    written: str = node.serialize()
    return written if node.type == "hash" else f".{written}"
