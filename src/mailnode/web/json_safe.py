"""JSON values of strangers, made fit for a page: half a character can't be written, and depth has no end."""

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any, TypeVar

from mailnode.printable import LONE_SURROGATE

T = TypeVar("T")

# More is slow to look at; the API gives all.
MOST_CHARACTERS = 100_000


def whole(value: T) -> T:
    """Give a JSON value with U+FFFD for each half of a surrogate pair that stands alone."""
    text = json.dumps(value, ensure_ascii=False)
    changed: T = json.loads(LONE_SURROGATE.sub("\ufffd", text)) if LONE_SURROGATE.search(text) else value
    return changed


def json_text(value: Any) -> str:
    """Give a JSON value as a person reads it, and of a very long one the beginning: the rest is not written at all."""
    try:
        text = _begun(json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(value))
    except RecursionError:  # with an indent it needs a frame for each level
        text = json.dumps(value, ensure_ascii=False)
    text = LONE_SURROGATE.sub("\ufffd", text[: MOST_CHARACTERS + 1])
    return text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}\n… and more"


def _begun(pieces: Iterator[str]) -> str:
    text = StringIO()
    while text.tell() <= MOST_CHARACTERS and (piece := next(pieces, "")):
        text.write(piece)
    return text.getvalue()
