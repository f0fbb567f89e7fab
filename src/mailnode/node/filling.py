"""HTML content taken apart into what is literal and what is put in: values, and elements with directives."""

import html
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mailnode.errors import ErrorCode, ExpressionError
from mailnode.node.directives import EACH, IF, Block
from mailnode.node.markup import MARK, Attribute, Markup, decode_entities
from mailnode.node.program import Node, Program, ProgramMaker, TapeReader, with_places
from mailnode.node.safe_attributes import reason_to_empty
from mailnode.node.template import Expression

LINE_BREAK = re.compile(r"\r\n?|\n")
MOST_BYTES = 5 * 2**20
_SPECIAL = re.compile("[\0&<>\"']")


@dataclass(frozen=True, slots=True)
class AttributePart:
    """The value of an attribute: literals as they are written, and as they are read, with numbers of values between."""

    tag: str
    name: str
    literals: tuple[str, ...]
    decoded: tuple[str, ...]
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BlockPart:
    """An element with directives, and its parts; `characters` of them are literal, but for elements within."""

    block: Block
    parts: "Parts"
    characters: int


Part = str | int | AttributePart | BlockPart
Parts = tuple[Part, ...]


def parts_of(markup: Markup) -> Parts:
    """Cut content into its parts; a number is that of an expression in text.

    Raises:
        ExpressionError: readers do not agree on where an element with directives ends.
    """
    return _Cutter(markup).parts(0, len(markup.marked), markup.blocks)


class _Cutter:
    def __init__(self, markup: Markup) -> None:
        self._marked = markup.marked
        spans: list[tuple[int, int, Attribute | None]] = [(one.start, one.end, one) for one in markup.attributes]
        spans += [(start, end, None) for block in _all(markup.blocks) for start, end in block.cuts]
        self._spans = sorted(spans, key=lambda span: span[0])
        self._starts = [span[0] for span in self._spans]

    def parts(self, start: int, end: int, blocks: Sequence[Block]) -> Parts:
        found: list[Part] = []
        for block in blocks:
            found += self._plain(start, block.start)
            inner = self.parts(block.start, block.end, block.blocks)
            found.append(BlockPart(block, inner, sum(len(part) for part in inner if isinstance(part, str))))
            start = block.end
        found += self._plain(start, end)
        return tuple(found)

    def _plain(self, start: int, end: int) -> Iterator[Part]:
        for at in range(bisect_left(self._starts, start), bisect_left(self._starts, end)):
            begin, stop, attribute = self._spans[at]
            if stop > end:
                raise ExpressionError(
                    f"an element with {EACH} or {IF} ends within a tag",
                    hint="write <![endif] only where a conditional comment ends",
                )
            yield from self._text(start, begin)
            if attribute:
                pieces = MARK.split(self._marked[begin:stop])
                decoded = tuple(decode_entities(literal) for literal in pieces[::2])
                numbers = tuple(map(int, pieces[1::2]))
                yield AttributePart(attribute.tag, attribute.name, tuple(pieces[::2]), decoded, numbers)
            start = stop
        yield from self._text(start, end)

    def _text(self, start: int, end: int) -> Iterator[Part]:
        for at, piece in enumerate(MARK.split(self._marked[start:end])):
            if at % 2:
                yield int(piece)
            elif piece:
                yield piece


def _all(blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        yield block
        yield from _all(block.blocks)


def program_of(parts: Parts, expressions: Sequence[Expression]) -> Program:
    """Make the program of content with directives; the numbers of its expressions stay what they are."""
    maker = ProgramMaker(expressions)
    return maker.made(_nodes(maker, parts, ()))


def _nodes(maker: ProgramMaker, parts: Parts, names: tuple[str, ...]) -> list[Node]:
    nodes: list[Node] = []
    for part in parts:
        if isinstance(part, int):
            nodes.append(maker.value(part, names))
        elif isinstance(part, AttributePart):
            nodes += [maker.value(number, names) for number in part.numbers]
        elif isinstance(part, BlockPart):
            block = part.block
            node, within = maker.enter(block.loop, block.condition, names, is_else=block.is_else)
            node[-1] = _nodes(maker, part.parts, within)
            nodes.append(node)
    return nodes


class Filler:
    """Puts values in the places of their numbers."""

    def __init__(self, reader: TapeReader, *, is_bounded: bool, plain: range = range(0)) -> None:
        """Take the values from a tape; content with directives is bounded, and line breaks of `plain` ones are seen."""
        self._reader = reader
        self._plain = plain
        self._expressions = reader.expressions
        self._pieces: list[str] = []
        self._warnings: dict[str, list[str]] = {}
        self._left = MOST_BYTES if is_bounded else None

    def filled(self, parts: Parts) -> tuple[str, list[str]]:
        """Give the HTML, and warnings of attributes that were emptied.

        Raises:
            ExpressionError: a value is none that can be put in; it knows the others.
        """
        self._fill(parts)
        self._reader.check()
        made = "".join(self._pieces)
        if self._left is not None and len(made.encode(errors="replace")) > MOST_BYTES:
            raise _too_long()
        return made, [with_places(warning, places) for warning, places in self._warnings.items()]

    def _fill(self, parts: Parts) -> None:
        is_shown = False
        for part in parts:
            if isinstance(part, str):
                self._pieces.append(part)
            elif isinstance(part, int):
                text = self._reader.text(part)
                text = text.replace("\0", "\ufffd") if self._expressions[part].raw else _escaped(text)
                self._pieces.append(LINE_BREAK.sub("<br>\n", text) if part in self._plain else text)
            elif isinstance(part, AttributePart):
                self._pieces.append(self._attribute(part))
            elif not (part.block.is_else and is_shown):
                is_shown = self._block(part)

    def _block(self, part: BlockPart) -> bool:
        """Put in an element as often as its directives say, and tell whether it was put in at all."""
        is_shown = False
        for _ in self._reader.times(part.block.loop, part.block.condition):
            is_shown = True
            self._bound(part.characters)
            self._fill(part.parts)
        return is_shown

    def _bound(self, characters: int) -> None:
        if self._left is not None:
            self._left -= characters
            if self._left < 0:
                raise _too_long()

    def _attribute(self, part: AttributePart) -> str:
        values = [self._reader.text(number) for number in part.numbers]
        pieces = [part.literals[0]]
        for value, literal in zip(values, part.literals[1:], strict=True):
            pieces += _escaped(value), literal
        filled = "".join(pieces)
        reason = reason_to_empty(part.tag, part.name, part.decoded, values, filled)
        if not reason:
            return filled
        warning = f"{part.name} was emptied: {self._expressions[part.numbers[0]]} contains {reason}"
        self._warnings.setdefault(warning, []).append(self._reader.place)
        return ""


def _escaped(text: str) -> str:
    return html.escape(text.replace("\0", "\ufffd")) if _SPECIAL.search(text) else text


def _too_long() -> ExpressionError:
    return ExpressionError(
        f"the content would be more than {MOST_BYTES // 2**20} MB of HTML",
        code=ErrorCode.EXPRESSION_LIMIT,
        hint="repeat less of it: input.items.slice(0, 100), or send a link or a file instead",
    )
