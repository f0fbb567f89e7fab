"""Messages of the standard library as bytes, and the addresses of their fields as it reads them."""

from collections.abc import Sequence
from contextlib import suppress
from email.utils import getaddresses
from typing import TYPE_CHECKING, Any

from mailnode.errors import ComposeError

if TYPE_CHECKING:
    from email.message import Message as StandardMessage

_ADDRESSED = ("sender", "from", "to", "cc", "bcc")


def addresses_in(values: Sequence[str]) -> list[str]:
    """Give the addresses in fields; none where comments stand too deep within comments to be read."""
    if not values:
        return []
    with suppress(RecursionError):
        return [address for _, address in getaddresses(values) if address]
    return []


def bytes_of(message: "StandardMessage[Any, Any]") -> bytes:
    """Write a message of the standard library as `smtplib` does, with addresses beyond ASCII as they are (RFC 6532)."""
    from email.generator import BytesGenerator
    from io import BytesIO

    written = BytesIO()
    addressed = [str(value) for name in _ADDRESSED for value in message.get_all(name, ())]
    is_foreign = any(not address.isascii() for address in addresses_in(addressed))
    policy = message.policy.clone(linesep="\r\n")
    try:
        if is_foreign:
            policy = policy.clone(utf8=True)  # type: ignore[call-arg]  # typeshed does not know it
        BytesGenerator(written, mangle_from_=False, policy=policy).flatten(message)
    except (UnicodeError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise ComposeError(f"the EmailMessage can't be written: {error}", hint="check its fields and parts") from None
    return written.getvalue()
