"""The settings of the nodes that send email: their keys, types and defaults.

Each setting is parsed here, once: what a model holds is a parsed template, mailbox list, HTML content or service.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from mailnode.connections.service import Service, find_service
from mailnode.errors import ErrorCode, ExpressionError, MailnodeError, SettingsError
from mailnode.message.email import AutoSubmitted, Priority
from mailnode.message.header import check_own_field_name
from mailnode.message.mailbox import parse_mailbox
from mailnode.node.html import HtmlTemplate
from mailnode.node.recipients import AddressTemplate, parse_address_template, parse_mailbox_template
from mailnode.node.template import Template, has_braces, parse_template
from mailnode.smtp.server import TlsOption

OTHER: Literal["other"] = "other"
RESULT_KEY = r"^[A-Za-z_$][\w$-]*(\.[A-Za-z_$][\w$-]*)*$"
RESULT_KEY_CHARACTERS = 200

T = TypeVar("T")


class Settings(BaseModel):
    """A group of settings: camelCase keys, nothing unknown, nothing coerced."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=True, str_max_length=50 * 2**20
    )

    def by_key(self) -> dict[str, Any]:
        """Give the parsed settings by their keys, as another model takes them."""
        return {field.alias or name: getattr(self, name) for name, field in type(self).model_fields.items()}


class Parsed:
    """Parses a text setting to an object, which serialises as its author's text; a parsed one is taken as it is."""

    def __init__(self, kind: type[T], parse: Callable[[str], object], source: Callable[[T], str]) -> None:
        """Parse with `parse`; `source` gives the text of what that makes."""
        self._kind = kind
        self._parse = _with_ours(parse)
        self._source = source

    def __get_pydantic_core_schema__(self, _: object, __: GetCoreSchemaHandler) -> CoreSchema:
        """Build the schema."""

        def validate(value: object, to_text: Callable[[object], str]) -> object:
            return value if isinstance(value, self._kind) else self._parse(to_text(value))

        serialization = core_schema.plain_serializer_function_ser_schema(self._source)
        return core_schema.no_info_wrap_validator_function(
            validate, core_schema.str_schema(), serialization=serialization
        )


def _with_ours(parse: Callable[[str], T]) -> Callable[[str], T]:
    """Let a MailnodeError through pydantic, which adds the key."""

    def parsed(text: str) -> T:
        try:
            return parse(text)
        except MailnodeError as error:
            raise PydanticCustomError("mailnode", "{error}", {"error": error}) from None

    return parsed


def _plain(text: str) -> str:
    # A stranger's input must never choose the server or the account.
    if has_braces(text):
        raise ExpressionError(
            f"expressions are not allowed here: {text!r}",
            hint="write the value itself; expressions are allowed in addresses, subject, content and attachments",
        )
    return text.strip()


def _field_name(text: str) -> str:
    _plain(text)
    check_own_field_name(text)
    return text


def _service(text: str) -> Service | Literal["other"]:
    name = _plain(text)
    return OTHER if name.lower() == OTHER else find_service(name)


def _recipients(text: str) -> AddressTemplate:
    if not text.strip():
        raise SettingsError("no recipient", code=ErrorCode.MISSING_SETTING, hint="enter at least one address")
    return parse_address_template(text)


def _reverse_path(text: str) -> Template:
    if text.strip() != "<>" and not has_braces(text):
        parse_mailbox(text, by_line=True)
    return parse_template(text)


def _source_of(parsed: Template | AddressTemplate | HtmlTemplate) -> str:
    return parsed.source


EMPTY = Template(())
NO_ADDRESSES = parse_address_template("")
NO_CONTENT = HtmlTemplate("")

# Names of servers, connections and types: blanks and line ends around them are never meant.
Plain = Annotated[str, AfterValidator(_with_ours(_plain))]
Templated = Annotated[Template, Parsed(Template, parse_template, _source_of)]
ReversePath = Annotated[Template, Parsed(Template, _reverse_path, _source_of)]
Addresses = Annotated[AddressTemplate, Parsed(AddressTemplate, parse_address_template, _source_of)]
Recipients = Annotated[AddressTemplate, Parsed(AddressTemplate, _recipients, _source_of)]
OneMailbox = Annotated[AddressTemplate, Parsed(AddressTemplate, parse_mailbox_template, _source_of)]
Content = Annotated[HtmlTemplate, Parsed(HtmlTemplate, HtmlTemplate, _source_of)]
EmailService = Annotated[
    Service | Literal["other"],
    Parsed(Service, _service, lambda service: service if isinstance(service, str) else service.name),
]
FieldName = Annotated[str, AfterValidator(_with_ours(_field_name))]


class UrlAttachment(Settings):
    """Attachment "From URL": http, https or data."""

    type: Literal["url"]
    url: Templated
    filename: Templated = EMPTY
    content_type: Plain = ""
    cid: Templated = EMPTY


class TextAttachment(Settings):
    """Attachment "From Text Content"."""

    type: Literal["text"]
    content: Templated
    filename: Templated
    cid: Templated = EMPTY


class Base64Attachment(Settings):
    """Attachment "From Base64 String"."""

    type: Literal["base64"]
    content: Templated
    filename: Templated
    content_type: Plain = ""
    cid: Templated = EMPTY


class CustomAttachment(Settings):
    """Attachment "Custom Content Attachment"."""

    type: Literal["custom"]
    content: Templated
    content_type: Plain
    filename: Templated
    cid: Templated = EMPTY


class MimeAttachment(Settings):
    """Attachment "From Pregenerated MIME Node"."""

    type: Literal["mime"]
    content: Templated
    cid: Templated = EMPTY


AttachmentSettings = Annotated[
    UrlAttachment | TextAttachment | Base64Attachment | CustomAttachment | MimeAttachment, Field(discriminator="type")
]

ATTACHMENT_TYPES: Mapping[str, type[Settings]] = {
    "url": UrlAttachment,
    "text": TextAttachment,
    "base64": Base64Attachment,
    "custom": CustomAttachment,
    "mime": MimeAttachment,
}


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
    from_: OneMailbox | None = Field(default=None, alias="from")
    reply_to: Addresses = NO_ADDRESSES
    text_content: Templated | None = None
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
