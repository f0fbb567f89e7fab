"""JSON as text that can be stored and sent as UTF-8."""

import json
from typing import Any

from mailnode.printable import LONE_SURROGATE


def json_of(value: Any, *, indent: int | None = None) -> str:
    """Give a value as JSON; half of a surrogate pair is escaped, and a very deep value is on one line.

    Raises:
        TypeError, ValueError, RecursionError: it can't be written as JSON.
    """
    separators = (",", ":") if indent is None else None
    try:
        text = json.dumps(value, indent=indent, separators=separators, ensure_ascii=False)
    except RecursionError:  # with an indent it needs a frame for each level
        text = json.dumps(value, ensure_ascii=False)
    return LONE_SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def is_deeper(value: Any, levels: int) -> bool:
    """Whether the lists and objects of a JSON value are nested deeper than so many levels."""
    nested = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        inside = (one.values() if isinstance(one, dict) else one for one in nested)
        nested = [child for children in inside for child in children if isinstance(child, dict | list)]
        if not nested:
            return False
    return True
