"""Plain text made from HTML, for emails whose author wrote only HTML."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from mailnode.message.lines import LINE, PARAGRAPH, Lines, Table
from mailnode.message.markup import (
    BARRIERS,
    BLOCKS,
    CELLS,
    DROPPED,
    FOREIGN,
    KINDS,
    LISTS,
    PARAGRAPHS,
    VOID,
    Kind,
    Tag,
    integer,
    is_hidden,
    is_place,
    place,
    tokens,
)

# Deeper nesting is shown flat: each level is put before each line, so that depth would cost time and room.
_MAX_DEPTH = 12
_MAX_SPAN = 50
_RULE = "-" * 40


def html_to_text(html: str, *, has_holes: bool = False) -> str:
    """Write HTML as the plain text that a person would: its lines end in LF, the last one too; "" for no text.

    Links become `text (https://...)`, lists and tables keep their shape, images give their alternative text, quotes
    begin with `> `. What a reader of the HTML would not see is left out. Lines are not wrapped. Any text is taken, in
    linear time. With holes (text_outline.py) it raises a HoleError where their values would have a say.
    """
    renderer = _Renderer()
    for token in tokens(html, has_holes=has_holes):
        if isinstance(token, Tag):
            renderer.tag(token)
        else:
            renderer.text(token)
    lines = renderer.finish()
    return "\n".join([*lines, ""]) if lines else ""


@dataclass(slots=True)
class _OpenElement:
    """An element that is open, and what is to be done at its end."""

    kind: Kind
    close: Callable[[], None]
    number: int | None = None  # of a list's next item; None for bullets
    table: Table | None = None


@dataclass(slots=True)
class _Link:
    place: str
    shown: list[str] = field(default_factory=list)
    has_image: bool = False


class _Renderer:
    """Turns tags and text into lines of plain text."""

    def __init__(self) -> None:
        self._lines = Lines()
        self._open: list[_OpenElement] = []
        self._too_deep: Counter[str] = Counter()
        self._hidden = ""
        self._hidden_depth = 0
        self._pre_depth = 0
        self._at_pre_start = False
        self._link: _Link | None = None

    def text(self, text: str) -> None:
        if self._hidden:
            return
        if self._link:
            self._link.shown.append(text)
        if not self._pre_depth:
            self._lines.write(text)
            return
        if self._at_pre_start:
            text = text.removeprefix("\r").removeprefix("\n")  # HTML 13.2.6.4.7: the first line end is dropped
            self._at_pre_start = False
        self._lines.write_preformatted(text)

    def tag(self, tag: Tag) -> None:
        if self._hidden:
            self._pass_hidden(tag)
        elif tag.is_end:
            self._end(tag.name)
        elif tag.name in DROPPED or is_hidden(tag):
            self._hide(tag)
        else:
            self._start(tag)

    def finish(self) -> list[str]:
        self._end_link()
        self._close_down_to(0)
        return self._lines.finish()

    def _hide(self, tag: Tag) -> None:
        if tag.name not in VOID and not (tag.name in FOREIGN and tag.source.endswith("/")):
            self._hidden, self._hidden_depth = tag.name, 1

    def _pass_hidden(self, tag: Tag) -> None:
        if self._hidden == "p" and not tag.is_end and (tag.name in PARAGRAPHS or tag.name in BLOCKS):
            self._hidden = ""  # a paragraph ends where the next block begins
            self.tag(tag)
        elif tag.name == self._hidden:
            self._hidden_depth += -1 if tag.is_end else 1
            self._hidden = self._hidden if self._hidden_depth else ""

    def _start(self, tag: Tag) -> None:
        name = tag.name
        if name in self._STARTS:
            self._STARTS[name](self, tag)
        elif name in PARAGRAPHS:
            self._paragraph(is_end=False)
        elif name in BLOCKS:
            self._lines.block(LINE)

    def _end(self, name: str) -> None:
        if name in KINDS:
            self._close(KINDS[name])
        elif name in PARAGRAPHS:
            self._paragraph(is_end=True)
        elif name in BLOCKS:
            self._lines.block(LINE)
        elif name == "tr":
            self._close("cell")
        elif name == "a":
            self._end_link()
        elif name == "q":
            self.text("\u201d")

    def _paragraph(self, *, is_end: bool) -> None:
        # Rich text editors write a paragraph into each list item, and show the items close together all the same.
        is_tight = self._find("item") >= 0 and (is_end or self._lines.is_indent_empty)
        self._lines.block(LINE if is_tight else PARAGRAPH)

    def _br(self, _tag: Tag) -> None:
        self._lines.br()

    def _hr(self, _tag: Tag) -> None:
        self._lines.add([_RULE], PARAGRAPH)

    def _q(self, _tag: Tag) -> None:
        self.text("\u201c")

    def _img(self, tag: Tag) -> None:
        alternative = " ".join(tag.attributes().get("alt", "").split())
        # A picture of a word stands apart from its neighbours; one of a smiley belongs to them.
        self.text(f" {alternative} " if any(map(str.isalnum, alternative)) else alternative)
        if self._link:
            self._link.has_image = True

    def _a(self, tag: Tag) -> None:
        self._end_link()
        self._link = _Link(place(tag.attributes().get("href", "")))

    def _end_link(self) -> None:
        link, self._link = self._link, None
        if not link or not link.place:
            return
        shown = "".join("".join(link.shown).split())
        if not shown and link.has_image:
            self._lines.write(link.place)
        elif shown and not is_place(shown, link.place):
            self._lines.append(f" ({link.place})")

    def _blockquote(self, _tag: Tag) -> None:
        if self._may_open("quote"):
            self._lines.indent("> ", "> ", PARAGRAPH)
            self._open.append(_OpenElement("quote", lambda: self._lines.dedent(PARAGRAPH)))

    def _pre(self, _tag: Tag) -> None:
        if self._may_open("pre"):
            self._lines.block(PARAGRAPH)
            self._pre_depth += 1
            self._at_pre_start = True
            self._open.append(_OpenElement("pre", self._end_pre))

    def _end_pre(self) -> None:
        self._pre_depth -= 1
        self._lines.block(PARAGRAPH)

    def _list(self, tag: Tag) -> None:
        if self._may_open("list"):
            margin = LINE if self._find("item") >= 0 else PARAGRAPH
            self._lines.block(margin)
            number = integer(tag, "start", 1) if tag.name == "ol" else None
            self._open.append(_OpenElement("list", lambda: self._lines.block(margin), number))

    def _li(self, tag: Tag) -> None:
        self._close("item")
        if not self._may_open("item"):
            return
        marker = "- "
        at = self._find("list")
        if at >= 0 and (number := self._open[at].number) is not None:
            number = integer(tag, "value", number)
            self._open[at].number = number + 1
            marker = f"{number}. "
        self._lines.indent(marker, " " * len(marker), LINE)
        self._open.append(_OpenElement("item", lambda: self._lines.dedent(LINE)))

    def _dd(self, _tag: Tag) -> None:
        self._close("item")
        if self._may_open("item"):
            self._lines.indent("  ", "  ", LINE)
            self._open.append(_OpenElement("item", lambda: self._lines.dedent(LINE)))

    def _dt(self, _tag: Tag) -> None:
        self._close("item")
        self._lines.block(LINE)

    def _table(self, _tag: Tag) -> None:
        if self._may_open("table"):
            self._lines.block(PARAGRAPH)
            table = Table(self._lines)
            self._open.append(_OpenElement("table", table.write, table=table))

    def _tr(self, _tag: Tag) -> None:
        self._close("cell")
        at = self._find("table")
        if at >= 0 and (table := self._open[at].table):
            table.rows.append([])
        self._lines.block(LINE)

    def _td(self, tag: Tag) -> None:
        self._close("cell")
        at = self._find("table")
        if at < 0 or not (table := self._open[at].table):
            self._lines.block(LINE)
            return
        if not table.rows:
            table.rows.append([])
        row, span = table.rows[-1], min(integer(tag, "colspan", 1), _MAX_SPAN)
        outside, self._lines = self._lines, Lines()

        def close() -> None:
            row.extend([self._lines.finish(), *([[]] * (span - 1))])
            self._lines = outside

        self._open.append(_OpenElement("cell", close))

    def _may_open(self, kind: Kind) -> bool:
        if sum(element.kind == kind for element in self._open) < _MAX_DEPTH:
            return True
        self._too_deep[kind] += 1
        self._lines.block(LINE)
        return False

    def _close(self, kind: Kind) -> None:
        """End the innermost open element of this kind, and all that was left open in it."""
        if self._too_deep[kind]:
            self._too_deep[kind] -= 1
            self._lines.block(LINE)
        elif (at := self._find(kind)) >= 0:
            self._close_down_to(at)

    def _close_down_to(self, depth: int) -> None:
        while len(self._open) > depth:
            self._open.pop().close()

    def _find(self, kind: Kind) -> int:
        """Find where the innermost open element of this kind stands, unless it is out of reach; -1 for none."""
        for at in range(len(self._open) - 1, -1, -1):
            if self._open[at].kind == kind:
                return at
            if self._open[at].kind in BARRIERS[kind]:
                break
        return -1

    _STARTS: ClassVar[dict[str, Callable[["_Renderer", Tag], None]]] = {
        "a": _a,
        "blockquote": _blockquote,
        "br": _br,
        "dd": _dd,
        "dt": _dt,
        "hr": _hr,
        "img": _img,
        "li": _li,
        "pre": _pre,
        "q": _q,
        "table": _table,
        "tr": _tr,
        **dict.fromkeys(LISTS, _list),
        **dict.fromkeys(CELLS, _td),
    }
