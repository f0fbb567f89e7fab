"""Body parts: texts and files (RFC 2045, RFC 2183)."""

import re
from functools import cache
from typing import BinaryIO, Literal, NamedTuple

from mailnode.errors import PartError
from mailnode.message.email import Attachment
from mailnode.message.encoding import (
    Base64Stream,
    ByteStream,
    TransferEncoding,
    encode_base64,
    encode_in,
    encode_text,
    read_file,
)
from mailnode.message.media_type import OCTET_STREAM, Parameters, by_filename, parse_media_type
from mailnode.message.parameter import content_disposition, content_type, without_turning
from mailnode.message.raw_part import clean_message
from mailnode.message.tree import BuiltPart, Part, checked_cid
from mailnode.printable import quoted

# Larger contents are encoded while they are sent.
STREAMED_BYTES = 64 * 1024


class _EncodedFile(NamedTuple):
    media_type: str
    parameters: Parameters
    encoding: TransferEncoding
    body: bytes | ByteStream
    warnings: tuple[str, ...] = ()


def text_part(subtype: Literal["plain", "html"], text: str) -> BuiltPart:
    """Build a text in UTF-8.

    Raises:
        PartError: the text can't be encoded.
    """
    encoding, data = encode_text(text)
    return BuiltPart(_text_head(subtype, encoding), (data,), Part(f"text/{subtype}", encoding, len(data)))


@cache  # six at the most
def _text_head(subtype: str, encoding: TransferEncoding) -> bytes:
    return f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n".encode()


def calendar_part(calendar: bytes, method: str) -> BuiltPart:
    """Build the part that mail programs show as an invitation (RFC 6047 2.4)."""
    encoding, data = encode_text(calendar.decode())
    kind = f"Content-Type: text/calendar; charset=utf-8; method={method.upper()}\r\n"
    head = f"{kind}Content-Transfer-Encoding: {encoding}\r\n".encode("ascii")
    return BuiltPart(head, (data,), Part("text/calendar", encoding, len(data)))


def attachment_part(attachment: Attachment, *, inline: bool) -> BuiltPart:
    """Build the part of an attached file, whose bytes a receiver decodes unchanged.

    Raises:
        PartError: its media type or cid is invalid, or its text can't be encoded.
        HeaderError: its name contains a control character.
    """
    named = without_turning(attachment.filename)
    filename = base_name(named)
    media_type, parameters, encoding, body, warnings = _encoded(*_typed(attachment, filename))
    if named != attachment.filename:
        warnings += (f"left out of {filename!r}: invisible characters that change the writing direction",)
    disposition = "inline" if inline else "attachment"
    head = content_type(media_type, parameters, filename)
    head += f"Content-Transfer-Encoding: {encoding}\r\n".encode("ascii")
    head += content_disposition(disposition, filename)
    if attachment.cid:
        head += f"Content-ID: <{checked_cid(attachment.cid)}>\r\n".encode("ascii")
    size = len(body) if isinstance(body, bytes) else body.size
    return BuiltPart(head, (body,), Part(media_type, encoding, size, filename, attachment.cid, disposition), warnings)


def base_name(path: str) -> str:
    """Give a file name without its folders; "" if it consists of dots."""
    name = re.split(r"[\\/]", path)[-1].strip()
    return name if name.strip(".") else ""


def _typed(attachment: Attachment, filename: str) -> tuple[str, Parameters, bytes | BinaryIO]:
    """Give the media type, its parameters and the bytes; a text is encoded by the charset that is declared."""
    content = attachment.content
    declared = attachment.content_type.strip() or by_filename(filename)
    if not isinstance(content, str):
        return *parse_media_type(declared or OCTET_STREAM), content
    media_type, parameters = parse_media_type(declared or "text/plain")
    charset = dict(parameters).get("charset", "")
    if not charset and media_type.lower().startswith("text/"):
        parameters.append(("charset", "utf-8"))
    try:
        return media_type, parameters, encode_in(charset or "utf-8", content)
    except (LookupError, UnicodeError):
        raise PartError(
            f"the text of {quoted(filename)} can't be written in {quoted(charset or 'utf-8')}",
            hint="use the charset utf-8, and don't cut a character in half",
        ) from None


def _encoded(media_type: str, parameters: Parameters, content: bytes | BinaryIO) -> _EncodedFile:
    """Encode a file; a message is embedded as one where it can be, else it stays a file."""
    # RFC 2045 6.4: a message is not encoded; but RFC 6532 3.7 lets those of message/global be.
    kind = media_type.lower()
    if not kind.startswith("message/") or kind.startswith("message/global"):
        return _EncodedFile(media_type, parameters, "base64", _base64(content))
    message = content if isinstance(content, bytes) else read_file(content)
    try:
        return _EncodedFile(media_type, parameters, "7bit", clean_message(message))
    except PartError as error:
        warning = f"attached unchanged as a file ({OCTET_STREAM}), not as a message ({kind}), because {error.message}"
        return _EncodedFile(OCTET_STREAM, [], "base64", _base64(message), (warning,))


def _base64(content: bytes | BinaryIO) -> bytes | ByteStream:
    if isinstance(content, bytes) and len(content) <= STREAMED_BYTES:
        return encode_base64(content)
    return Base64Stream(content)
