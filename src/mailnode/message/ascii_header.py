"""Header fields that a program has written in raw bytes beyond ASCII, said in encoded-words (RFC 2047)."""

from collections.abc import Sequence

from mailnode.errors import HeaderError, MailboxError
from mailnode.message.header import address_field, own_field
from mailnode.message.mailbox import parse_addresses

_OF_ADDRESSES = frozenset({"from", "to", "cc", "reply-to"})


def ascii_header(fields: Sequence[tuple[str, bytes]]) -> bytes:
    """Give a header whose fields, each by its name in lower case, say the same in ASCII; what is ASCII stays as it is.

    Raises:
        MailboxError: an address is beyond ASCII, or no address; HeaderError: the field is one for programs.
    """
    return b"".join(field if field.isascii() else _in_ascii(name, field) for name, field in fields)


def _in_ascii(name: str, field: bytes) -> bytes:
    if name.startswith(("content-", "mime-")):
        raise HeaderError(
            f"the header field {name} is not in ASCII", hint="encode what is beyond ASCII in it, as RFC 2231 says"
        )
    written, _, given = field.partition(b":")
    value = " ".join(_text(given).split())
    shown = written.decode().strip()
    made = address_field(shown, parse_addresses(value)) if name in _OF_ADDRESSES else own_field(shown, value)
    if not made.isascii():
        raise MailboxError(
            f"the header field {name} has an address with non-ASCII characters before the @",
            hint="use the ASCII address of this mailbox, or a server that offers SMTPUTF8",
        )
    return made


def _text(given: bytes) -> str:
    try:
        return given.decode()
    except UnicodeDecodeError:
        return given.decode("latin-1")  # what programs write that know no UTF-8
