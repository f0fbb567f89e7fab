"""What an end tag means among the content of a page (HTML 13.2.6.4.7, the "in body" insertion mode)."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mailnode.message.html_tree.names import BLOCK_ENDS, FORMATTING, HEADINGS, LIST_SCOPE, MARKING

if TYPE_CHECKING:
    from mailnode.message.html_tree.builder import Builder

End = Callable[["Builder", str], None]


def end(builder: "Builder", name: str) -> None:
    """Take an end tag."""
    _ENDS.get(name, _any)(builder, name)


def _any(builder: "Builder", name: str) -> None:
    builder.stack.end_any(name)


def _none(_builder: "Builder", _name: str) -> None:
    pass


def _block(builder: "Builder", name: str) -> None:
    builder.stack.close({name})


def _form(builder: "Builder", name: str) -> None:
    stack = builder.stack
    if stack.has("template"):
        stack.close({name})
        return
    form, builder.form = builder.form, None
    if form and stack.has_in_scope(form):
        stack.imply_ends()
        stack.remove(form)


def _p(builder: "Builder", name: str) -> None:
    if not builder.stack.close_p():
        builder.stack.insert(name)


def _li(builder: "Builder", name: str) -> None:
    builder.stack.close({name}, LIST_SCOPE)


def _heading(builder: "Builder", _name: str) -> None:
    builder.stack.close(HEADINGS)


def _format(builder: "Builder", name: str) -> None:
    builder.stack.adopt(name)


def _marking(builder: "Builder", name: str) -> None:
    if builder.stack.close({name}):
        builder.stack.clear_to_marker()


def _br(builder: "Builder", name: str) -> None:
    builder.stack.reconstruct()
    builder.stack.insert(name)
    builder.may_be_frameset = False


def _template(builder: "Builder", _name: str) -> None:
    builder.end_template()


_ENDS: Mapping[str, End] = {
    **dict.fromkeys(BLOCK_ENDS, _block),
    **dict.fromkeys({"body", "html"}, _none),  # what follows stands in the body all the same
    **dict.fromkeys({"dd", "dt"}, _block),
    **dict.fromkeys(HEADINGS, _heading),
    **dict.fromkeys(FORMATTING | {"a", "nobr"}, _format),
    **dict.fromkeys(MARKING, _marking),
    "br": _br,
    "form": _form,
    "li": _li,
    "p": _p,
    "template": _template,
}
