"""What settings are made of: a group of them, and text that is checked as it is read."""

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from mailnode.errors import ExpressionError, MailnodeError
from mailnode.node.template import has_braces, parse_template


class Settings(BaseModel):
    """A group of settings: camelCase keys, nothing unknown, nothing coerced."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=True, str_max_length=50 * 2**20
    )


def checked(check: Callable[[str], object]) -> AfterValidator:
    """Let one of our own errors through pydantic, which adds the place."""

    def validate(value: str) -> str:
        try:
            check(value)
        except MailnodeError as error:
            raise PydanticCustomError("mailnode", "{error}", {"error": error}) from None
        return value

    return AfterValidator(validate)


def check_plain(value: str) -> None:
    """Refuse an expression; ExpressionError."""
    # A stranger's input must never choose the server or the account.
    if has_braces(value):
        raise ExpressionError(
            f"expressions are not allowed here: {value!r}",
            hint="write the value itself; expressions may stand in addresses, subject, content and attachments",
        )


# Names of servers, connections and types: blanks and line ends around them are never meant.
Plain = Annotated[str, AfterValidator(str.strip), checked(check_plain)]
Templated = Annotated[str, checked(parse_template)]
