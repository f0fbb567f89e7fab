"""Which characters a line can't hold, and how an error shows a value that somebody else has written.

The character classes are pieces of a regular expression, to be put within brackets: `f"[{CONTROL}{SURROGATE}]"`.
"""

import re
from typing import Any

ASCII_CONTROL = r"\x00-\x1f\x7f"
# C0, DEL and C1: they end lines and move a terminal's cursor.
CONTROL = rf"{ASCII_CONTROL}\x80-\x9f"
CONTROL_BUT_TAB_AND_LF = r"\x00-\x08\x0b-\x1f\x7f-\x9f"
LINE_SEPARATOR = r"\u2028\u2029"
# They turn the direction of the text that follows, and so show another text than there is.
DIRECTION = r"\u202a-\u202e\u2066-\u2069"
DIRECTION_MARK = r"\u200e\u200f"
# Half of a pair: no character, and UTF-8 can't write it.
SURROGATE = r"\ud800-\udfff"

LONE_SURROGATE = re.compile(f"[{SURROGATE}]")
# How many characters of a value an error shows, and of a URL, a file name or an explanation.
MOST_SHOWN = 60
MOST_SHOWN_LONG = 200

_MOVES_TEXT = re.compile(f"[{CONTROL}{LINE_SEPARATOR}{DIRECTION}{DIRECTION_MARK}]+")


def shortened(text: str, most: int = MOST_SHOWN) -> str:
    """Give a text, or its beginning with `...` behind it: at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def quoted(value: object, most: int = MOST_SHOWN) -> str:
    """Quote the beginning of a value for an error; what can't be printed is escaped."""
    return repr(shortened(value, most)) if isinstance(value, str) else shortened(repr(value), most)


def quoted_ascii(text: str, most: int = MOST_SHOWN) -> str:
    """Quote the beginning of a text in ASCII, so that what can't be seen is seen."""
    return ascii(shortened(text, most))


def escaped(text: str) -> str:
    """Write a text on one line that moves no cursor: what can't be printed is escaped."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def without_controls(text: str) -> str:
    """Put a space for each run of what would move a terminal's cursor or turn the direction of writing."""
    return _MOVES_TEXT.sub(" ", text).strip()


def one_line(text: Any) -> str:
    """Write the words of anything on one line, with a space between them; what can't be printed is left out."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in str(text)).split())
