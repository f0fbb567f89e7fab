"""The insertion modes of a parser of HTML (HTML 13.2.6.4), as far as they open and close elements.

It is html5ever's tree: with a reader that has scripting, and with the content of <select> as the standard has it since
2025. Where a node is put, before a table or in a template, makes no tree deeper than its stack, so it is not followed.
"""

from mailnode.message.html_tree import page, starts, tables
from mailnode.message.html_tree.names import (
    BREAKOUT,
    CELLS,
    MATHML_TEXT_POINTS,
    RAW,
    SECTIONS,
    SVG_HTML_POINTS,
)
from mailnode.message.html_tree.stack import Element, Stack

_MODES = {
    **dict.fromkeys(CELLS, "in cell"),
    **dict.fromkeys(SECTIONS, "in table body"),
    "tr": "in row",
    "caption": "in caption",
    "colgroup": "in column group",
    "table": "in table",
    "head": "in head",
    "body": "in body",
    "frameset": "in frameset",
    "html": "after head",
}


class Builder:
    """Takes tags and text, and follows which elements are open.

    `raw` is the name of the element whose content, from here on, is no markup; who reads sets it back.
    """

    def __init__(self, stack: Stack, *, is_quirky: bool) -> None:
        """Begin before <head>; `is_quirky` says whether the doctype is one of old (quirks mode)."""
        self.stack = stack
        self.is_quirky = is_quirky
        self.mode = "before head"
        self.may_be_frameset = True
        self.form: Element | None = None
        self.raw = ""
        self._is_closed = False
        self.template_modes: list[str] = []

    @property
    def is_in_foreign(self) -> bool:
        """Whether the current node is one of SVG or MathML, where CDATA is."""
        return self.stack.current[1:2] == " "

    def start(self, name: str, source: str, *, is_closed: bool = False) -> None:
        """Take a start tag, and what stands behind its name; it is closed by a `/` at its end."""
        self._is_closed = is_closed
        current = self.stack.current
        if current[1:2] == " " and not _takes_html(current, name):
            self._start_in_foreign(name, source)
        else:
            self._start(name, source)

    def end(self, name: str) -> None:
        """Take an end tag."""
        if not self.is_in_foreign:
            _ENDS[self.mode](self, name)
            return
        if name in {"br", "p"}:
            self._leave_foreign()
            _ENDS[self.mode](self, name)
            return
        opened = self.stack.open
        for at in range(len(opened) - 1, 0, -1):
            found = opened[at].name
            if found[1:2] != " ":
                _ENDS[self.mode](self, name)
                return
            if found[2:] == name:
                del opened[at:]
                return

    def text(self, *, is_blank: bool) -> None:
        """Take text; it is blank when all of it is white space."""
        current = self.stack.current
        if current[1:2] == " " and current not in MATHML_TEXT_POINTS | SVG_HTML_POINTS:
            self.may_be_frameset &= is_blank
        else:
            _TEXTS.get(self.mode, Builder.text_in_body)(self, is_blank)

    def enter_foreign(self, namespace: str, name: str, source: str) -> None:
        """Insert an element of SVG or MathML, which alone a `/` ends."""
        if self._is_closed:
            self.stack.insert(namespace + name)
        else:
            self.stack.push(namespace + name, source)

    def start_in_head(self, name: str, source: str) -> None:
        """Take one of the start tags that mean everywhere what they mean in <head>."""
        if name == "template":
            self.stack.mark()
            self.may_be_frameset = False
            self.template_modes.append("in template")
            self.mode = "in template"
            self.stack.push(name, source)
            return
        self.stack.insert(name)
        self.raw = name if name in RAW else ""

    def end_template(self) -> None:
        """Take the end tag of a <template>."""
        if self.stack.has("template"):
            self.stack.pop_until({"template"})
            self.stack.clear_to_marker()
            self.template_modes.pop()
            self.reset()

    def _start(self, name: str, source: str) -> None:
        _STARTS[self.mode](self, name, source)

    def _start_in_foreign(self, name: str, source: str) -> None:
        if name in BREAKOUT or (name == "font" and starts.is_font_of_html(source)):
            self._leave_foreign()
            self._start(name, source)
        else:
            self.enter_foreign(self.stack.current[:2], name, source)

    def _leave_foreign(self) -> None:
        while self.is_in_foreign and self.stack.current not in MATHML_TEXT_POINTS | SVG_HTML_POINTS:
            self.stack.open.pop()

    def start_again(self, mode: str, name: str, source: str) -> None:
        """Go on in another mode with a start tag."""
        self.mode = mode
        self._start(name, source)

    def end_again(self, mode: str, name: str) -> None:
        """Go on in another mode with an end tag."""
        self.mode = mode
        _ENDS[mode](self, name)

    def reset(self) -> None:
        """Go on in the mode that the open elements tell of (13.2.4.1)."""
        for element in reversed(self.stack.open):
            if element.name == "template":
                self.mode = self.template_modes[-1]
                return
            if element.name in _MODES:
                self.mode = _MODES[element.name]
                return

    def text_in_body(self, is_blank: bool) -> None:
        """Take text among the content of a page."""
        self.stack.reconstruct()
        self.may_be_frameset &= is_blank


def _takes_html(foreign: str, name: str) -> bool:
    """Tell whether a start tag within a foreign element is one of HTML (13.2.6)."""
    if foreign in MATHML_TEXT_POINTS:
        return name not in {"mglyph", "malignmark"}
    return foreign in SVG_HTML_POINTS or (foreign == "m annotation-xml" and name == "svg")


_STARTS = {**page.STARTS, **tables.STARTS}
_ENDS = {**page.ENDS, **tables.ENDS}
_TEXTS = {**page.TEXTS, **tables.TEXTS}
