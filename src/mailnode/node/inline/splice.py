"""The author's HTML with style attributes filled and rules cut: every other character stays as it was."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from mailnode.node.inline.tags import Scan, StartTag, StyleElement, decode


def own_style(html: str, tag: StartTag) -> str | None:
    """Give what the author wrote into an element's style attribute, decoded; None without one."""
    return decode(html[tag.styles[0].value_start : tag.styles[0].value_end]) if tag.styles else None


def together(css: str, own: str) -> str:
    """Give moved CSS with what stood in the attribute, which comes last and so wins."""
    return f"{css}; {own}" if own.strip() else css


class Cut(NamedTuple):
    """Pieces to cut from a sheet, by their offsets in it."""

    element: StyleElement
    pieces: list[tuple[int, int]]


def splice(scan: Scan, filled: Mapping[int, str], cuts: Iterable[Cut], *, may_remove: bool) -> str:
    """Fill the style attributes of start tags, by number, and cut pieces of sheets.

    A `<style>` element of which only white space is left goes too, where that is allowed.
    """
    edits = [_fill(scan.html, scan.tags[number], css) for number, css in filled.items()]
    for cut in cuts:
        edits += _cut(scan.html, cut, may_remove=may_remove)
    done: list[str] = []
    position = 0
    for start, end, text in sorted(edits):
        done += scan.html[position:start], text
        position = end
    return "".join([*done, scan.html[position:]])


def _fill(html: str, tag: StartTag, css: str) -> tuple[int, int, str]:
    if not tag.styles:
        quote = "'" if '"' in css and "'" not in css else '"'
        return tag.name_end, tag.name_end, f" style={quote}{_escaped(css, quote)}{quote}"
    style = tag.styles[0]
    value = html[style.value_start : style.value_end]
    quote = style.quote or '"'
    written = together(_escaped(css, quote), value if style.quote else value.replace('"', "&quot;"))
    name = html[style.start : style.start + len("style")]
    return style.start, style.end, f"{name}={quote}{written}{quote}"


def _escaped(css: str, quote: str) -> str:
    css = css.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return css.replace(quote, "&quot;" if quote == '"' else "&#39;")


def _cut(html: str, cut: Cut, *, may_remove: bool) -> list[tuple[int, int, str]]:
    element = cut.element
    edits = [(element.css_start + start, element.css_start + end, "") for start, end in cut.pieces]
    ends = [element.css_start, *(end for _, end, _ in edits)]
    starts = [*(start for start, _, _ in edits), element.css_end]
    is_left = any(html[end:start].strip() for end, start in zip(ends, starts, strict=True))
    return edits if is_left or not may_remove else [(element.start, element.end, "")]
