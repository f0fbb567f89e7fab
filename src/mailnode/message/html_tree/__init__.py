"""Limits of HTML for parsers in native code: deeper HTML crashes the process, larger HTML takes too long.

What was measured stands in docs/decisions.md.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mailnode.message.html_tree.scanner import Scanner, modes
from mailnode.message.html_tree.stack import BeyondLimitError, Stack

MOST_LEVELS = 256
MOST_ELEMENTS = 100_000
MOST_TAGS = 400_000  # end tags and comments among them
MOST_ATTRIBUTES = 500  # of one tag
MOST_CHARACTERS = 8 * 2**20
MOST_STYLE_LEVELS = 64  # of brackets in a style sheet

# What hides brackets in CSS (CSS Syntax 4.3): comments, strings, escapes and bare URLs.
_BRACKET = re.compile(
    r"""/\*.*?(?:\*/|\Z) | "(?:[^"\\\n]|\\.)*+["\n]? | '(?:[^'\\\n]|\\.)*+['\n]? | \\.
    | url\(\s*+(?=[^"'\s])(?:[^)\\]|\\.)*+\)? | ([\[({]) | ([\])}])""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_CLOSER_OF = {"[": "]", "(": ")", "{": "}"}


@dataclass(frozen=True, slots=True)
class Size:
    """How large a document's tree is at the most: levels, <html> being one, and elements, of which some are implied.

    `characters` counts the document, and again each tag whose element a parser inserts again.
    """

    levels: int
    elements: int
    characters: int


def beyond_limits(html: str) -> str:
    """Give the reason why HTML is not given to a parser in native code, a clause about "it"; "" if it may be.

    Call it with exactly the text that such a parser (css-inline, nh3) is to read. If there is a reason, an author's
    document is sent as it is, with this as a warning, and a stranger's is shown as its escaped source. It takes linear
    time, and raises nothing. Depth is that of the tree: a list of items without end tags is flat.
    """
    try:
        measure(html)
    except BeyondLimitError as error:
        return str(error)
    return ""


def measure(html: str) -> Size:
    """Measure the tree that a parser of HTML makes of a text; it is never less than html5ever's.

    Raises:
        BeyondLimitError: it is beyond one of the limits.
    """
    if len(html) > MOST_CHARACTERS:
        raise BeyondLimitError(f"it is longer than {MOST_CHARACTERS // 2**20} MB")
    html = html.replace("\0", "\ufffd")
    sizes = [_measured(html, is_quirky=is_quirky) for is_quirky in modes(html)]
    return Size(*(max(one) for one in zip(*((one.levels, one.elements, one.characters) for one in sizes), strict=True)))


def _measured(html: str, *, is_quirky: bool) -> Size:
    stack = Stack(MOST_LEVELS, MOST_ELEMENTS)
    scanner = Scanner(html, stack, MOST_TAGS, MOST_ATTRIBUTES, is_quirky=is_quirky)
    scanner.run()
    _bound_brackets(scanner.sheets)
    characters = len(html) + stack.copied
    if characters > MOST_CHARACTERS:
        raise BeyondLimitError(f"it is longer than {MOST_CHARACTERS // 2**20} MB")
    return Size(stack.depth, stack.elements, characters)


def _bound_brackets(sheets: Iterable[str]) -> None:
    for sheet in sheets:
        awaited: list[str] = []
        for opening, closing in _BRACKET.findall(sheet):
            if opening:
                awaited.append(_CLOSER_OF[opening])
            elif awaited and closing == awaited[-1]:
                awaited.pop()
            if len(awaited) > MOST_STYLE_LEVELS:
                raise BeyondLimitError(f"one of its style sheets is nested deeper than {MOST_STYLE_LEVELS} levels")
