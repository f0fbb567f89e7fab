"""What the form of the node holds: the one place that knows its keys, their types and their defaults."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from mailnode.connections.service import find_service
from mailnode.errors import ErrorCode, MailnodeError, SettingsError
from mailnode.message.email import AutoSubmitted
from mailnode.message.header import check_own_field_name
from mailnode.message.mailbox import parse_addresses, parse_mailbox
from mailnode.node.attachment_settings import ATTACHMENT_TYPES, AttachmentSettings
from mailnode.node.markup import parse_html
from mailnode.node.setting_remedy import remedy
from mailnode.node.setting_types import Plain, Settings, Templated, check_plain, checked
from mailnode.node.template import has_braces, parse_template
from mailnode.printable import quoted
from mailnode.smtp.server import TlsOption

OTHER = "other"
RESULT_KEY = r"^[A-Za-z_$][\w$-]*(\.[A-Za-z_$][\w$-]*)*$"
RESULT_KEY_CHARACTERS = 200

Model = TypeVar("Model", bound="Settings")


def _check_addresses(value: str) -> None:
    parse_template(value) if has_braces(value) else parse_addresses(value, by_line=True)


def _check_mailbox(value: str) -> None:
    parse_template(value) if has_braces(value) else parse_mailbox(value, by_line=True)


def _check_reverse_path(value: str) -> None:
    if value.strip() != "<>":
        _check_mailbox(value)


def _check_recipients(value: str) -> None:
    _check_addresses(value)
    if not value.strip():
        raise SettingsError("no recipient", code=ErrorCode.MISSING_SETTING, hint="give at least one address")


def _check_service(value: str) -> None:
    check_plain(value)
    if value.strip().lower() != OTHER:
        find_service(value)


FieldName = Annotated[str, checked(check_plain), checked(check_own_field_name)]
Priority = Literal["high", "normal", "low"]


class SmtpSettings(Settings):
    """SMTP Settings: the server of "Other SMTP Service"."""

    host: Annotated[Plain, Field(min_length=1, max_length=255)]
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    tls_option: TlsOption | None = None
    ca: Plain | None = None
    ehlo_name: Plain | None = None


class MailSettings(Settings):
    """What both nodes that send mail ask for."""

    to: Annotated[str, checked(_check_recipients)]
    cc: Annotated[str, checked(_check_addresses)] = ""
    bcc: Annotated[str, checked(_check_addresses)] = ""
    subject: Templated = ""
    content: Annotated[str, checked(parse_html)] = ""
    priority: Priority = "normal"
    store_result: Literal["none", "input", "context"] = "none"
    result_key: Annotated[Plain, Field(pattern=RESULT_KEY, max_length=RESULT_KEY_CHARACTERS)] | None = None
    stop_on_error: bool = False
    asynchronous: bool = False

    @model_validator(mode="after")
    def _check_storage(self) -> Self:
        if (self.result_key is None) != (self.store_result == "none"):
            missing = "resultKey" if self.result_key is None else "storeResult"
            raise PydanticCustomError(
                "mailnode",
                "{error}",
                {
                    "error": SettingsError(
                        f"storeResult and resultKey go together; {missing} is missing",
                        code=ErrorCode.MISSING_SETTING,
                        hint="give both (storeResult: context, resultKey: mail.sent), or neither",
                    ).locate(key=missing)
                },
            )
        return self


class EmailNotificationSettings(MailSettings):
    """Settings of `emailNotification`; server and sender come from the environment."""


class SendSmtpEmailSettings(MailSettings):
    """Settings of `sendSmtpEmail`."""

    email_service: Annotated[str, checked(_check_service)]
    smtp: SmtpSettings | None = None
    connection: Plain | None = None
    attachments: tuple[AttachmentSettings, ...] = Field(default=(), strict=False)
    from_: Annotated[str, checked(_check_mailbox)] | None = Field(default=None, alias="from")
    reply_to: Annotated[str, checked(_check_addresses)] = ""
    text_content: Templated | None = None
    data_images: Literal["keep", "attach"] = "keep"
    envelope_from: Annotated[str, checked(_check_reverse_path)] | None = None
    in_reply_to: Templated = ""
    references: Templated = ""
    list_unsubscribe: Templated = ""
    auto_submitted: AutoSubmitted | None = None
    idempotency_key: Templated | None = None
    headers: dict[FieldName, Templated] = Field(default_factory=dict)
    inline_styles: bool = True
    partial_delivery: Literal["allow", "refuse"] = "allow"
    on_unknown: Literal["resend", "hold"] = "resend"
    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 60
    retry_hours: Annotated[float, Field(gt=0, le=720)] = 24
    max_recipients: Annotated[int, Field(ge=1)] = 100
    max_attachment_mb: Annotated[float, Field(gt=0, le=1024)] = Field(default=10, alias="maxAttachmentMB")
    max_message_mb: Annotated[float, Field(gt=0, le=2048)] = Field(default=25, alias="maxMessageMB")
    lenient: bool = False

    @model_validator(mode="after")
    def _check_server(self) -> Self:
        is_other = self.email_service.strip().lower() == OTHER
        if is_other != (self.smtp is not None):
            words = "emailService other needs smtp settings" if is_other else "smtp goes with emailService other only"
            error = SettingsError(
                words,
                code=ErrorCode.MISSING_SETTING if is_other else ErrorCode.BAD_SETTING,
                hint="give smtp: {host, port, tlsOption} with emailService: other, and a service name without smtp",
            ).locate(key="smtp")
            raise PydanticCustomError("mailnode", "{error}", {"error": error})
        return self


def read_settings(model: type[Model], settings: Mapping[str, Any]) -> Model:
    """Read a node's settings as they stand in a flow file.

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
        hint = f"give {key.rpartition('.')[2]}"
        return SettingsError("this setting is required", code=ErrorCode.MISSING_SETTING, hint=hint).locate(key=key)
    # An input is what a flow gets.
    said = detail["msg"].removeprefix("Input ")
    said = said[0].lower() + said[1:] if said == detail["msg"] else f"it {said}"
    given = "" if isinstance(detail["input"], dict | list) else f"{quoted(detail['input'])}: "
    return SettingsError(f"{given}{said}", code=ErrorCode.BAD_SETTING, hint=remedy(detail)).locate(key=key)


def _unknown_key(key: str, known: list[str]) -> SettingsError:
    near = get_close_matches(key.rpartition(".")[2], known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known settings: {', '.join(known)}"
    return SettingsError("there is no such setting", code=ErrorCode.UNKNOWN_KEY, hint=hint).locate(key=key)


def _known_keys(loc: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    group: type[BaseModel] = model
    if loc[0] == "smtp" and len(loc) > 1:
        group = SmtpSettings
    elif loc[0] == "attachments" and len(loc) > 2:  # noqa: PLR2004 -- attachments, index, kind
        group = ATTACHMENT_TYPES[str(loc[2])]
    return [field.alias or name for name, field in group.model_fields.items()]


def _key(loc: tuple[int | str, ...]) -> str:
    """Write a place as people do: `attachments[1].url`; pydantic puts the kind of attachment behind the index."""
    if loc and loc[0] == "attachments":
        loc = (*loc[:2], *loc[3:])
    if loc and loc[-1] == "[key]":
        loc = loc[:-1]
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")
