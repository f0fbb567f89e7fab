"""Content transfer encodings (RFC 2045 6): whatever goes in, lines of ASCII come out."""

import binascii
import re
from collections.abc import Iterator
from typing import BinaryIO, Literal, Protocol

import pybase64

from mailnode.errors import PartError

TransferEncoding = Literal["7bit", "quoted-printable", "base64"]

MAX_TEXT_LINE = 78
_LINE_OCTETS = 57  # 76 characters of Base64
_BLOCK_OCTETS = _LINE_OCTETS * 1024

_LINE_BREAK = re.compile(rb"\r\n|\r|\n")
_UNFIT_FOR_7BIT = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\xff]|[^\r\n]{%d}|=_" % (MAX_TEXT_LINE + 1))
_ASCII = bytes(range(128))


class Octets(Protocol):
    """Octets of a known number that can be given again and again, in blocks."""

    @property
    def size(self) -> int: ...
    def blocks(self) -> Iterator[bytes]: ...


def crlf(octets: bytes) -> bytes:
    """Make every line break CRLF, so that nothing can be taken for the end of content (RFC 5321 2.3.8)."""
    if b"\r" not in octets:
        return octets.replace(b"\n", b"\r\n")
    return _LINE_BREAK.sub(b"\r\n", octets)


def encode_text(text: str) -> tuple[TransferEncoding, bytes]:
    """Encode a text as UTF-8 by the encoding that suits it; it ends with a line break.

    Plain short lines stay as they are, unless they hold what begins our boundaries.

    Raises:
        PartError: the text holds half of a surrogate pair.
    """
    try:
        octets = crlf(text.encode())
    except UnicodeEncodeError:
        raise PartError(
            "the text holds half a character", phase="settings", hint="cut texts at whole characters"
        ) from None
    if not octets.endswith(b"\r\n"):
        octets += b"\r\n"
    if not _UNFIT_FOR_7BIT.search(octets):
        return "7bit", octets
    beyond_ascii = len(octets.translate(None, _ASCII))
    if 6 * beyond_ascii > len(octets):
        return "base64", encode_base64(octets)
    return "quoted-printable", binascii.b2a_qp(octets, istext=True)


def encode_base64(octets: bytes) -> bytes:
    """Encode octets in lines of 76 characters."""
    return pybase64.encodebytes(octets).replace(b"\n", b"\r\n")


class Base64Octets:
    """Base64 of octets or of a seekable file, made while it is read: neither is ever in memory twice."""

    def __init__(self, source: bytes | BinaryIO) -> None:
        """Measure the source; a file is measured and read from its beginning."""
        self._source = source
        octets = len(source) if isinstance(source, bytes) else source.seek(0, 2)
        lines, rest = divmod(octets, _LINE_OCTETS)
        self.size = lines * 78 + ((rest + 2) // 3 * 4 + 2 if rest else 0)

    def blocks(self) -> Iterator[bytes]:
        """Give the encoded octets, about 80 kB at a time."""
        source = self._source
        if isinstance(source, bytes):
            for start in range(0, len(source), _BLOCK_OCTETS):
                yield encode_base64(source[start : start + _BLOCK_OCTETS])
            return
        position = 0
        while True:
            # Others may read the same file in between.
            source.seek(position)
            block = source.read(_BLOCK_OCTETS)
            if not block:
                return
            position += len(block)
            yield encode_base64(block)
