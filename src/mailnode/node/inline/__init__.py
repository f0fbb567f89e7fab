"""Style sheets moved into style attributes, for the mail readers that drop sheets.

What comes out equals what the author wrote, byte for byte, but for style attributes that were filled and rules that
moved. A rule moves only if every element looks as before wherever sheets are read: what the sheets say under a
condition, what is important and what a rule that stays would override all stay where they are.
"""

import re
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, NamedTuple

from mailnode.message.html_tree import beyond_limits
from mailnode.message.html_tree.stack import BeyondLimitError
from mailnode.node.inline.tags import Scan
from mailnode.node.markup import MARK
from mailnode.printable import LONE_SURROGATE

if TYPE_CHECKING:
    from mailnode.node.inline.plan import Sheet

_SHEET = re.compile("<style", re.IGNORECASE)
# More than any mail has, in characters: sheets in all, and what stands in style attributes.
_LONGEST_CSS = 150_000
_LONGEST_FILLED = 10_000_000
# How much there is to match: beyond, native code would take seconds.
_MOST_WORK = 200_000_000


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

    None when a selector asks for one of them, or values are to come into class, id, style or type, or into text that
    decides where elements stand, as it may between the rows of a table.
    """
    if not _SHEET.search(html):
        return Inlined(html)
    try:
        scan = Scan(html)
        if not any(element.is_for_all for element in scan.style_elements):
            return Inlined(html)
        return _inlined(scan, unknown)
    except (BeyondLimitError, _NotInlined) as reason:
        return Inlined(html, (f"style sheets were not inlined: {reason}",))


class _NotInlined(Exception):
    """Nothing is inlined, and why."""


def _inlined(scan: Scan, unknown: AbstractSet[str]) -> Inlined | None:
    from css_inline import InlineError

    from mailnode.node.inline.cascade import decide
    from mailnode.node.inline.matching import marked_copy
    from mailnode.node.inline.plan import make_plan
    from mailnode.node.inline.splice import splice

    sheets = _sheets(scan)
    copy = marked_copy(scan)
    # As it is where all values are empty.
    bare = MARK.sub("", copy) if ":empty" in unknown else copy
    for one in dict.fromkeys((copy, bare)):
        if reason := beyond_limits(one):
            raise _NotInlined(reason)
    plan = make_plan(sheets)
    if not plan.asks_for.isdisjoint(unknown):
        return None
    if plan.work(scan.tags, len(scan.html)) > _MOST_WORK:
        raise _NotInlined(f"{len(plan.rules):,} rules for {len(scan.tags):,} elements are too many")
    try:
        matches = plan.matcher.match(copy, scan.tags)
        if bare != copy and plan.matcher.match(bare, scan.tags) != matches:
            return None
        decision = decide(plan, scan, matches)
    except InlineError as error:
        raise _NotInlined(str(error)) from None
    if (length := sum(map(len, decision.filled.values()))) > _LONGEST_FILLED:
        raise _NotInlined(f"the HTML would be {length:,} characters longer; the limit is {_LONGEST_FILLED:,}")
    return Inlined(splice(scan, decision.filled, plan.rules, decision.moved))


def _sheets(scan: Scan) -> "tuple[Sheet, ...]":
    from mailnode.node.inline.plan import Sheet

    sheets = tuple(Sheet(scan.html[one.css_start : one.css_end], one.is_for_all) for one in scan.style_elements)
    if (length := sum(len(sheet.css) for sheet in sheets)) > _LONGEST_CSS:
        raise _NotInlined(f"it is {length:,} characters long; the limit is {_LONGEST_CSS:,}")
    if any(LONE_SURROGATE.search(sheet.css) for sheet in sheets):
        raise _NotInlined("it contains half of a character, an unpaired surrogate")
    return sheets
