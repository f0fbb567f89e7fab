"""Directives, the attributes that repeat elements of HTML or show them only at times, as an author writes them.

    <tr data-each="item of input.items">…</tr>            once for each item; `item, index of …` counts from 0
    <p data-if="input.vip">…</p>                          only if JavaScript takes the value for true
    <p data-else>…</p>                                    only if the element before it came out not even once

On one element `data-else` comes first, then `data-each`, then `data-if`, which judges each item; an element with
`data-else` and `data-if` is one more case. A variable is seen by the element and all within it, its own attributes
included. Directives are read here, before any value is put in: what looks like one in a value is text.

A layout is put around content, and MJML is compiled, as text: their directives are read when the HTML is whole.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mailnode.errors import ErrorCode, ExpressionError
from mailnode.message.html_tree import MOST_LEVELS, MOST_TAGS
from mailnode.message.html_tree.extents import Extent, ExtentError, WrittenAttribute, elements_with
from mailnode.message.html_tree.stack import BeyondLimitError
from mailnode.message.markup import decode
from mailnode.node.template import Expression, expression_end
from mailnode.printable import quoted, shortened

EACH, IF, ELSE = "data-each", "data-if", "data-else"
DIRECTIVES = frozenset({EACH, IF, ELSE})
# The engine goes into each within the one around it, on a stack of its own.
MOST_NESTED = 100
# What people write for one more case.
_MISTAKEN = frozenset({"data-else-if", "data-elseif", "data-elif"})

_ANY = re.compile(r"data-(?:each|if|else|elif)", re.IGNORECASE)
_EACH = re.compile(r"\s*(?P<item>[^\s,]+)(?:\s*,\s*(?P<index>[^\s,]+))?\s+of\s+(?P<items>\S.*)", re.DOTALL)
_MARK = re.compile("\0[0-9]+\0")
# What may stand between an element and the one that is shown else.
_BETWEEN = re.compile(r"(?:[ \t\n\f\r]|<!--(?:[^-]|-(?!->))*-->)*")
_BLANKS = " \t\n\f\r"
_END = "\n\0"  # no expression holds a NUL, and a line comment ends before it
_TAKEN = frozenset({"input", "context"})
# Words that are no names in JavaScript's strict mode, and values that none should hide.
_KEYWORDS = frozenset(
    {"arguments", "await", "break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete"}
    | {"do", "else", "enum", "eval", "export", "extends", "false", "finally", "for", "function", "if", "implements"}
    | {"import", "in", "instanceof", "interface", "let", "new", "null", "of", "package", "private", "protected"}
    | {"public", "return", "static", "super", "switch", "this", "throw", "true", "try", "typeof", "var", "void"}
    | {"while", "with", "yield", "undefined", "NaN", "Infinity"}
)
_EACH_HINT = 'write data-each="item of input.items", or data-each="item, index of input.items"'


@dataclass(frozen=True, slots=True)
class Loop:
    """For each item of a list: the names of the variables (`index` may be ""), and the list."""

    item: str
    index: str
    items: Expression

    @property
    def names(self) -> tuple[str, ...]:
        """The variables."""
        return (self.item, self.index) if self.index else (self.item,)


@dataclass(frozen=True, slots=True)
class Block:
    """An element with directives at `marked[start:end]`; `cuts` are where its directives stand, `blocks` within it."""

    start: int
    end: int
    loop: Loop | None
    condition: Expression | None
    is_else: bool
    cuts: tuple[tuple[int, int], ...]
    blocks: tuple["Block", ...]


def find_blocks(marked: str) -> tuple[Block, ...]:
    """Find the elements with directives in HTML whose `{{ expressions }}` are marks, their numbers between NULs.

    Raises:
        ExpressionError: a directive says nothing that can be done, or its element has no end of its own.
    """
    if not _ANY.search(marked):
        return ()
    try:
        extents = elements_with(marked, DIRECTIVES | _MISTAKEN, most_levels=MOST_LEVELS, most_tags=MOST_TAGS)
    except ExtentError as error:
        raise ExpressionError(f"{error.attribute} on <{error.name}>: it {error}", hint=error.remedy) from None
    except BeyondLimitError as error:
        raise ExpressionError(
            f"the content can't have {EACH} and {IF}: {error}",
            code=ErrorCode.EXPRESSION_LIMIT,
            hint="make it flatter, and shorter",
        ) from None
    return _within(marked, extents, 0, len(extents), 0)


def _within(marked: str, extents: Sequence[Extent], at: int, stop: int, depth: int) -> tuple[Block, ...]:
    """Make blocks of extents[at:stop], which are all that stand within one element, `depth` of them around."""
    if depth > MOST_NESTED:
        raise ExpressionError(
            f"more than {MOST_NESTED} elements with {EACH} or {IF} stand within one another",
            code=ErrorCode.EXPRESSION_LIMIT,
            hint="make it flatter",
        )
    found: list[Block] = []
    while at < stop:
        extent = extents[at]
        inner = at + 1
        while inner < stop and extents[inner].start < extent.end:
            inner += 1
        before = found[-1].end if found else None
        found.append(_block(marked, extent, before, _within(marked, extents, at + 1, inner, depth + 1)))
        at = inner
    return tuple(found)


def _block(marked: str, extent: Extent, before: int | None, inner: tuple[Block, ...]) -> Block:
    """Make a block; the one before it, within the same element, ends at `before`."""
    given: dict[str, WrittenAttribute] = {}
    for attribute in extent.attributes:
        if attribute.name in _MISTAKEN:
            hint = f'write {ELSE} {IF}="{attribute.value}"'
            raise ExpressionError(f"there is no {attribute.name}, on <{extent.name}>", hint=hint)
        if given.setdefault(attribute.name, attribute) is not attribute:
            hint = f'join conditions with &&, as in {IF}="input.a && input.b"'
            if attribute.name == EACH:
                hint = "put the second one on an element within"
            raise ExpressionError(f"<{extent.name}> has {attribute.name} twice", hint=hint)
        if _MARK.search(attribute.value):
            raise ExpressionError(
                f"{attribute.name} on <{extent.name}> contains braces",
                hint=f'write JavaScript without braces, as in {EACH}="item of input.items" or {IF}="input.vip"',
            )
    if ELSE in given:
        follows = before is not None and _BETWEEN.fullmatch(marked, before, extent.start)
        _check_else(extent, given[ELSE], follows=bool(follows))
    return Block(
        extent.start,
        extent.end,
        _loop(given[EACH]) if EACH in given else None,
        _condition(given[IF]) if IF in given else None,
        ELSE in given,
        tuple(_cut(marked, attribute) for attribute in extent.attributes),
        inner,
    )


def _check_else(extent: Extent, attribute: WrittenAttribute, *, follows: bool) -> None:
    if not follows:
        raise ExpressionError(
            f"{ELSE} on <{extent.name}> follows no element with {IF} or {EACH}",
            hint="put it right behind such an element, with nothing but blanks between",
        )
    if attribute.value.strip(_BLANKS).lower() not in {"", ELSE}:
        raise ExpressionError(
            f"{ELSE} on <{extent.name}> has a value: {quoted(attribute.value)}",
            hint=f"write {ELSE} alone; for another case put {IF} on the same element",
        )


def _cut(marked: str, attribute: WrittenAttribute) -> tuple[int, int]:
    """Where an attribute stands, with the blanks before it unless they part what is beside it."""
    start = attribute.start
    if marked[attribute.end : attribute.end + 1] in (*_BLANKS, "/", ">"):
        while marked[start - 1] in _BLANKS:
            start -= 1
    return start, attribute.end


def _loop(attribute: WrittenAttribute) -> Loop:
    written = decode(attribute.value)
    shown = f'{EACH}="{written}"'
    found = _EACH.fullmatch(written)
    if not found:
        raise ExpressionError(f"{EACH} can't be read: {quoted(written)}", hint=_EACH_HINT)
    item, index = found["item"], found["index"] or ""
    for name in filter(None, (item, index)):
        _check_name(name, shown)
    if item == index:
        raise ExpressionError(f"{shortened(shown)} has two variables of the same name", hint=_EACH_HINT)
    return Loop(item, index, _expression(found["items"].strip(), shown, _EACH_HINT))


def _check_name(name: str, shown: str) -> None:
    if name in _TAKEN:
        what, hint = "is the name of the flow's own data", _EACH_HINT
    elif name in _KEYWORDS:
        what, hint = "is a word of JavaScript's own", _EACH_HINT
    elif not name.replace("$", "_").isidentifier():
        what, hint = "is not a name", "use letters, digits and _, and begin with a letter: " + _EACH_HINT[6:]
    else:
        return
    raise ExpressionError(f"{shortened(shown)}: {quoted(name)} {what}", hint=hint)


def _condition(attribute: WrittenAttribute) -> Expression:
    written = decode(attribute.value)
    shown = f'{IF}="{written}"'
    return _expression(written.strip(), shown, f'write a condition, as in {IF}="input.vip"')


def _expression(source: str, shown: str, hint: str) -> Expression:
    if not source:
        raise ExpressionError(f"{shown} is empty", hint=hint)
    try:
        expression_end(source + _END, 0, _END)
    except ExpressionError as error:
        what = error.message.partition(":")[0]
        raise ExpressionError(f"{shortened(shown)}: {what}", hint="close each bracket and quote") from None
    return Expression(source, shown=shown)
