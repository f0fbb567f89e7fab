"""Messages of other programs, encoded anew for a server that takes less: 7-bit text, a header in ASCII."""

import re
from collections.abc import Sequence
from dataclasses import replace

from mailnode.errors import ComposeError, PartError
from mailnode.message.ascii_header import ascii_header
from mailnode.message.envelope import Message
from mailnode.message.raw_part import clean_message
from mailnode.printable import quoted

SIGNATURES = frozenset({"dkim-signature", "arc-message-signature"})

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*")
_MAILBOX_FILE_LINE = re.compile(rb">?From [^\r]*\r\n")
_ENCODING = "content-transfer-encoding"
_HINT = "give a whole message: header fields, an empty line, then the body"


def in_seven_bits(message: Message) -> Message:
    """Give a message whose 8-bit parts are encoded as Base64, for a server that does not offer 8BITMIME (RFC 6152 3).

    Raises:
        PartError: a signature would break, or the message is not well formed.
    """
    data = message.octets()
    clean = with_seven_bits(data, _unsigned_fields(data, "text", "8BITMIME"))
    return replace(message, size=len(clean), pieces=(clean,))


def in_ascii_header(message: Message) -> Message:
    """Give a message whose header says in encoded-words what is beyond ASCII, for a server without SMTPUTF8.

    Raises:
        PartError: a signature would break; HeaderError, MailboxError: a field can't say it so.
    """
    data = message.octets()
    clean = with_ascii_header(data, _unsigned_fields(data, "header", "SMTPUTF8"))
    return replace(message, size=len(clean), pieces=(clean,))


def _unsigned_fields(data: bytes, what: str, extension: str) -> list[tuple[str, bytes]]:
    fields = header_fields(split(data)[0])
    if not SIGNATURES.isdisjoint(name for name, _ in fields):
        raise PartError(
            f"the message has a DKIM signature, which would break if its 8-bit {what} were encoded",
            hint=f"encode it before it is signed, or use a server that offers {extension}",
        )
    return fields


def with_seven_bits(data: bytes, fields: Sequence[tuple[str, bytes]]) -> bytes:
    """Encode the body; of the header, `fields`, only the one that tells so is another one."""
    head, body = split(clean_message(data))
    encoding = b"".join(field for name, field in header_fields(head) if name == _ENCODING)
    return b"".join(field for name, field in fields if name != _ENCODING) + encoding + b"\r\n" + body


def with_ascii_header(data: bytes, fields: Sequence[tuple[str, bytes]]) -> bytes:
    """Say the header in encoded-words, as `in_ascii_header` does; `fields` are those of `data`."""
    return ascii_header(fields) + b"\r\n" + split(data)[1]


def split(data: bytes) -> tuple[bytes, bytes]:
    """Give the header fields and the body, each with its last CRLF.

    Raises:
        ComposeError: there is a NUL.
    """
    if b"\0" in data:
        raise ComposeError("the message contains a NUL character", hint="encode binary content as Base64")
    if line := _MAILBOX_FILE_LINE.match(data):
        data = data[line.end() :]
    head, _, body = data.partition(b"\r\n\r\n")
    ended = body if not body or body.endswith(b"\r\n") else body + b"\r\n"
    return head if head.endswith(b"\r\n") else head + b"\r\n", ended


def header_fields(head: bytes) -> list[tuple[str, bytes]]:
    """Give the fields of a header, each by its name in lower case.

    Raises:
        ComposeError: a line is none.
    """
    fields, at = list[tuple[str, bytes]](), 0
    while found := _FIELD.match(head, at):
        fields.append((found[1].decode("ascii").lower(), found[0]))
        at = found.end()
    if at < len(head) or not fields:
        line = head[at:].partition(b"\r\n")[0].decode("utf-8", "replace")
        raise ComposeError(f"a line of the message's header is not a header field: {quoted(line)}", hint=_HINT)
    return fields
