"""Requests that do not fit the API's models, told in plain words."""

from collections.abc import Sequence
from typing import Any

from pydantic_core import ErrorDetails

from mailnode.errors import ErrorCode, MailnodeError, UsageError
from mailnode.node.settings_reader import message_of, remedy_of
from mailnode.printable import quoted

_ANY = "/api/openapi.json describes every request"


def misread(details: Sequence[ErrorDetails]) -> list[MailnodeError]:
    """Give what is wrong with a request, one error for each place, of what its reader (pydantic) found there."""
    errors: dict[str, MailnodeError] = {}
    for detail in details:
        # The first part is where it stood: body, path, query.
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"][1:])
        key = key.removeprefix(".")
        errors.setdefault(key, _error(detail).locate(key=key if detail["type"] != "json_invalid" else ""))
    return list(errors.values())


def _error(detail: ErrorDetails) -> MailnodeError:
    match detail["type"]:
        case "json_invalid":
            why = detail.get("ctx", {}).get("error", "")
            return UsageError(
                f"the body is not JSON{f': {why}' if why else ''}", hint="send JSON as application/json, in UTF-8"
            )
        case "missing":
            what = "a value is required here" if len(detail["loc"]) > 1 else "the request has no body"
            return UsageError(what, code=ErrorCode.MISSING_SETTING, hint=_ANY)
        case "extra_forbidden":
            return UsageError("there is no such field", code=ErrorCode.UNKNOWN_KEY, hint=_ANY)
    return UsageError(f"{_shown(detail['input'])}{message_of(detail)}", hint=remedy_of(detail) or _ANY)


def _shown(value: Any) -> str:
    """Show what was given if that is short and plain; a text may be a secret."""
    return f"{quoted(value)}: " if isinstance(value, bool | int | float) or value is None else ""
