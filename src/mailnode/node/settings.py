"""The settings of the nodes that send email: their keys, types and defaults.

Each setting is parsed here, once: what a model holds is a parsed template, mailbox list, HTML content or service.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from mailnode.errors import ErrorCode, SettingsError
from mailnode.message.email import AutoSubmitted, Priority
from mailnode.node.attachment_settings import AttachmentSettings
from mailnode.node.invitation import InvitationSettings
from mailnode.node.setting_types import (
    EMPTY,
    NO_ADDRESSES,
    NO_CONTENT,
    OTHER,
    Addresses,
    Content,
    EmailService,
    FieldName,
    LayoutName,
    OneMailbox,
    Plain,
    Recipients,
    ReversePath,
    Settings,
    Templated,
)
from mailnode.smtp.server import TlsOption

RESULT_KEY = r"^[A-Za-z_$][\w$-]*(\.[A-Za-z_$][\w$-]*)*$"
RESULT_KEY_CHARACTERS = 200


class SmtpSettings(Settings):
    """SMTP Settings: the server of "Other SMTP Service"."""

    host: Annotated[Plain, Field(min_length=1, max_length=255)]
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    tls_option: TlsOption | None = None
    ca: Plain | None = None
    ehlo_name: Plain | None = None


class MailSettings(Settings):
    """The settings that both nodes that send email have."""

    to: Recipients
    cc: Addresses = NO_ADDRESSES
    bcc: Addresses = NO_ADDRESSES
    subject: Templated = EMPTY
    content: Content = NO_CONTENT
    priority: Priority = "normal"
    store_result: Literal["none", "input", "context"] = "none"
    result_key: Annotated[Plain, Field(pattern=RESULT_KEY, max_length=RESULT_KEY_CHARACTERS)] | None = None
    stop_on_error: bool = False
    asynchronous: bool = False

    @model_validator(mode="after")
    def _check_storage(self) -> Self:
        if (self.result_key is None) != (self.store_result == "none"):
            names = ("resultKey", "storeResult")
            missing, given = names if self.result_key is None else reversed(names)
            raise PydanticCustomError(
                "mailnode",
                "{error}",
                {
                    "error": SettingsError(
                        f"this setting is required where {given} is set",
                        code=ErrorCode.MISSING_SETTING,
                        hint="set both (storeResult: context, resultKey: mail.sent), or neither",
                    ).locate(key=missing)
                },
            )
        return self


class EmailNotificationSettings(MailSettings):
    """Settings of `emailNotification`; server and sender come from the environment."""


class SendSmtpEmailSettings(MailSettings):
    """Settings of `sendSmtpEmail`."""

    email_service: EmailService
    smtp: SmtpSettings | None = None
    connection: Plain | None = None
    attachments: tuple[AttachmentSettings, ...] = Field(default=(), strict=False)
    invitation: InvitationSettings | None = None
    from_: OneMailbox | None = Field(default=None, alias="from")
    reply_to: Addresses = NO_ADDRESSES
    text_content: Templated | None = None
    layout: LayoutName = ""
    data_images: Literal["keep", "attach"] = "keep"
    envelope_from: ReversePath | None = None
    in_reply_to: Templated = EMPTY
    references: Templated = EMPTY
    list_unsubscribe: Templated = EMPTY
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

    @property
    def has_uid(self) -> bool:
        """Whether the settings themselves give the event of the invitation its uid."""
        return self.invitation is not None and self.invitation.uid is not None

    @model_validator(mode="after")
    def _check_server(self) -> Self:
        is_other = self.email_service == OTHER
        if is_other != (self.smtp is not None):
            words = "emailService other needs smtp settings" if is_other else "it is only for emailService other"
            error = SettingsError(
                words,
                code=ErrorCode.MISSING_SETTING if is_other else ErrorCode.BAD_SETTING,
                hint="use smtp: {host, port, tlsOption} with emailService: other, or a service name without smtp",
            ).locate(key="smtp")
            raise PydanticCustomError("mailnode", "{error}", {"error": error})
        return self
