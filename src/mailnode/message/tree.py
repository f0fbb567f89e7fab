"""How body parts stand together (RFC 2046, RFC 2387): each with its header fields, its bytes and its view."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

from mailnode.errors import ErrorCode, PartError
from mailnode.message.encoding import ByteStream
from mailnode.printable import quoted

_CID = re.compile(r"[!-;=?-~]{1,200}")


class Part(NamedTuple):
    """A body part as a preview shows it; `size` is its encoded bytes."""

    media_type: str
    encoding: str = ""
    size: int = 0
    filename: str = ""
    cid: str = ""
    disposition: str = ""
    parts: tuple["Part", ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give it as previews show it."""
        return {
            "mediaType": self.media_type,
            "encoding": self.encoding,
            "size": self.size,
            "filename": self.filename,
            "cid": self.cid,
            "disposition": self.disposition,
            "parts": [inner.to_json() for inner in self.parts],
        }


class BuiltPart(NamedTuple):
    """A part ready to be written: its header fields (CRLF at the end), its encoded body in pieces, its view.

    `warnings` say what could not stay as it came.
    """

    head: bytes
    body: tuple[bytes | ByteStream, ...]
    view: Part
    warnings: tuple[str, ...] = ()

    def in_memory(self) -> Iterator[bytes]:
        """Give those pieces of the body that are not made while they are sent."""
        return (piece for piece in self.body if isinstance(piece, bytes))


def multipart(
    subtype: Literal["mixed", "alternative", "related"], boundary: str, parts: Sequence[BuiltPart]
) -> BuiltPart:
    """Put parts together; a related one says what its root is (RFC 2387 3.1)."""
    kind = '; type="text/html"' if subtype == "related" else ""
    head = f'Content-Type: multipart/{subtype}{kind};\r\n boundary="{boundary}"\r\n'.encode()
    delimiter = f"--{boundary}\r\n".encode()
    body: list[bytes | ByteStream] = []
    for part in parts:
        body += [delimiter, part.head, b"\r\n", *part.body]
        if part.view.encoding != "base64":
            # The line break before a delimiter belongs to it (RFC 2046 5.1.1), the one that ends a text to the text.
            body.append(b"\r\n")
    body.append(f"--{boundary}--\r\n".encode())
    view = Part(f"multipart/{subtype}", parts=tuple([part.view for part in parts]))
    return BuiltPart(head, tuple(body), view, tuple([warning for part in parts for warning in part.warnings]))


def joined(pieces: Iterable[bytes | ByteStream]) -> Iterator[bytes | ByteStream]:
    """Join neighbouring bytes, so that what is in memory goes out in one block."""
    gathered: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            gathered.append(piece)
        else:
            yield b"".join(gathered)
            yield piece
            gathered.clear()
    if gathered:
        yield b"".join(gathered)


def checked_cid(cid: str) -> str:
    """Refuse a Content-ID that could leave its angle brackets.

    Raises:
        PartError: it holds a blank, an angle bracket or a control character.
    """
    if not _CID.fullmatch(cid):
        raise PartError(
            f"{quoted(cid)} can't be a cid", code=ErrorCode.BAD_HEADER, hint="use letters, digits, dots and hyphens"
        )
    return cid
