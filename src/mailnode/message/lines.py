"""Plain text as a person lays it out: paragraphs, indents, quotes and columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby, zip_longest
from unicodedata import combining, east_asian_width

from mailnode.message.markup import HOLE, HoleError

PARAGRAPH = 2  # line ends between two blocks: an empty line
LINE = 1

_GAP = "  "
_MAX_ALIGNED_COLUMNS = 12
_MAX_ALIGNED_WIDTH = 78
# What CSS collapses (CSS Text 4.1.1): a no-break space is not among it.
_WHITE_SPACE = re.compile(r"[ \t\n\r\f]+")
# Controls, and what preheaders are stuffed with.
_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\xad\u034f\u200b\u2060\ufeff]+")
# Joiners stay, as Persian and emoji need them, but for those that join nothing; each run is looked at once.
_IDLE_JOINERS = re.compile(r"(?<![\u200c\u200d])[\u200c\u200d]++(?=\s|$)")


class Lines:
    """Lines being written, with the white space rules of CSS: it collapses, and margins overlap."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._line: list[str] = []
        self._ends_in_space = False
        self._margin = 0
        self._margin_depth = 0
        self._prefixes: list[tuple[str, str]] = []
        self._is_indent_new = False

    @property
    def is_indent_empty(self) -> bool:
        """Whether nothing stands yet behind what the latest `indent` puts before its first line."""
        return self._is_indent_new and not self._line

    def write(self, text: str) -> None:
        """Add text to the current line, its white space collapsed."""
        text = _WHITE_SPACE.sub(" ", text)
        words = text.strip(" ")
        if words:
            if self._line and (self._ends_in_space or text[0] == " "):
                self._line.append(" ")
            self._line.append(words)
        if text:
            self._ends_in_space = text[-1] == " "

    def append(self, text: str) -> None:
        """Add text to the line written last, be its block at its end already: a button is often a block in a link."""
        if self._line or not self._done:
            self._line.append(text)
        else:
            self._done[-1] += text

    def write_preformatted(self, text: str) -> None:
        """Add text whose white space and line ends stay."""
        first, *others = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._line += [first] if first else []
        for other in others:
            self._newline()
            self._line += [other] if other else []
        self._ends_in_space = False

    def br(self) -> None:
        """End the line; a second one in a row leaves an empty line, and more do no more."""
        self._newline()
        self._margin = min(self._margin, PARAGRAPH)

    def block(self, margin: int) -> None:
        """Begin or end a block that is `margin` line ends away from its neighbour."""
        if self._line:
            self._newline()
        self._margin = max(margin, min(self._margin, PARAGRAPH))
        self._margin_depth = min(self._margin_depth, len(self._prefixes))

    def indent(self, first: str, others: str, margin: int) -> None:
        """Begin a block with `first` before its first line and `others` before the rest, until `dedent`."""
        self.block(margin)
        self._prefixes.append((first, others))
        self._is_indent_new = True

    def dedent(self, margin: int) -> None:
        """End the block of the latest `indent`; without a line its prefixes are not shown."""
        self.block(margin)
        del self._prefixes[-1]
        self.block(margin)

    def add(self, lines: Sequence[str], margin: int) -> None:
        """Add lines that are laid out already, as a block."""
        self.block(margin)
        for line in lines:
            self.write_preformatted(line + "\n")
        self.block(margin)

    def finish(self) -> list[str]:
        """Give the lines, without trailing white space, nor empty lines at either end."""
        self.block(LINE)
        return self._done

    def _newline(self) -> None:
        line = _INVISIBLE.sub("", "".join(self._line))
        if not line.isascii():
            line = _IDLE_JOINERS.sub("", line.replace("\xa0", " "))
        line = line.rstrip()
        self._line.clear()
        self._ends_in_space = False
        if not line:
            self._margin += 1
            return
        if self._done:
            between = "".join(others for _, others in self._prefixes[: self._margin_depth]).rstrip()
            self._done += [between] * (self._margin - 1)
        self._done.append(self._prefix() + line)
        self._is_indent_new = False
        self._margin, self._margin_depth = LINE, len(self._prefixes)

    def _prefix(self) -> str:
        prefix = "".join(first for first, _ in self._prefixes)
        self._prefixes = [(others, others) for _, others in self._prefixes]
        return prefix


@dataclass(slots=True)
class Table:
    """The rows so far, each a list of cells, each a list of lines; and where the table stands."""

    outside: Lines
    rows: list[list[list[str]]] = field(default_factory=list)

    def write(self) -> None:
        """Write rows of one-line cells as columns; others are layout, and their cells are read one by one."""
        for is_tabular, rows in groupby(filter(any, self.rows), _has_one_line_cells):
            if is_tabular:
                self.outside.add(_columns([["".join(cell) for cell in row] for row in rows]), PARAGRAPH)
                continue
            for cell in filter(None, chain.from_iterable(rows)):
                self.outside.add(cell, LINE if len(cell) == 1 else PARAGRAPH)
        self.outside.block(PARAGRAPH)


def _has_one_line_cells(row: list[list[str]]) -> bool:
    return all(len(cell) <= 1 for cell in row)


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out one line a row: cells under each other, or with ` | ` between when that would be too wide.

    A row with one cell that is not empty, a heading say, stands for itself.
    """
    tabular = [row for row in rows if _is_tabular(row)]
    if max(map(len, tabular), default=0) <= _MAX_ALIGNED_COLUMNS:
        widths = [max(map(_width, column)) for column in zip_longest(*tabular, fillvalue="")]
        if sum(widths) + len(_GAP) * (len(widths) - 1) <= _MAX_ALIGNED_WIDTH:
            return [_align(row, widths) if _is_tabular(row) else "".join(row) for row in rows]
    return [" | ".join(filter(None, row)) for row in rows]


def _is_tabular(row: Sequence[str]) -> bool:
    return sum(map(bool, row)) > 1


def _align(row: Sequence[str], widths: Sequence[int]) -> str:
    # A column that is empty in all rows only kept others apart.
    padded = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=False) if width)
    return _GAP.join(padded).rstrip()


def _width(text: str) -> int:
    """Count the columns of a fixed-width font that `text` takes."""
    if text.isascii():
        return len(text)
    if HOLE in text:
        raise HoleError
    return sum(0 if combining(char) else 1 + (east_asian_width(char) in "WF") for char in text)
