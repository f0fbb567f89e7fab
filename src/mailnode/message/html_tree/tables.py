"""What tags mean in a table (HTML 13.2.6.4.9 to 13.2.6.4.15)."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mailnode.message.html_tree import ends, starts
from mailnode.message.html_tree.names import BODY_CONTEXT, CELLS, ROW_CONTEXT, SECTIONS, TABLE_SCOPE

if TYPE_CHECKING:
    from mailnode.message.html_tree.builder import Builder

_CAPTION, _ROW, _TABLE = frozenset({"caption"}), frozenset({"tr"}), frozenset({"table"})
_OUTSIDE_ROWS = SECTIONS | {"caption", "col", "colgroup"}
_PARTS = _OUTSIDE_ROWS | CELLS | {"tr"}
_ENDS_OF_NOTHING = _PARTS | {"body", "html"}
_HOLDS_NO_TEXT = SECTIONS | {"table", "tr"}


def _start_in_table(builder: "Builder", name: str, source: str) -> None:
    stack = builder.stack
    if name in _PARTS:
        stack.pop_to(TABLE_SCOPE)
        _start_part(builder, name, source)
    elif name == "table":
        if stack.close(_TABLE, TABLE_SCOPE):
            builder.reset()
            builder.start_again(builder.mode, name, source)
    elif name in {"script", "style", "template"}:
        builder.start_in_head(name, source)
    elif name == "input" and starts.is_hidden_input(source):
        stack.insert(name)
    elif name == "form":
        if not builder.form and not stack.has("template"):
            builder.form = stack.push(name, source)
            stack.open.pop()
    else:
        starts.start(builder, name, source)


def _start_part(builder: "Builder", name: str, source: str) -> None:
    stack = builder.stack
    if name == "caption":
        stack.mark()
        stack.push(name, source)
        builder.mode = "in caption"
    elif name == "colgroup":
        stack.push(name, source)
        builder.mode = "in column group"
    elif name == "col":
        stack.push("colgroup")
        builder.start_again("in column group", name, source)
    elif name in SECTIONS:
        stack.push(name, source)
        builder.mode = "in table body"
    else:
        stack.push("tbody")
        builder.start_again("in table body", name, source)


def _end_in_table(builder: "Builder", name: str) -> None:
    if name == "table":
        if builder.stack.close(_TABLE, TABLE_SCOPE):
            builder.reset()
    elif name not in _ENDS_OF_NOTHING:
        ends.end(builder, name)


def _text_in_table(builder: "Builder", is_blank: bool) -> None:
    if not is_blank or builder.stack.current not in _HOLDS_NO_TEXT:
        builder.text_in_body(is_blank)


def _start_in_caption(builder: "Builder", name: str, source: str) -> None:
    if name not in _PARTS:
        starts.start(builder, name, source)
    elif _close_caption(builder):
        builder.start_again("in table", name, source)


def _end_in_caption(builder: "Builder", name: str) -> None:
    if name in {"caption", "table"}:
        if _close_caption(builder):
            builder.mode = "in table"
            if name == "table":
                _end_in_table(builder, name)
    elif name not in _ENDS_OF_NOTHING:
        ends.end(builder, name)


def _close_caption(builder: "Builder") -> bool:
    is_closed = builder.stack.close(_CAPTION, TABLE_SCOPE)
    if is_closed:
        builder.stack.clear_to_marker()
    return is_closed


def _start_in_columns(builder: "Builder", name: str, source: str) -> None:
    if name == "col":
        builder.stack.insert(name)
    elif name == "template":
        builder.start_in_head(name, source)
    elif name != "html" and _close_columns(builder):
        builder.start_again("in table", name, source)


def _end_in_columns(builder: "Builder", name: str) -> None:
    if name == "template":
        builder.end_template()
    elif name != "col" and _close_columns(builder) and name != "colgroup":
        builder.end_again("in table", name)


def _text_in_columns(builder: "Builder", is_blank: bool) -> None:
    if not is_blank and _close_columns(builder):
        _text_in_table(builder, is_blank)


def _close_columns(builder: "Builder") -> bool:
    if builder.stack.current != "colgroup":
        return False
    builder.stack.open.pop()
    builder.mode = "in table"
    return True


def _start_in_section(builder: "Builder", name: str, source: str) -> None:
    stack = builder.stack
    if name == "tr":
        stack.pop_to(BODY_CONTEXT)
        stack.push(name, source)
        builder.mode = "in row"
    elif name in CELLS:
        stack.pop_to(BODY_CONTEXT)
        stack.push("tr")
        builder.start_again("in row", name, source)
    elif name not in _OUTSIDE_ROWS:
        _start_in_table(builder, name, source)
    elif _close_section(builder):
        builder.start_again("in table", name, source)


def _end_in_section(builder: "Builder", name: str) -> None:
    if name in SECTIONS:
        if builder.stack.in_scope({name}, TABLE_SCOPE):
            _close_section(builder)
    elif name != "table":
        _end_in_table(builder, name)
    elif _close_section(builder):
        builder.end_again("in table", name)


def _close_section(builder: "Builder") -> bool:
    stack = builder.stack
    if not stack.in_scope(SECTIONS | _TABLE, TABLE_SCOPE):
        return False
    stack.pop_to(BODY_CONTEXT)
    stack.open.pop()
    builder.mode = "in table"
    return True


def _start_in_row(builder: "Builder", name: str, source: str) -> None:
    stack = builder.stack
    if name in CELLS:
        stack.pop_to(ROW_CONTEXT)
        stack.push(name, source)
        stack.mark()
        builder.mode = "in cell"
    elif name not in _PARTS:
        _start_in_table(builder, name, source)
    elif _close_row(builder):
        builder.start_again("in table body", name, source)


def _end_in_row(builder: "Builder", name: str) -> None:
    if name in SECTIONS:
        if builder.stack.in_scope({name}, TABLE_SCOPE) and _close_row(builder):
            builder.end_again("in table body", name)
    elif name not in {"table", "tr"}:
        _end_in_table(builder, name)
    elif _close_row(builder) and name == "table":
        builder.end_again("in table body", name)


def _close_row(builder: "Builder") -> bool:
    stack = builder.stack
    if not stack.in_scope(_ROW, TABLE_SCOPE):
        return False
    stack.pop_to(ROW_CONTEXT)
    stack.open.pop()
    builder.mode = "in table body"
    return True


def _start_in_cell(builder: "Builder", name: str, source: str) -> None:
    if name not in _PARTS:
        starts.start(builder, name, source)
    elif builder.stack.in_scope(CELLS, TABLE_SCOPE):
        _close_cell(builder)
        builder.start_again("in row", name, source)


def _end_in_cell(builder: "Builder", name: str) -> None:
    stack = builder.stack
    if name in CELLS:
        if stack.close({name}, TABLE_SCOPE):
            stack.clear_to_marker()
            builder.mode = "in row"
    elif name in SECTIONS | {"table", "tr"}:
        if stack.in_scope({name}, TABLE_SCOPE):
            _close_cell(builder)
            builder.end_again("in row", name)
    elif name not in _ENDS_OF_NOTHING:
        ends.end(builder, name)


def _close_cell(builder: "Builder") -> None:
    builder.stack.pop_until(CELLS)
    builder.stack.clear_to_marker()


STARTS: Mapping[str, Callable[["Builder", str, str], None]] = {
    "in table": _start_in_table,
    "in caption": _start_in_caption,
    "in column group": _start_in_columns,
    "in table body": _start_in_section,
    "in row": _start_in_row,
    "in cell": _start_in_cell,
}
ENDS: Mapping[str, Callable[["Builder", str], None]] = {
    "in table": _end_in_table,
    "in caption": _end_in_caption,
    "in column group": _end_in_columns,
    "in table body": _end_in_section,
    "in row": _end_in_row,
    "in cell": _end_in_cell,
}
TEXTS: Mapping[str, Callable[["Builder", bool], None]] = {
    "in table": _text_in_table,
    "in column group": _text_in_columns,
    "in table body": _text_in_table,
    "in row": _text_in_table,
}
