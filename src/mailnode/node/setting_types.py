"""The types of settings: text that is parsed once, with expressions or without, to what the model then holds."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from mailnode.connections.service import Service, find_service
from mailnode.errors import ErrorCode, ExpressionError, MailnodeError, SettingsError
from mailnode.message.header import check_own_field_name
from mailnode.message.mailbox import parse_mailbox
from mailnode.node.html import HtmlTemplate
from mailnode.node.layout import check_layout_name
from mailnode.node.recipients import AddressTemplate, parse_address_template, parse_mailbox_template
from mailnode.node.stored_file import check_stored_path
from mailnode.node.template import Template, has_braces, parse_template

OTHER: Literal["other"] = "other"

S = TypeVar("S")
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
        self._parse = with_ours(parse)
        self._source = source

    def __get_pydantic_core_schema__(self, _: object, __: GetCoreSchemaHandler) -> CoreSchema:
        """Build the schema."""

        def validate(value: object, to_text: Callable[[object], str]) -> object:
            return value if isinstance(value, self._kind) else self._parse(to_text(value))

        serialization = core_schema.plain_serializer_function_ser_schema(self._source)
        return core_schema.no_info_wrap_validator_function(
            validate, core_schema.str_schema(), serialization=serialization
        )


def with_ours(parse: Callable[[S], T]) -> Callable[[S], T]:
    """Let a MailnodeError through pydantic, which adds the key."""

    def parsed(text: S) -> T:
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


def _stored_path(text: str) -> str:
    return check_stored_path(_plain(text))


def _service(text: str) -> Service | Literal["other"]:
    name = _plain(text)
    return OTHER if name.lower() == OTHER else find_service(name)


def _layout(text: str) -> str:
    name = _plain(text)
    if name:
        check_layout_name(name)
    return name


def _recipients(text: str) -> AddressTemplate:
    if not text.strip():
        raise SettingsError("no recipient", code=ErrorCode.MISSING_SETTING, hint="enter at least one address")
    return parse_address_template(text)


def _reverse_path(text: str) -> Template:
    if text.strip() != "<>" and not has_braces(text):
        parse_mailbox(text, by_line=True)
    return parse_template(text)


def _list(text: str) -> Template:
    template = parse_template(text.strip())
    if template.parts and not template.single:
        raise ExpressionError("this is not one expression", hint="name a list: {{ input.files }}")
    return template


def _source_of(parsed: Template | AddressTemplate | HtmlTemplate) -> str:
    return parsed.source


EMPTY = Template(())
NO_ADDRESSES = parse_address_template("")
NO_CONTENT = HtmlTemplate("")

# Names of servers, connections and types: blanks and line ends around them are never meant.
Plain = Annotated[str, AfterValidator(with_ours(_plain))]
Templated = Annotated[Template, Parsed(Template, parse_template, _source_of)]
List = Annotated[Template, Parsed(Template, _list, _source_of)]
ReversePath = Annotated[Template, Parsed(Template, _reverse_path, _source_of)]
Addresses = Annotated[AddressTemplate, Parsed(AddressTemplate, parse_address_template, _source_of)]
Recipients = Annotated[AddressTemplate, Parsed(AddressTemplate, _recipients, _source_of)]
OneMailbox = Annotated[AddressTemplate, Parsed(AddressTemplate, parse_mailbox_template, _source_of)]
Content = Annotated[HtmlTemplate, Parsed(HtmlTemplate, HtmlTemplate, _source_of)]
LayoutName = Annotated[str, AfterValidator(with_ours(_layout))]
EmailService = Annotated[
    Service | Literal["other"],
    Parsed(Service, _service, lambda service: service if isinstance(service, str) else service.name),
]
StoredPath = Annotated[str, AfterValidator(with_ours(_stored_path))]
FieldName = Annotated[str, AfterValidator(with_ours(_field_name))]
