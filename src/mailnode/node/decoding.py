"""How files arrive encoded: Base64 (RFC 4648), data URLs (RFC 2397) and HTTP's content codings (RFC 9110 8.4.1)."""

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote_to_bytes

from mailnode.errors import AttachmentError, ErrorCode
from mailnode.message.media_type import OCTET_STREAM
from mailnode.node.filename import is_media_type, served_media_type
from mailnode.node.spool import check_size
from mailnode.printable import quoted

NAME = "data URL"

_BASE64 = re.compile(r"\s*;\s*base64\s*", re.IGNORECASE)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

_WHITE_SPACE = re.compile(r"[ \t\r\n]+")
_STRANGER = re.compile(r"[^A-Za-z0-9+/_= \t\r\n-]")
_CONTENT = re.compile(r"[^= \t\r\n]")
_OF_URLS = str.maketrans("-_", "+/")

STEP_BYTES = 64 * 1024

# zlib's word for "zlib or gzip, see the header".
_EITHER_HEADER = zlib.MAX_WBITS | 32
_INFLATED = frozenset({"gzip", "x-gzip", "deflate"})
# IANA's registry, and what browsers ask for; another word changes nothing.
_KNOWN = _INFLATED | {"aes128gcm", "br", "compress", "dcb", "dcz", "exi", "pack200-gzip", "x-compress", "zstd"}


@dataclass(frozen=True, slots=True)
class DataUrl:
    """What a data URL holds, and as what: a media type with its parameters."""

    content: bytes
    media_type: str


def is_data_url(url: str) -> bool:
    """Say whether a URL carries its own content."""
    return url.lstrip()[:5].lower() == "data:"


def names_media_type(url: str) -> bool:
    """Say whether a data URL says what it holds."""
    return url.lstrip()[len("data:") :].lstrip()[:1] not in {"", ",", ";"}


def read_data_url(url: str, *, limit: int) -> DataUrl:
    """Decode a data URL of at most `limit` bytes.

    Raises:
        AttachmentError: badDataUrl, badBase64 or attachmentTooLarge.
    """
    head, comma, data = url.strip()[len("data:") :].partition(",")
    if not comma:
        raise _bad_url("it has no comma", "write data:TYPE;base64,DATA or data:TYPE,TEXT")
    media_type, is_base64 = _read_head(head)
    # A percent escape takes three characters for a byte.
    check_size(NAME, len(data) // 3, limit)
    content = _unescape(data)
    if is_base64:
        content = decode_base64(content.decode("latin-1"), name=NAME, limit=limit)
    check_size(NAME, len(content), limit)
    # RFC 2397 2 means ASCII where no type is named; a text typed with umlauts is UTF-8 by the time it is here.
    return DataUrl(content, media_type or f"text/plain;charset={'us-ascii' if content.isascii() else 'utf-8'}")


def _read_head(head: str) -> tuple[str, bool]:
    media_type, mark, after = head.rpartition(";")
    is_base64 = _BASE64.fullmatch(mark + after) is not None
    media_type = (media_type if is_base64 else head).strip()
    if media_type.startswith(";"):
        media_type = f"text/plain{media_type}"
    if media_type and not is_media_type(media_type):
        if "base64" in media_type.lower() and not is_base64:
            raise _bad_url(
                f"{quoted(media_type)} is not a media type",
                "write data:TYPE;base64,DATA, such as data:image/png;base64,",
            )
        media_type = served_media_type(media_type) or OCTET_STREAM
    return media_type, is_base64


def _unescape(data: str) -> bytes:
    if "#" in data:
        # Browsers take the rest for a fragment and drop it.
        raise _bad_url(f"its data has a # at character {data.index('#') + 1}", "write %23 for #")
    if bad := _BAD_ESCAPE.search(data):
        raise _bad_url(
            f"the % at character {bad.start() + 1} of its data starts no escape", "write %25 for a percent sign"
        )
    try:
        return unquote_to_bytes(data)
    except UnicodeEncodeError:
        raise _bad_url("it contains half of a surrogate pair", "percent-encode the bytes of its UTF-8") from None


def _bad_url(what: str, hint: str) -> AttachmentError:
    return AttachmentError(f"the data URL can't be read: {what}", code=ErrorCode.BAD_DATA_URL, hint=hint)


def decode_base64(text: str, *, name: str, limit: int) -> bytes:
    """Decode Base64 of at most `limit` bytes; `name` stands in the error of the limit.

    Raises:
        AttachmentError: badBase64, with the position (counted from 1) of what is wrong; attachmentTooLarge.
    """
    if stranger := _STRANGER.search(text):
        raise _bad_base64(
            f"{stranger[0]!r} at character {stranger.start() + 1} is not Base64", "give only the Base64 text"
        )
    padding_at = text.find("=")
    if padding_at >= 0 and (after := _CONTENT.search(text, padding_at)):
        raise _bad_base64(
            f"there is more after the padding, at character {after.start() + 1}", "join the files before encoding them"
        )
    bare = _WHITE_SPACE.sub("", text)
    if "-" in bare or "_" in bare:
        bare = _standard(bare)
    unpadded = bare.rstrip("=")
    _check_end(text, len(unpadded), len(bare) - len(unpadded))
    check_size(name, len(unpadded) * 3 // 4, limit)

    import pybase64

    return pybase64.b64decode(unpadded + "=" * (-len(unpadded) % 4))


def _standard(bare: str) -> str:
    """Turn the alphabet for URLs into the standard one; a text that holds signs of both has been damaged."""
    if "+" in bare or "/" in bare:
        raise _bad_base64("it mixes the alphabet with + and / and the one with - and _", "encode the whole file again")
    return bare.translate(_OF_URLS)


def _check_end(text: str, digits: int, padding: int) -> None:
    end = len(text.rstrip())
    wanted = -digits % 4
    if wanted == 3:  # noqa: PLR2004 -- one digit holds six of a byte's eight bits
        raise _bad_base64(f"it ends in the middle of a byte, at character {end}", "check that nothing was cut off")
    if padding not in {0, wanted}:
        raise _bad_base64(
            f"it ends at character {end} with {padding} padding signs instead of {wanted}",
            "end it with that many = signs, or with none",
        )


def _bad_base64(what: str, hint: str) -> AttachmentError:
    return AttachmentError(f"the Base64 text can't be read: {what}", code=ErrorCode.BAD_BASE64, hint=hint)


class Decoder(Protocol):
    """Decodes a content coding."""

    def decoded(self, chunk: bytes) -> Iterator[bytes]:
        """Decode a chunk, a step at a time, so that a bomb is noticed before it is large."""
        ...

    def end(self) -> None:
        """Check that the content has come to its end."""
        ...


def codings_of(header: str) -> tuple[str, ...]:
    """Read Content-Encoding: the codings that change something. Servers say other words there, such as a charset's."""
    return tuple(word for one in header.split(",") if (word := one.strip().lower()) in _KNOWN)


def decoder_of(codings: Sequence[str], name: str) -> Decoder:
    """Find the decoder of a content; what we can't undo is an AttachmentError. `name` stands in its errors."""
    if not codings:
        return _IdentityDecoder()
    if len(codings) == 1 and codings[0] in _INFLATED:
        return _InflateDecoder(name)
    raise AttachmentError(
        f"the server sends {name} with the content coding {quoted(', '.join(codings))}, which was not requested",
        hint="have the server send it without compression",
    )


class _IdentityDecoder:
    def decoded(self, chunk: bytes) -> Iterator[bytes]:
        yield chunk

    def end(self) -> None:
        """Do nothing: HTTP itself tells the end."""


class _InflateDecoder:
    def __init__(self, name: str) -> None:
        self._name = name
        self._stream = zlib.decompressobj(_EITHER_HEADER)

    def decoded(self, chunk: bytes) -> Iterator[bytes]:
        try:
            while chunk:
                if self._stream.eof:
                    # RFC 1952 2.2: a gzip file is one member after another.
                    self._stream = zlib.decompressobj(_EITHER_HEADER)
                yield self._stream.decompress(chunk, STEP_BYTES)
                chunk = self._stream.unconsumed_tail or self._stream.unused_data
        except zlib.error:
            raise self._broken() from None

    def end(self) -> None:
        if not self._stream.eof:
            raise self._broken()

    def _broken(self) -> AttachmentError:
        return AttachmentError(
            f"the server sends {self._name} compressed, and the compressed data is broken",
            hint="have the server send it without compression",
            transient=True,
        )
