"""YAML 1.2 for flow files: the types of the core schema, without aliases, tags or a second document."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from mailnode.flow.source import Source, bad_file, check_depth, join_path, repeated_key, whole_text
from mailnode.printable import quoted, shortened

_QUOTE_HINT = 'put a text with {{ }} in quotes: "{{ input.email }}"'
_SYNTAX_HINT = "check indentation, colons and quotes on this line and the one before"

# YAML 1.2, 10.3.2: the core schema has no dates, no sexagesimals and no `yes`.
_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INTEGERS = (
    (re.compile(r"[-+]?[0-9]+"), 10),
    (re.compile(r"0o[0-7]+"), 8),
    (re.compile(r"0x[0-9a-fA-F]+"), 16),
)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def read_yaml(text: str) -> Source:
    """Parse a document; SettingsError with a line if it is invalid."""
    # Importing it costs 60 ms, which a JSON flow or `mailnode send` need not wait for.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.reader import ReaderError

    try:
        return _Composer(YAML(typ="safe", pure=True).parse(text)).compose()
    except MarkedYAMLError as error:
        raise _bad_syntax(text, error) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise bad_file(f"the character U+{error.character:04X} is not allowed here", line, hint="remove it") from None
    except (ValueError, OverflowError):
        # Escapes past the last character of Unicode ("\UFFFFFFFF").
        raise bad_file("invalid escape sequence", hint="write the character itself") from None


def _bad_syntax(text: str, error: Any) -> Exception:
    problem = error.problem or error.context
    # An unclosed quote is found at the end of the file; where it began is more helpful.
    mark = error.context_mark if "end of stream" in problem and error.context_mark else error.problem_mark
    lines = text.splitlines()[max(0, mark.line - 1) : mark.line + 1]
    hint = _QUOTE_HINT if any("{{" in line for line in lines) else _SYNTAX_HINT
    return bad_file(f"this is not valid YAML: {problem}", mark.line + 1, hint=hint)


class _Composer:
    """Makes plain values from the parser's events; ruamel's own constructor would resolve aliases and dates."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._lines: dict[str, int] = {}

    def compose(self) -> Source:
        """Make the document's value."""
        next(self._events)
        start = next(self._events)
        if _kind(start) == "StreamEnd":
            raise bad_file("the file is empty", hint="begin with version, name and nodes")
        value = self._value(next(self._events), "", 0)
        next(self._events)
        after = next(self._events)
        if _kind(after) != "StreamEnd":
            raise bad_file("a second document begins here", _line(after), hint="write each flow into its own file")
        return Source(value, self._lines)

    def _value(self, event: Any, path: str, depth: int) -> Any:
        _check_event(event)
        check_depth(depth, _line(event))
        # The line of a value in a mapping is that of its key, which `_mapping` has noted.
        self._lines.setdefault(path, _line(event))
        return self._makers[_kind(event)](self, event, path, depth)

    def _scalar(self, event: Any, _path: str, _depth: int) -> Any:
        # implicit[0]: written plainly, without quotes, so the schema says what it is
        text = whole_text(event.value, _line(event))
        return _plain_scalar(text, _line(event)) if event.implicit[0] else text

    def _sequence(self, _start: Any, path: str, depth: int) -> list[Any]:
        items: list[Any] = []
        while _kind(event := next(self._events)) != "SequenceEnd":
            items.append(self._value(event, join_path(path, len(items)), depth + 1))
        return items

    def _mapping(self, _start: Any, path: str, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while _kind(event := next(self._events)) != "MappingEnd":
            key, line = _key(event), _line(event)
            inner = join_path(path, key)
            if key in values:
                raise repeated_key(key, line, self._lines[inner])
            self._lines[inner] = line
            values[key] = self._value(next(self._events), inner, depth + 1)
        return values

    _makers: dict[str, Callable[["_Composer", Any, str, int], Any]] = {  # noqa: RUF012 -- never changed
        "Scalar": _scalar,
        "SequenceStart": _sequence,
        "MappingStart": _mapping,
    }


def _kind(event: Any) -> str:
    return type(event).__name__.removesuffix("Event")


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1


def _check_event(event: Any) -> None:
    if _kind(event) == "Alias":
        raise bad_file(f"aliases are not allowed: *{event.anchor}", _line(event), hint="write the value out")
    if event.anchor is not None:
        raise bad_file(f"anchors are not allowed: &{event.anchor}", _line(event), hint="remove the anchor")
    if event.tag is not None:
        raise bad_file(
            f"tags are not allowed: {quoted(event.tag)}", _line(event), hint="remove the tag; put texts in quotes"
        )


def _key(event: Any) -> str:
    _check_event(event)
    if _kind(event) != "Scalar":
        raise bad_file("a mapping or list can't be a key", _line(event), hint=_QUOTE_HINT)
    return whole_text(event.value, _line(event))


def _plain_scalar(text: str, line: int) -> Any:
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
        return text[0] in "tT"
    if _NO_NUMBER.fullmatch(text):
        raise bad_file(f"{text} is not a JSON number", line, hint="put it in quotes if it is a text")
    try:
        return _number(text)
    except ValueError:
        raise bad_file(f"{shortened(text)} is too large a number", line, hint="put it in quotes") from None


def _number(text: str) -> int | float | str:
    for pattern, base in _INTEGERS:
        if pattern.fullmatch(text):
            return int(text, base)
    if not _FLOAT.fullmatch(text):
        return text
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise ValueError
    return number
