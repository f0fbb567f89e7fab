"""Body parts and the multiparts they stand in (RFC 2045, 2046, 2183, 2387)."""

import mimetypes
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Literal

from mailnode.errors import ErrorCode, PartError
from mailnode.message.email import Attachment
from mailnode.message.encoding import Base64Octets, Octets, TransferEncoding, encode_base64, encode_text
from mailnode.message.header import parameter

# Larger contents are encoded while they are sent.
STREAMED_OCTETS = 64 * 1024

_MEDIA_TYPE = re.compile(
    r"([A-Za-z0-9!#$&^_.+-]{1,64})/([A-Za-z0-9!#$&^_.+-]{1,64})"
    r'(?:\s*;\s*[A-Za-z0-9!#$%&\'*+.^_`{|}~-]+=(?:[A-Za-z0-9!#$%&\'*+.^_`{|}~-]+|"(?:[^"\\\x00-\x1f\x7f]|\\[ -~])*"))*'
)
_CID = re.compile(r"[!-;=?-~]{1,200}")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Part:
    """A body part as a preview shows it; `size` is its encoded octets."""

    media_type: str
    encoding: str = ""
    size: int = 0
    filename: str = ""
    cid: str = ""
    disposition: str = ""
    parts: tuple["Part", ...] = ()


@dataclass(frozen=True, slots=True)
class Built:
    """A part ready to be written: its header fields (CRLF at the end), its encoded body in pieces, its view."""

    head: bytes
    body: tuple[bytes | Octets, ...]
    view: Part


def text_part(subtype: Literal["plain", "html"], text: str) -> Built:
    """Build a text in UTF-8.

    Raises:
        PartError: the text can't be encoded.
    """
    encoding, octets = encode_text(text)
    head = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n".encode()
    return Built(head, (octets,), Part(f"text/{subtype}", encoding, len(octets)))


def attachment_part(attachment: Attachment, *, inline: bool) -> Built:
    """Build a file; its octets come out of it as they went in.

    Raises:
        PartError: its media type or cid is none.
        HeaderError: its name holds a control character.
    """
    filename = re.split(r"[\\/]", attachment.filename)[-1]
    media_type = _media_type(attachment, filename)
    disposition = "inline" if inline else "attachment"
    encoding, body = _encoded(media_type, attachment)
    head = f"Content-Type: {media_type}\r\nContent-Transfer-Encoding: {encoding}\r\nContent-Disposition: {disposition}"
    if filename:
        head += parameter("filename", filename)
    if attachment.cid:
        head += f"\r\nContent-ID: <{checked_cid(attachment.cid)}>"
    size = len(body) if isinstance(body, bytes) else body.size
    view = Part(media_type.partition(";")[0], encoding, size, filename, attachment.cid, disposition)
    return Built(head.encode() + b"\r\n", (body,), view)


def multipart(subtype: Literal["mixed", "alternative", "related"], boundary: str, parts: Sequence[Built]) -> Built:
    """Put parts together; a related one says what its root is (RFC 2387 3.1)."""
    kind = '; type="text/html"' if subtype == "related" else ""
    head = f'Content-Type: multipart/{subtype}{kind};\r\n boundary="{boundary}"\r\n'.encode()
    delimiter = f"--{boundary}\r\n".encode()
    body: list[bytes | Octets] = []
    for part in parts:
        body += [delimiter, part.head, b"\r\n", *part.body]
        if part.view.encoding != "base64":
            # The line break before a delimiter belongs to it (RFC 2046 5.1.1), the one that ends a text to the text.
            body.append(b"\r\n")
    body.append(f"--{boundary}--\r\n".encode())
    view = Part(f"multipart/{subtype}", parts=tuple(part.view for part in parts))
    return Built(head, tuple(body), view)


def joined(pieces: Iterable[bytes | Octets]) -> Iterator[bytes | Octets]:
    """Join neighbouring octets, so that what is in memory goes out in one block."""
    gathered: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            gathered.append(piece)
        else:
            yield b"".join(gathered)
            yield piece
            gathered.clear()
    yield b"".join(gathered)


def checked_cid(cid: str) -> str:
    """Refuse a Content-ID that could leave its angle brackets.

    Raises:
        PartError: it holds a blank, an angle bracket or a control character.
    """
    if not _CID.fullmatch(cid):
        raise PartError(
            f"{cid[:_SHOWN]!r} can't be a cid", code=ErrorCode.BAD_HEADER, hint="use letters, digits, dots and hyphens"
        )
    return cid


def _media_type(attachment: Attachment, filename: str) -> str:
    media_type = attachment.content_type or mimetypes.guess_type(filename)[0] or ""
    if not media_type:
        return "text/plain; charset=utf-8" if isinstance(attachment.content, str) else "application/octet-stream"
    found = _MEDIA_TYPE.fullmatch(media_type)
    if not found or not media_type.isascii() or found[1].lower() == "multipart":
        raise PartError(
            f"{media_type[:_SHOWN]!r} is no media type of a file",
            code=ErrorCode.BAD_SETTING,
            hint="write one like application/pdf or text/csv; charset=utf-8",
        )
    return media_type


def _encoded(media_type: str, attachment: Attachment) -> tuple[TransferEncoding, bytes | Octets]:
    content = attachment.content
    if isinstance(content, str):
        content = content.encode("utf-8", "replace")
    if media_type.lower().startswith("message/rfc822"):
        from mailnode.message.raw_part import clean_message

        return "7bit", clean_message(content if isinstance(content, bytes) else _read(content))
    if isinstance(content, bytes) and len(content) <= STREAMED_OCTETS:
        return "base64", encode_base64(content)
    return "base64", Base64Octets(content)


def _read(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()
