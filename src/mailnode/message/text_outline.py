"""The plain text of HTML that is filled in again and again: made once, and filled as the HTML is.

Most of what makes a mail is the same for each recipient, and making its text takes longer than all else of composing.
"""

import re
from collections.abc import Collection, Sequence

from mailnode.message.markup import HOLE, HoleError
from mailnode.message.text import html_to_text

# Words of letters and digits with single characters between them: no value of these parts words, lines or tags.
_PLAIN_WORDS = re.compile(r"[^\W_]+(?:[ .,:/@+_'-][^\W_]+)*[.!?]?")
_HOLE = re.compile(rf"{HOLE}([0-9]+){HOLE}")
# A value behind these could be a part of entity or tag; beside a number that Python can't read no entity is decoded.
_UNSURE = re.compile(rf"&[#\w]*{HOLE}|<[/!?\w]*{HOLE}|&#[0-9]{{1000}}")


class TextOutline:
    """The text of HTML with holes in it."""

    def __init__(self, pieces: Sequence[str], in_attributes: Collection[int]) -> None:
        """Take the text as literals with numbers of values between them; `outline_of` makes one."""
        self._pieces = pieces
        self._numbers = [int(number) for number in pieces[1::2]]
        self._in_attributes = frozenset(in_attributes)

    def filled(self, values: Sequence[str]) -> str | None:
        """Give the text with values in it, as `html_to_text` would make it of the HTML with the same values, escaped.

        None if it might make another one, because a value is more than plain words.
        """
        if not all(map(_PLAIN_WORDS.fullmatch, values)) or any(" " in values[number] for number in self._in_attributes):
            return None
        pieces = [*self._pieces]
        pieces[1::2] = [values[number] for number in self._numbers]
        return "".join(pieces)


def outline_of(pieces: Sequence[str], in_attributes: Collection[int]) -> TextOutline | None:
    """Make the outline of HTML, given as literals with numbers of values between them.

    `in_attributes` are the numbers of those in attributes. It is None if the text depends on what the values are:
    columns are as wide as their words, and a link may be its own text.
    """
    literals = [literal.replace(HOLE, "\N{REPLACEMENT CHARACTER}") for literal in pieces]
    literals[1::2] = [f"{HOLE}{number}{HOLE}" for number in pieces[1::2]]
    html = "".join(literals)
    if _UNSURE.search(html):
        return None
    try:
        return TextOutline(_HOLE.split(html_to_text(html, has_holes=True)), in_attributes)
    except HoleError:
        return None
