"""Content that its author wrote as plain text, though it is HTML: its lines are kept."""

import html
import re
from collections.abc import Sequence

from mailnode.message.markup import decode
from mailnode.node.aside import aside
from mailnode.node.expression import Evaluator
from mailnode.node.js_string import Printed
from mailnode.node.markup import MARK, Markup, parse_html
from mailnode.node.template import Template

WARNING = "content is plain text, so each of its line breaks became a <br>: write HTML, or use textContent"

_TAG = re.compile(r"<[A-Za-z/!?]")
_LINE_BREAK = re.compile(r"\r\n?|\n")


def plain_text(content: str) -> Markup | None:
    """Give content parsed where its author's own words hold no tag, comment or entity, nor {{{ }}}, which brings HTML.

    Raises:
        ExpressionError: as `parse_html`.
    """
    if (tag := _TAG.search(content)) and "{{" not in content[: tag.start()]:
        return None
    markup = parse_html(content)
    own = MARK.sub(" ", markup.marked)
    is_html = any(expression.raw for expression in markup.expressions) or _TAG.search(own) or decode(own) != own
    return None if is_html else markup


async def render_plain_text(markup: Markup, evaluator: Evaluator) -> tuple[str, tuple[str, ...]]:
    """Fill in the expressions, escaped, and make each line break a `<br>`; without one nothing else is changed.

    Raises:
        ExpressionError: as `Evaluator.pieces`.
    """
    pieces = await evaluator.pieces(Template(markup.expressions))
    values = [piece.text for piece in pieces if isinstance(piece, Printed)]
    return await aside(lambda: _filled(markup, values), len(markup.marked) + sum(map(len, values)))


def _filled(markup: Markup, texts: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    values = [html.escape(text.replace("\0", "\ufffd")) for text in texts]
    filled = MARK.sub(lambda mark: values[int(mark[1])], markup.marked)
    text = filled.strip("\r\n")
    if not _LINE_BREAK.search(text):
        return filled, ()
    return _LINE_BREAK.sub("<br>\n", text) + "\n", (WARNING,)
