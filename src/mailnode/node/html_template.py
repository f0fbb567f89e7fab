"""HTML content made ready once for all the mails that it becomes: parsed, and inlined where values do not matter."""

from functools import lru_cache
from typing import NamedTuple

from mailnode.node.inline import Inlined, inline_before_values
from mailnode.node.markup import Markup, parse_html, set_marked

# Bounded in number here, and in size by which are remembered at all.
_REMEMBERED = 32
_LONGEST_REMEMBERED = 100_000


class HtmlTemplate(NamedTuple):
    """Parsed content; when `is_inlined` is false its sheets are still to be inlined, with the values in it."""

    markup: Markup
    is_inlined: bool
    warnings: tuple[str, ...] = ()


def make_template(content: str, *, inline_styles: bool) -> HtmlTemplate:
    """Parse content and, if `inline_styles`, inline its style sheets where no value has a say in that.

    Raises:
        ExpressionError: as `parse_html`.
    """
    make = _make if len(content) > _LONGEST_REMEMBERED else _remembered
    return make(content, inline_styles)


def _make(content: str, inline_styles: bool) -> HtmlTemplate:
    markup = parse_html(content)
    if not inline_styles:
        return HtmlTemplate(markup, is_inlined=True)
    inlined = _inlined(markup)
    if not inlined:
        return HtmlTemplate(markup, is_inlined=False)
    return HtmlTemplate(set_marked(markup, inlined.html), is_inlined=True, warnings=inlined.warnings)


_remembered = lru_cache(maxsize=_REMEMBERED)(_make)


def _inlined(markup: Markup) -> Inlined | None:
    # What stands in three braces may bring elements.
    if any(expression.raw for expression in markup.expressions):
        return None
    unknown = {attribute.name for attribute in markup.attributes}
    return inline_before_values(markup.marked, unknown | {":empty"} if markup.expressions else unknown)
