"""The author's HTML with style attributes filled and rules cut: every other character stays as it was."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from mailnode.message.markup import decode
from mailnode.node.inline.plan import PlannedRule
from mailnode.node.inline.tags import Scan, StartTag, StyleElement

# White space as HTML and CSS have it, which is less than Python's.
_BLANKS = " \t\n\f\r"


def own_style(html: str, tag: StartTag) -> str | None:
    """Give what the author wrote into an element's style attribute, decoded; None without one."""
    return decode(html[tag.styles[0].value_start : tag.styles[0].value_end]) if tag.styles else None


def together(css: str, own: str) -> str:
    """Give moved CSS with what stood in the attribute, which comes last and so wins."""
    return f"{css}; {own}" if own.strip(_BLANKS) else css


def splice(scan: Scan, filled: Mapping[int, str], rules: Sequence[PlannedRule], moved: AbstractSet[int]) -> str:
    """Fill the style attributes of start tags, by number, and cut the rules that moved, by theirs.

    A `<style>` element of which only white space is left goes too, unless a rule that stays counts siblings.
    """
    staying = (rule.rule for number, rule in enumerate(rules) if number not in moved)
    may_remove = not any(selector.counts_siblings for rule in staying for selector in rule.selectors)
    pieces: dict[int, list[tuple[int, int]]] = {}
    for number in sorted(moved):
        pieces.setdefault(rules[number].sheet, []).append((rules[number].rule.start, rules[number].rule.end))
    edits = [_fill(scan.html, scan.tags[number], css) for number, css in filled.items()]
    for sheet, spans in pieces.items():
        edits += _cut(scan.html, scan.style_elements[sheet], spans, may_remove=may_remove)
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


def _cut(
    html: str, element: StyleElement, spans: Sequence[tuple[int, int]], *, may_remove: bool
) -> list[tuple[int, int, str]]:
    edits = [(element.css_start + start, element.css_start + end, "") for start, end in spans]
    ends = [element.css_start, *(end for _, end, _ in edits)]
    starts = [*(start for start, _, _ in edits), element.css_end]
    is_left = any(html[end:start].strip(_BLANKS) for end, start in zip(ends, starts, strict=True))
    return edits if is_left or not may_remove else [(element.start, element.end, "")]
