"""Requests that do not fit the API's models, told in plain words."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic_core import ErrorDetails

from mailnode.errors import ErrorCode, MailnodeError, UsageError
from mailnode.node.settings_reader import message_of, remedy_of
from mailnode.printable import quoted

_ANY = "/api/openapi.json describes every request"
_HINTS = {
    "string_too_long": "make it shorter",
    "string_too_short": "fill it in",
    "too_long": "make it shorter",
    "string_type": 'write text in quotes: "text"',
    "string_pattern_mismatch": _ANY,
    "dict_type": 'write a JSON object: {"name": value}',
    "model_type": 'write a JSON object: {"name": value}',
    "model_attributes_type": 'write a JSON object: {"name": value}',
    "list_type": "write a JSON array: [one, another]",
}
# What pydantic adds on how it reads a value.
_READING = re.compile(r", (?:unable to|got a) .*|(?<=an object) to extract fields from")
_PART = re.compile(r"\w+")


def misread(details: Sequence[ErrorDetails]) -> list[MailnodeError]:
    """Give what is wrong with a request, one error for each place, of what its reader (pydantic) found there."""
    places: dict[str, list[ErrorDetails]] = {}
    for detail in details:
        places.setdefault(_key(detail), []).append(detail)
    return [_error(found).locate(key=key) for key, found in places.items()]


def _key(detail: ErrorDetails) -> str:
    """Write a location as a key; the first part is where it stood (body, path, query), and some name a type."""
    if detail["type"] == "json_invalid":
        return ""
    parts = [part for part in detail["loc"][1:] if isinstance(part, int) or _PART.fullmatch(part)]
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def _error(found: list[ErrorDetails]) -> MailnodeError:
    detail, context = found[0], found[0].get("ctx", {})
    match detail["type"]:
        case "model_attributes_type" | "dict_type" | "model_type" if isinstance(detail["input"], bytes):
            return UsageError(
                "the body is not sent as JSON", hint="add the header field Content-Type: application/json"
            )
        case "json_invalid":
            why = context.get("error", "")
            return UsageError(
                f"the body is not JSON{f': {why}' if why else ''}", hint="send JSON as application/json, in UTF-8"
            )
        case "missing":
            what = "a value is required here" if len(detail["loc"]) > 1 else "the request has no body"
            return UsageError(what, code=ErrorCode.MISSING_SETTING, hint=_ANY)
        case "extra_forbidden":
            return UsageError("there is no such field", code=ErrorCode.UNKNOWN_KEY, hint=_ANY)
        case "value_error":
            return UsageError(str(context.get("error", "this value is invalid")), hint=_ANY)
        case "string_too_long":
            words = f"it is longer than {context['max_length']} characters"
        case "string_pattern_mismatch":
            words = "it does not have the form that is expected here"
        case "literal_error":
            expected = " or ".join(one["ctx"]["expected"] for one in found if one["type"] == "literal_error")
            *most, last = re.findall(r"'([^']*)'", expected)
            words = f"it should be {', '.join(most)}{' or ' if most else ''}{last}"
            return UsageError(f"{_shown(detail['input'])}{words}", hint="use one of these")
        case _:
            words = _READING.sub("", message_of(detail))
    return UsageError(f"{_shown(detail['input'])}{words}", hint=_HINTS.get(detail["type"]) or remedy_of(detail) or _ANY)


def _shown(value: Any) -> str:
    """Show what was given if that is short and plain; a text may be a secret."""
    if value is None:
        return "null: "
    return (
        f"{str(value).lower() if isinstance(value, bool) else quoted(value)}: "
        if isinstance(value, bool | int | float)
        else ""
    )
