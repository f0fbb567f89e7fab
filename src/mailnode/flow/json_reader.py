"""JSON (RFC 8259) with the line of each value; duplicate keys are errors."""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, NoReturn

from mailnode.flow.source import Source, bad_file, check_depth, join_path, repeated_key, whole_text

_LAST_COMMA = re.compile(r",[ \t\r\n]*[}\]]")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')


class _Object(list[tuple[str, Any]]):
    """The members of an object as they were read, with duplicate keys."""


def read_json(text: str) -> Source:
    """Parse a document; SettingsError with a line if it is invalid."""
    try:
        value = json.loads(text, object_pairs_hook=_Object, parse_constant=_refuse_constant, parse_float=_float)
    except json.JSONDecodeError as error:
        what, line = _told(text, error)
        raise bad_file(what, line, hint="check commas, quotes and brackets around this line") from None
    except RecursionError:
        raise bad_file("values are nested too deep", hint="make the document flatter") from None
    except ValueError:
        raise bad_file("a number is too long", hint="put it in quotes if it is a text") from None
    return _Locator(text).locate(value)


def _told(text: str, error: json.JSONDecodeError) -> tuple[str, int]:
    """Give the message and line of an error; Python reports trailing commas only since 3.13."""
    if not text.strip():
        return "the file is empty", error.lineno
    for comma in _LAST_COMMA.finditer(text):
        if comma.start() <= error.pos < comma.end():
            return "this is not valid JSON: comma before the closing bracket", text.count("\n", 0, comma.start()) + 1
    return f"this is not valid JSON: {error.msg}", error.lineno


def _refuse_constant(name: str) -> NoReturn:
    raise bad_file(f"{name} is not a JSON number", hint="put it in quotes if it is a text")


def _float(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise ValueError
    return number


class _Locator:
    """Walks the values and tokens of a valid document in parallel, since the json module gives no positions."""

    def __init__(self, text: str) -> None:
        self._tokens = (match.start() for match in _TOKEN.finditer(text))
        self._newlines = [match.start() for match in re.finditer("\n", text)]
        self._lines: dict[str, int] = {}

    def locate(self, value: Any) -> Source:
        """Give plain values with their lines."""
        return Source(self._value(value, "", 0), self._lines)

    def _next_line(self) -> int:
        return bisect_right(self._newlines, next(self._tokens)) + 1

    def _value(self, value: Any, path: str, depth: int) -> Any:
        line = self._next_line()
        check_depth(depth, line)
        self._lines.setdefault(path, line)
        if isinstance(value, _Object):
            return dict(self._members(value, path, depth))
        if isinstance(value, list):
            return list(self._items(value, path, depth))
        return whole_text(value, line) if isinstance(value, str) else value

    def _items(self, items: list[Any], path: str, depth: int) -> Iterator[Any]:
        for index, item in enumerate(items):
            yield self._value(item, join_path(path, index), depth + 1)
            self._next_line()  # comma, or the end of the list
        if not items:
            self._next_line()

    def _members(self, members: _Object, path: str, depth: int) -> Iterator[tuple[str, Any]]:
        seen: dict[str, int] = {}
        for name, value in members:
            line = self._next_line()
            key = whole_text(name, line)
            if key in seen:
                raise repeated_key(key, line, seen[key])
            seen[key] = self._lines[join_path(path, key)] = line
            self._next_line()  # colon
            yield key, self._value(value, join_path(path, key), depth + 1)
            self._next_line()  # comma, or the end of the object
        if not members:
            self._next_line()
