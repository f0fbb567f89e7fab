"""What tags mean around the content of a page, in templates and in frames (HTML 13.2.6.4.3 to 6, 18 and 20)."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mailnode.message.html_tree import ends, starts
from mailnode.message.html_tree.names import CELLS, IN_HEAD, SECTIONS

if TYPE_CHECKING:
    from mailnode.message.html_tree.builder import Builder

_TEMPLATE_MODES = {
    **dict.fromkeys(CELLS, "in row"),
    **dict.fromkeys(SECTIONS | {"caption", "colgroup"}, "in table"),
    "tr": "in table body",
    "col": "in column group",
}


def _start_before_head(builder: "Builder", name: str, source: str) -> None:
    if name == "html":
        return
    builder.stack.push("head")
    builder.mode = "in head"
    if name != "head":
        builder.start_again(builder.mode, name, source)


def _end_before_head(builder: "Builder", name: str) -> None:
    if name in {"head", "body", "html", "br"}:
        builder.stack.push("head")
        builder.end_again("in head", name)


def _text_before_head(builder: "Builder", is_blank: bool) -> None:
    if not is_blank:
        builder.stack.push("head")
        _text_in_head(builder, is_blank)


def _start_in_head(builder: "Builder", name: str, source: str) -> None:
    if name in IN_HEAD:
        builder.start_in_head(name, source)
    elif name == "noscript":
        builder.stack.insert(name)
        builder.raw = name
    elif name not in {"head", "html"}:
        builder.stack.open.pop()
        builder.start_again("after head", name, source)


def _end_in_head(builder: "Builder", name: str) -> None:
    if name == "head":
        builder.stack.open.pop()
        builder.mode = "after head"
    elif name == "template":
        builder.end_template()
    elif name in {"body", "html", "br"}:
        builder.stack.open.pop()
        builder.end_again("after head", name)


def _text_in_head(builder: "Builder", is_blank: bool) -> None:
    if not is_blank:
        builder.stack.open.pop()
        _text_after_head(builder, is_blank)


def _start_after_head(builder: "Builder", name: str, source: str) -> None:
    if name in IN_HEAD:
        head = builder.stack.push("head")
        builder.start_in_head(name, source)
        builder.stack.remove(head)
    elif name == "body":
        builder.stack.push(name, source)
        builder.may_be_frameset = False
        builder.mode = "in body"
    elif name == "frameset":
        builder.stack.push(name, source)
        builder.mode = "in frameset"
    elif name not in {"head", "html"}:
        builder.stack.push("body")
        builder.start_again("in body", name, source)


def _end_after_head(builder: "Builder", name: str) -> None:
    if name == "template":
        builder.end_template()
    elif name in {"body", "html", "br"}:
        builder.stack.push("body")
        builder.end_again("in body", name)


def _text_after_head(builder: "Builder", is_blank: bool) -> None:
    if not is_blank:
        builder.stack.push("body")
        builder.mode = "in body"
        builder.text_in_body(is_blank)


def _start_in_frameset(builder: "Builder", name: str, source: str) -> None:
    if name == "frameset":
        builder.stack.push(name, source)
    elif name == "frame":
        builder.stack.insert(name)
    elif name == "noframes":
        builder.start_in_head(name, source)


def _end_in_frameset(builder: "Builder", name: str) -> None:
    if name == "frameset" and len(builder.stack.open) > 1:
        builder.stack.open.pop()
        if builder.stack.current != "frameset":
            builder.mode = "after frameset"


def _start_after_frameset(builder: "Builder", name: str, source: str) -> None:
    if name == "noframes":
        builder.start_in_head(name, source)


def _start_in_template(builder: "Builder", name: str, source: str) -> None:
    if name in IN_HEAD:
        builder.start_in_head(name, source)
        return
    mode = _TEMPLATE_MODES.get(name, "in body")
    builder.template_modes[-1] = mode
    builder.start_again(mode, name, source)


def _end_in_template(builder: "Builder", name: str) -> None:
    if name == "template":
        builder.end_template()


def _ignore(_builder: "Builder", *_: object) -> None:
    pass


STARTS: Mapping[str, Callable[["Builder", str, str], None]] = {
    "before head": _start_before_head,
    "in head": _start_in_head,
    "after head": _start_after_head,
    "in body": starts.start,
    "in frameset": _start_in_frameset,
    "after frameset": _start_after_frameset,
    "in template": _start_in_template,
}
ENDS: Mapping[str, Callable[["Builder", str], None]] = {
    "before head": _end_before_head,
    "in head": _end_in_head,
    "after head": _end_after_head,
    "in body": ends.end,
    "in frameset": _end_in_frameset,
    "after frameset": _ignore,
    "in template": _end_in_template,
}
TEXTS: Mapping[str, Callable[["Builder", bool], None]] = {
    "before head": _text_before_head,
    "in head": _text_in_head,
    "after head": _text_after_head,
    "in frameset": _ignore,
    "after frameset": _ignore,
}
