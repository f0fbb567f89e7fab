"""Style sheets as rules: where each stands, whom it means and what it says."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import tinycss2
from tinycss2.ast import Node

from mailnode.node.inline.selector import Selector
from mailnode.node.inline.selector_reader import MOST_SPECIFIC, read_selectors

# At-rules whose blocks hold no rules for elements.
_NOT_OF_ELEMENTS = re.compile(r"font-.*|(-\w+-)?keyframes|page|counter-style|property|(-\w+-)?viewport|color-profile")
# Deeper than any sheet that a person writes.
_DEEPEST = 16
_NEW_LINE = re.compile(r"\r\n|[\n\r\f]")
_COMMENT_MARKS = ("<!--", "-->")
_BLANK = frozenset({"whitespace", "comment"})


# `all` sets everything.
EVERYTHING = "*"

_PREFIX = re.compile(r"^-[a-z]+-|^mso-")
# Of these every longhand counts as the whole: shorthands, logical sides and the rest are many.
_FAMILIES = frozenset(
    {
        *("animation", "background", "border", "column", "columns", "container", "contain", "flex", "grid", "inset"),
        *("list", "margin", "mask", "offset", "outline", "overflow", "overscroll", "padding", "scroll", "transition"),
    }
)
_FONT = ("family", "size", "size-adjust", "stretch", "style", "variant", "weight", "width")
_SAME = {
    "top": "inset",
    "right": "inset",
    "bottom": "inset",
    "left": "inset",
    "inline-size": "width",
    "block-size": "height",
    "min-inline-size": "min-width",
    "min-block-size": "min-height",
    "max-inline-size": "max-width",
    "max-block-size": "max-height",
    "gap": "grid",
    "row-gap": "grid",
    "order": "flex",
    "box-flex": "flex",
    "align-items": "place",
    "align-content": "place",
    "align-self": "place",
    "justify-items": "place",
    "justify-content": "place",
    "justify-self": "place",
    "place-items": "place",
    "place-content": "place",
    "place-self": "place",
    "word-wrap": "overflow",
    "page-break-after": "break-after",
    "page-break-before": "break-before",
    "page-break-inside": "break-inside",
    "text-wrap": "white-space",
    "text-wrap-mode": "white-space",
}
_GROUPS = ("text-decoration", "text-emphasis", "white-space", "font-variant", "font-synthesis")


class Declaration(NamedTuple):
    """What an author says of a property, in their own words; `keys` as `keys` gives them."""

    text: str
    keys: frozenset[str]
    is_important: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule at `css[start:end]`, with the white space behind it.

    `may_carry`: its declarations may stand in style attributes. `is_whole`: all of it was understood, so that nothing
    is lost when it is cut.
    """

    start: int
    end: int
    selectors: tuple[Selector, ...]
    declarations: tuple[Declaration, ...]
    may_carry: bool
    is_whole: bool


_EVERYTHING = Declaration("", frozenset({EVERYTHING}), is_important=False)
_UNTOLD = (Selector(is_exact=False, is_known=False, specificity=(MOST_SPECIFIC, 0, 0)),)


def read_sheet(css: str) -> list[Rule]:
    """Read the rules of a sheet, those within at-rules too, in their order."""
    return _Sheet(css).rules


class _Sheet:
    def __init__(self, css: str) -> None:
        # What was opened and not closed takes the last token in.
        self._css = f"{css}\n;"
        self._length = len(css)
        self._lines = [0, *(found.end() for found in _NEW_LINE.finditer(self._css))]
        tokens = tinycss2.parse_component_value_list(self._css, skip_comments=False)
        self._unclosed = None if self._at(tokens[-1]) >= len(css) else tokens[-1]
        self._has_namespaces = False
        self.rules: list[Rule] = []
        self._read(tokens, self._length, depth=0)
        if self._has_namespaces:
            self.rules = [replace(rule, may_carry=False) for rule in self.rules]

    def _at(self, node: Node) -> int:
        offset: int = self._lines[node.source_line - 1] + node.source_column - 1
        return offset

    def _read(self, tokens: Sequence[Node], end: int, *, depth: int) -> None:
        """Read the rules that tokens make; `end` is where the last one ends."""
        prelude: list[Node] = []
        for here, node in enumerate(tokens):
            is_at_rule = bool(prelude) and prelude[0].type == "at-keyword"
            if node.type == "{} block":
                behind = tokens[here + 1 : here + 3]
                if is_at_rule:
                    self._at_rule(prelude[0].lower_value, node, self._at(behind[0]) if behind else end, depth)
                else:
                    self._rule(prelude, node, behind, end, depth)
                prelude = []
            elif is_at_rule and node == ";":
                self._has_namespaces |= prelude[0].lower_value == "namespace"
                prelude = []
            elif prelude or not (node.type in _BLANK or node in _COMMENT_MARKS):
                prelude.append(node)

    def _at_rule(self, name: str, block: Node, end: int, depth: int) -> None:
        if _NOT_OF_ELEMENTS.fullmatch(name):
            return
        if depth < _DEEPEST:
            self._read(block.content, end - 1, depth=depth + 1)
        else:
            self.rules.append(Rule(0, 0, _UNTOLD, (_EVERYTHING,), may_carry=False, is_whole=False))

    def _rule(self, prelude: list[Node], block: Node, behind: Sequence[Node], end: int, depth: int) -> None:
        ends = [*(self._at(node) for node in behind), end]
        selectors = tuple(read_selectors(prelude))
        declarations = list(self._declarations(block.content, ends[0] - 1))
        understood = [one for one in declarations if one is not None]
        if any(one is _EVERYTHING for one in understood):
            selectors = _UNTOLD
        self.rules.append(
            Rule(
                self._at((prelude or [block])[0]),
                min(ends[1] if behind and behind[0].type == "whitespace" else ends[0], self._length),
                selectors,
                tuple(understood),
                may_carry=not depth and block is not self._unclosed and all(one.is_known for one in selectors),
                is_whole=len(understood) == len(declarations),
            )
        )

    def _declarations(self, content: Sequence[Node], end: int) -> Iterator[Declaration | None]:
        """What a block says; None for what is no declaration, everything for rules within the rule."""
        first = 0
        for here in range(len(content) + 1):
            if here < len(content) and content[here] != ";":
                continue
            last = here
            while first < last and content[first].type in _BLANK:
                first += 1
            while first < last and content[last - 1].type in _BLANK:
                last -= 1
            if first < last:
                stop = self._at(content[last]) if last < len(content) else end
                yield _declaration(content[first:last], self._css[self._at(content[first]) : stop])
            first = here + 1


def _declaration(tokens: Sequence[Node], text: str) -> Declaration | None:
    if any(node.type in {"{} block", "at-keyword"} for node in tokens):
        return _EVERYTHING
    read = tinycss2.parse_one_declaration(tokens)
    if read.type != "declaration" or _is_broken(read.value):
        return None
    name = read.name if read.name.startswith("--") else read.lower_name
    return Declaration(text, keys(name), read.important)


def _is_broken(tokens: Sequence[Node]) -> bool:
    """Tell whether something in a value is no CSS, however deep it stands."""
    waiting = list(tokens)
    while waiting:
        node = waiting.pop()
        if node.type == "error":
            return True
        waiting += getattr(node, "arguments", None) or getattr(node, "content", None) or ()
    return False


@lru_cache(maxsize=1024)
def keys(name: str) -> frozenset[str]:
    """What a property speaks of: two properties of which one can override the other have a key in common.

    `name` is in lower case. Vendor prefixes do not count, nor does Outlook's `mso-`.
    """
    if name.startswith("--"):
        return frozenset({name})
    plain = _PREFIX.sub("", name).removesuffix("-alt")
    if plain == "all":
        return frozenset({EVERYTHING})
    if plain == "font":
        return frozenset({*(f"font-{part}" for part in _FONT), "line-height"})
    if (first := plain.split("-")[0]) in _FAMILIES and plain != "border-collapse":
        return frozenset({"column" if first == "columns" else first})
    group = next((group for group in _GROUPS if plain.startswith(group)), plain)
    return frozenset({_SAME.get(group, group)})
