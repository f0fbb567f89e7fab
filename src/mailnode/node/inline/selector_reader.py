"""Selectors read from the tokens of a style sheet."""

import re
from collections.abc import Iterator, Sequence

from tinycss2.ast import Node

from mailnode.node.inline.selector import Selector, StyleCondition, Subject

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


def read_selectors(tokens: Sequence[Node]) -> list[Selector]:
    """Read the selectors of a list, which commas part."""
    return [_SelectorReader(one).selector for one in _split(tokens)]


def _split(tokens: Sequence[Node]) -> Iterator[list[Node]]:
    piece: list[Node] = []
    for node in tokens:
        if node == ",":
            yield piece
            piece = []
        else:
            piece.append(node)
    yield piece


class _SelectorReader:
    """Goes through the tokens of one selector."""

    def __init__(self, tokens: Sequence[Node], *, is_nested: bool = False) -> None:
        self.selector = Selector()
        self._is_nested = is_nested
        self._is_garbled = False
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
        self.selector.around.append(self._subject())
        self.selector.counts_siblings |= combinator in {"+", "~"}
        self._begin_compound()

    def _end(self) -> None:
        selector = self.selector
        still = "".join([*self._compounds, "".join(self._pieces) or "*"])
        selector.still = "" if self._is_garbled or len(still) > _LONGEST else still
        selector.is_exact &= bool(selector.still)
        if self._is_garbled:
            return
        css = self._tag + "".join(_css(node) for node in (*self._classes, *self._ids))
        if len(css) <= _LONGEST:
            selector.subject_css = css or "*"
        selector.subject = self._subject()

    def _subject(self) -> Subject:
        return Subject(
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
            self._is_garbled = True
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
        inner = [_SelectorReader(one, is_nested=True).selector for one in _split(node.arguments)]
        self._count(*max(one.specificity for one in inner))
        self.selector.counts_siblings |= any(one.counts_siblings for one in inner)
        self.selector.asks_for.update(*(one.asks_for for one in inner))
        self.selector.is_known &= all(one.is_known and one.is_of_element for one in inner)
        self.selector.style_conditions += [condition for one in inner for condition in one.style_conditions]
        if all(one.is_exact for one in inner) and not any(one.around for one in inner):
            self._pieces.append(f":not({','.join(one.still for one in inner)})")
        else:
            self.selector.is_exact = False


def _css(node: Node) -> str:
    written: str = node.serialize()
    return written if node.type == "hash" else f".{written}"
