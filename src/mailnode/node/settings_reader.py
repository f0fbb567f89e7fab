"""Reads a node's settings from a flow; each error has its key and says what to write instead."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mailnode.errors import ErrorCode, MailnodeError, SettingsError
from mailnode.node.attachment_settings import ATTACHMENT_TYPES
from mailnode.node.invitation import InvitationSettings
from mailnode.node.setting_types import Settings
from mailnode.node.settings import SmtpSettings
from mailnode.printable import quoted

Model = TypeVar("Model", bound=Settings)

_BY_TYPE = {
    "string_type": 'write it in quotes: "text"',
    "string_pattern_mismatch": "write a dotted path like mail.sent",
    "too_long": "make it shorter",
    "too_short": "fill it in, or leave it out",
    "bool_type": "write true or false, without quotes",
    "int_type": "write a whole number, without quotes",
    "float_type": "write a number, without quotes",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "float_parsing": "write a number",
    "bool_parsing": "write true or false",
    "list_type": "write a list: [one, another]",
    "tuple_type": "write a list: [one, another]",
    "dict_type": "write names with their values: {name: value}",
    "model_type": "write keys with their values: {key: value}",
    "model_attributes_type": "write keys with their values: {type: text, content: Hello, filename: hello.txt}",
    "union_tag_not_found": "set type to file, url, text, base64, custom or mime",
}
# What pydantic says, and plain words for it.
_PLAIN = {
    "less than or equal to": "at most",
    "greater than or equal to": "at least",
    "greater than": "more than",
    "a valid boolean": "true or false",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a valid string": "text",
    "a valid list": "a list",
    "a valid dictionary or object": "an object",
    "a valid dictionary": "an object",
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
}


def read_settings(model: type[Model], settings: Mapping[str, Any]) -> Model:
    """Read a node's settings as a flow has them.

    Raises:
        SettingsError: or another of ours, with `key` located; the first in the order of the form.
    """
    try:
        return model.model_validate(settings)
    except ValidationError as failed:
        raise _errors(failed, model)[0] from None


def settings_errors(model: type[Settings], settings: Mapping[str, Any]) -> list[MailnodeError]:
    """Give everything that is wrong with settings, the first as `read_settings` raises it."""
    try:
        model.model_validate(settings)
    except ValidationError as failed:
        return _errors(failed, model)
    return []


def _errors(failed: ValidationError, model: type[BaseModel]) -> list[MailnodeError]:
    # A key that is not known explains the one that is missing.
    details = sorted(failed.errors(include_url=False), key=lambda detail: detail["type"] != "extra_forbidden")
    return [_as_ours(detail, model) for detail in details]


def _as_ours(detail: ErrorDetails, model: type[BaseModel]) -> MailnodeError:
    key = _key(detail["loc"])
    kind = detail["type"]
    if kind == "mailnode":
        error: MailnodeError = detail["ctx"]["error"]
        return error.locate(key=key)
    if kind == "extra_forbidden":
        return _unknown_key(key, _known_keys(detail["loc"], model))
    if kind == "missing":
        hint = f"give `{key.rpartition('.')[2]}` a value"
        return SettingsError("this setting is required", code=ErrorCode.MISSING_SETTING, hint=hint).locate(key=key)
    given = "" if isinstance(detail["input"], dict | list) else f"{quoted(detail['input'])}: "
    return SettingsError(f"{given}{message_of(detail)}", code=ErrorCode.BAD_SETTING, hint=remedy_of(detail)).locate(
        key=key
    )


def message_of(detail: ErrorDetails) -> str:
    """Give what is wrong, in plainer words than pydantic's."""
    if detail["type"] == "union_tag_invalid":
        return f"there is no attachment type {quoted(detail['ctx']['tag'])}"
    if detail["type"] == "string_pattern_mismatch":
        return "it should be a dotted path"
    # An input is what a flow gets.
    message = detail["msg"].removeprefix("Input ")
    message = message[0].lower() + message[1:] if message == detail["msg"] else f"it {message}"
    for words, plain in _PLAIN.items():
        message = message.replace(words, plain)
    return message


def _unknown_key(key: str, known: list[str]) -> SettingsError:
    near = get_close_matches(key.rpartition(".")[2], known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known settings: {', '.join(known)}"
    return SettingsError("there is no such setting", code=ErrorCode.UNKNOWN_KEY, hint=hint).locate(key=key)


def _known_keys(loc: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    group: type[BaseModel] = model
    if loc[0] == "smtp" and len(loc) > 1:
        group = SmtpSettings
    elif loc[0] == "invitation" and len(loc) > 1:
        group = InvitationSettings
    elif loc[0] == "attachments" and len(loc) > 2:  # noqa: PLR2004 -- attachments, index, kind
        group = ATTACHMENT_TYPES[str(loc[2])]
    return [field.alias or name for name, field in group.model_fields.items()]


def _key(loc: tuple[int | str, ...]) -> str:
    """Write a location as a key, `attachments[1].url`; pydantic's has the type of attachment after the index."""
    if loc and loc[0] == "attachments":
        loc = (*loc[:2], *loc[3:])
    if loc and loc[-1] == "[key]":
        loc = loc[:-1]
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")


def remedy_of(detail: ErrorDetails) -> str:
    """Give the hint for an error of pydantic; "" for a kind that no setting can cause."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"use {words} {context[name]:g}"
    if kind == "literal_error":
        return f"use {context['expected']}".replace("'", "")
    if kind == "union_tag_invalid":
        return f"use one of these types: {context['expected_tags']}".replace("'", "")
    return _BY_TYPE.get(kind, "")
