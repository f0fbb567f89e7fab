"""What a start tag means among the content of a page (HTML 13.2.6.4.7, the "in body" insertion mode)."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from mailnode.message.html_tree.names import (
    BLOCKS,
    FORMATTING,
    HEADINGS,
    IN_HEAD,
    MARKING,
    MATHML,
    SPECIAL,
    SVG,
)
from mailnode.message.html_tree.stack import attributes_of

if TYPE_CHECKING:
    from mailnode.message.html_tree.builder import Builder

Start = Callable[["Builder", str, str], None]

_LI, _DEFINITION = frozenset({"li"}), frozenset({"dd", "dt"})
_NOT_CLOSED_BY_ITEMS = SPECIAL - {"address", "div", "p"}
_SELECT, _RUBY = frozenset({"select"}), frozenset({"ruby"})


def start(builder: "Builder", name: str, source: str) -> None:
    """Take a start tag."""
    _STARTS.get(name, _ordinary)(builder, name, source)


def is_hidden_input(source: str) -> bool:
    """Tell whether an <input> has no place of its own."""
    return attributes_of(source).get("type", "").lower() == "hidden"


def _ordinary(builder: "Builder", name: str, source: str) -> None:
    builder.stack.reconstruct()
    builder.stack.push(name, source)


def _ignored(_builder: "Builder", _name: str, _source: str) -> None:
    pass


def _body(builder: "Builder", _name: str, _source: str) -> None:
    stack = builder.stack
    if len(stack.open) > 1 and stack.open[1].name == "body" and not stack.has("template"):
        builder.may_be_frameset = False


def _frameset(builder: "Builder", name: str, source: str) -> None:
    stack = builder.stack
    if builder.may_be_frameset and len(stack.open) > 1 and stack.open[1].name == "body":
        del stack.open[1:]
        stack.push(name, source)
        builder.mode = "in frameset"


def _block(builder: "Builder", name: str, source: str) -> None:
    builder.stack.close_p()
    builder.stack.push(name, source)


def _heading(builder: "Builder", name: str, source: str) -> None:
    builder.stack.close_p()
    if builder.stack.current in HEADINGS:
        builder.stack.open.pop()
    builder.stack.push(name, source)


def _pre(builder: "Builder", name: str, source: str) -> None:
    _block(builder, name, source)
    builder.may_be_frameset = False


def _form(builder: "Builder", name: str, source: str) -> None:
    is_template = builder.stack.has("template")
    if builder.form and not is_template:
        return
    builder.stack.close_p()
    form = builder.stack.push(name, source)
    builder.form = builder.form if is_template else form


def _item(builder: "Builder", name: str, source: str) -> None:
    builder.may_be_frameset = False
    stack = builder.stack
    closed = _LI if name == "li" else _DEFINITION
    # The other barriers are no special elements: only these stand between an item and the one before.
    stack.close(closed, _NOT_CLOSED_BY_ITEMS)
    stack.close_p()
    stack.push(name, source)


def _button(builder: "Builder", name: str, source: str) -> None:
    builder.stack.close({name})
    _ordinary(builder, name, source)
    builder.may_be_frameset = False


def _link(builder: "Builder", name: str, source: str) -> None:
    builder.stack.forget_link()
    _format(builder, name, source)


def _format(builder: "Builder", name: str, source: str) -> None:
    builder.stack.reconstruct()
    builder.stack.format(name, source)


def _nobr(builder: "Builder", name: str, source: str) -> None:
    builder.stack.reconstruct()
    if builder.stack.in_scope({name}):
        builder.stack.adopt(name)
    _format(builder, name, source)


def _marking(builder: "Builder", name: str, source: str) -> None:
    _ordinary(builder, name, source)
    builder.stack.mark()
    builder.may_be_frameset = False


def _table(builder: "Builder", name: str, source: str) -> None:
    if not builder.is_quirky:
        builder.stack.close_p()
    builder.stack.push(name, source)
    builder.may_be_frameset = False
    builder.mode = "in table"


def _void(builder: "Builder", name: str, _source: str) -> None:
    builder.stack.reconstruct()
    builder.stack.insert(name)
    builder.may_be_frameset = False


def _input(builder: "Builder", name: str, source: str) -> None:
    builder.stack.close(_SELECT)
    builder.stack.reconstruct()
    builder.stack.insert(name)
    builder.may_be_frameset &= is_hidden_input(source)


def _bare_void(builder: "Builder", name: str, _source: str) -> None:
    builder.stack.insert(name)


def _hr(builder: "Builder", name: str, _source: str) -> None:
    builder.stack.close_p()
    if builder.stack.in_scope(_SELECT):
        builder.stack.imply_ends()
    builder.stack.insert(name)
    builder.may_be_frameset = False


def _raw(builder: "Builder", name: str, _source: str) -> None:
    builder.stack.insert(name)
    builder.raw = name
    builder.may_be_frameset &= name in {"noembed", "noscript"}


def _xmp(builder: "Builder", name: str, source: str) -> None:
    builder.stack.close_p()
    builder.stack.reconstruct()
    _raw(builder, name, source)


def _plaintext(builder: "Builder", name: str, source: str) -> None:
    _block(builder, name, source)
    builder.raw = name


def _select(builder: "Builder", name: str, source: str) -> None:
    if not builder.stack.close(_SELECT):
        _ordinary(builder, name, source)
        builder.may_be_frameset = False


def _option(builder: "Builder", name: str, source: str) -> None:
    stack = builder.stack
    if stack.in_scope(_SELECT):
        stack.imply_ends(but="optgroup" if name == "option" else "")
    elif stack.current == "option":
        stack.open.pop()
    _ordinary(builder, name, source)


def _ruby_part(builder: "Builder", name: str, source: str) -> None:
    if builder.stack.in_scope(_RUBY):
        builder.stack.imply_ends(but="rtc" if name in {"rp", "rt"} else "")
    builder.stack.push(name, source)


def _foreign(builder: "Builder", name: str, source: str) -> None:
    builder.stack.reconstruct()
    builder.enter_foreign(SVG if name == "svg" else MATHML, name, source)


def _head(builder: "Builder", name: str, source: str) -> None:
    builder.start_in_head(name, source)


def is_font_of_html(source: str) -> bool:
    """Tell whether a <font> in foreign content ends that (13.2.6.5)."""
    return bool({"color", "face", "size"} & attributes_of(source).keys())


def _each(names: Iterable[str], does: Start) -> Mapping[str, Start]:
    return dict.fromkeys(names, does)


_STARTS: Mapping[str, Start] = {
    **_each({"caption", "col", "colgroup", "frame", "head", "html", "tbody", "td", "tfoot", "th"}, _ignored),
    **_each({"thead", "tr"}, _ignored),
    **_each(IN_HEAD, _head),
    **_each(BLOCKS | {"p"}, _block),
    **_each(HEADINGS, _heading),
    **_each({"pre", "listing"}, _pre),
    **_each(_LI | _DEFINITION, _item),
    **_each(FORMATTING, _format),
    **_each(MARKING, _marking),
    **_each({"area", "br", "embed", "image", "img", "keygen", "wbr"}, _void),
    **_each({"param", "source", "track"}, _bare_void),
    **_each({"iframe", "noembed", "noscript", "textarea"}, _raw),
    **_each({"option", "optgroup"}, _option),
    **_each({"rb", "rtc", "rp", "rt"}, _ruby_part),
    **_each({"math", "svg"}, _foreign),
    "a": _link,
    "body": _body,
    "button": _button,
    "form": _form,
    "frameset": _frameset,
    "hr": _hr,
    "input": _input,
    "nobr": _nobr,
    "plaintext": _plaintext,
    "select": _select,
    "table": _table,
    "xmp": _xmp,
}
