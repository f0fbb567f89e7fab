"""Style sheets moved into style attributes, for the mail readers that drop sheets.

What comes out equals what the author wrote, byte for byte, but for style attributes that were filled and rules that
moved. A rule moves only if every element looks as before wherever it is read: what the sheets say under a condition,
what is important and what a rule that stays would override all stay where they are.
"""

from collections.abc import Set as AbstractSet
from typing import NamedTuple

from mailnode.message.html_limits import beyond_limits
from mailnode.node.inline.tags import Scan

# More than any mail has, in characters: sheets in all, and what stands in style attributes.
_LONGEST_CSS = 500_000
_LONGEST_FILLED = 10_000_000
# How much there is to match: beyond, native code would take seconds.
_MOST_WORK = 200_000_000
# What an element costs beside what may be matched by it.
_WORK_AN_ELEMENT = 100


class Inlined(NamedTuple):
    """HTML, and what its author should know."""

    html: str
    warnings: tuple[str, ...] = ()


def inline_style_sheets(html: str) -> Inlined:
    """Move what can move of the rules of `<style>` into style attributes; time is linear in the HTML.

    What is larger than any mail is left as it is, with a warning.
    """
    inlined = inline_before_values(html, frozenset())
    assert inlined, "everything is known"
    return inlined


def inline_before_values(html: str, unknown: AbstractSet[str]) -> Inlined | None:
    """Do it for HTML that is not yet whole: `unknown` are the attributes with values to come, and ":empty" for text.

    None when a selector asks for one of them, or values are to come into class, id or style.
    """
    scan = Scan(html)
    if not any(element.is_for_all for element in scan.style_elements):
        return Inlined(html)
    from css_inline import InlineError

    from mailnode.node.inline.cascade import decide
    from mailnode.node.inline.matching import marked_copy
    from mailnode.node.inline.plan import Sheet, make_plan
    from mailnode.node.inline.splice import Cut, splice

    elements = scan.style_elements
    if (length := sum(one.css_end - one.css_start for one in elements)) > _LONGEST_CSS:
        return _left(html, f"it is {length:,} characters long, and {_LONGEST_CSS:,} is the most")
    plan = make_plan(tuple(Sheet(html[one.css_start : one.css_end], one.is_for_all) for one in elements))
    if not plan.asks_for.isdisjoint(unknown):
        return None
    if sum(count * (count + _WORK_AN_ELEMENT) for count in map(plan.candidates, scan.tags)) > _MOST_WORK:
        return _left(html, f"{len(plan.rules):,} rules for {len(scan.tags):,} elements are too many")
    copy = marked_copy(scan)
    if reason := beyond_limits(copy):
        return _left(html, reason)
    try:
        decision = decide(plan, scan, plan.matcher.match(copy, scan.tags))
    except InlineError as error:
        return _left(html, str(error))
    if (length := sum(map(len, decision.filled.values()))) > _LONGEST_FILLED:
        return _left(html, f"the HTML would be {length:,} characters longer, and {_LONGEST_FILLED:,} is the most")
    pieces: dict[int, list[tuple[int, int]]] = {}
    for number in sorted(decision.moved):
        planned = plan.rules[number]
        pieces.setdefault(planned.sheet, []).append((planned.rule.start, planned.rule.end))
    stays = (planned for number, planned in enumerate(plan.rules) if number not in decision.moved)
    may_remove = not any(selector.counts_siblings for planned in stays for selector in planned.rule.selectors)
    cuts = [Cut(elements[sheet], spans) for sheet, spans in pieces.items()]
    return Inlined(splice(scan, decision.filled, cuts, may_remove=may_remove))


def _left(html: str, reason: str) -> Inlined:
    return Inlined(html, (f"the style sheet was not inlined: {reason}",))
