"""A received email, parsed for people: its header fields, its parts, and its readable text.

The email is not trusted: malformed parts are shown as they are.
"""

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from functools import cached_property

from mailnode.message.media_type import OCTET_STREAM
from mailnode.message.parsed import parse, readable

# RFC 6838 4.2, which allows less than RFC 2045 5.1: no quote, bracket or backslash of any kind.
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")

MAX_DEPTH = 20
MAX_PARTS = 1_000
# A document with its images is made for each view.
MAX_IMAGES_OCTETS = 20 * 2**20


@dataclass(frozen=True, slots=True)
class OpenedPart:
    """A body part; `number` is its place (`1.2`), `size` is in octets, decoded, and for a multipart that of its parts.

    `octets` is b"" for a multipart.
    """

    number: str
    media_type: str
    encoding: str
    charset: str
    size: int
    filename: str
    cid: str
    disposition: str
    octets: bytes
    parts: tuple["OpenedPart", ...] = ()

    def walk(self) -> Iterator["OpenedPart"]:
        """Give the part and all parts in it, in their order."""
        yield self
        for part in self.parts:
            yield from part.walk()

    @property
    def is_attached(self) -> bool:
        """Whether it is an attached file."""
        return self.disposition == "attachment" or bool(self.filename)

    def text(self) -> str:
        """Decode its bytes as text."""
        try:
            return self.octets.decode(self.charset or "utf-8", "replace")
        except (LookupError, ValueError):  # an unknown charset, or a codec that is not for text
            return self.octets.decode("utf-8", "replace")


class OpenedMail:
    """A mail of these octets."""

    def __init__(self, octets: bytes) -> None:
        """Read it."""
        try:
            self._message = parse(octets)
        except RecursionError:
            self._message = parse(octets, header_only=True)
        self.fields = [(name, readable(_text(str(value)))) for name, value in self._message.raw_items()]

    @cached_property
    def root(self) -> OpenedPart:
        """The tree of parts."""
        return _opened(self._message, "1", 0, iter(range(1, MAX_PARTS)))

    @cached_property
    def text(self) -> str | None:
        """The first plain text that is not attached; None if there is none."""
        return self._first("text/plain")

    @cached_property
    def html(self) -> str | None:
        """The first HTML that is not attached; None if there is none."""
        return self._first("text/html")

    @cached_property
    def calendar(self) -> str | None:
        """The first calendar object beside its texts, or else attached; None if there is none."""
        parts = [part for part in self.root.walk() if part.media_type in {"text/calendar", "application/ics"}]
        shown = sorted(parts, key=lambda part: part.is_attached)
        return shown[0].text() if shown else None

    def part(self, number: str) -> OpenedPart | None:
        """Give a part by its number; None if there is none."""
        return next((part for part in self.root.walk() if part.number == number), None)

    def images(self) -> dict[str, str]:
        """Give the images that have a content-id as `data:` URLs, up to a sum of 20 MB."""
        left = MAX_IMAGES_OCTETS
        found: dict[str, str] = {}
        for part in self.root.walk():
            if part.cid and part.media_type.startswith("image/") and part.cid not in found and part.size <= left:
                left -= part.size
                found[part.cid] = f"data:{part.media_type};base64,{base64.b64encode(part.octets).decode('ascii')}"
        return found

    def _first(self, media_type: str) -> str | None:
        parts = (part for part in self.root.walk() if part.media_type == media_type and not part.is_attached)
        return next((part.text() for part in parts), None)


def _opened(message: "Message[str, str]", number: str, depth: int, left: Iterator[int]) -> OpenedPart:
    inner = message.get_payload() if message.is_multipart() and depth < MAX_DEPTH else []
    parts = tuple(
        _opened(one, f"{number}.{place}", depth + 1, left)
        for place, one in enumerate(inner, 1)
        if isinstance(one, Message) and next(left, 0)
    )
    octets = b"" if parts else _octets(message)
    return OpenedPart(
        number=number,
        media_type=_media_type(message.get_content_type()),
        encoding="" if parts else _text(str(message.get("Content-Transfer-Encoding", "7bit")).strip().lower()),
        charset=_said(message.get_content_charset),
        size=sum(part.size for part in parts) if parts else len(octets),
        filename=readable(_said(message.get_filename)),
        cid=_text(str(message.get("Content-ID", "")).strip().strip("<>")),
        disposition=_said(message.get_content_disposition),
        octets=octets,
        parts=parts,
    )


def _media_type(said: str) -> str:
    """Give a valid media type: anything else becomes application/octet-stream."""
    return said if _MEDIA_TYPE.fullmatch(said) else OCTET_STREAM


def _octets(message: "Message[str, str]") -> bytes:
    with suppress(ValueError, LookupError, RecursionError):
        octets = message.get_payload(decode=True)
        return octets if isinstance(octets, bytes) else message.as_bytes()
    return b""


def _said(read: Callable[[], str | None]) -> str:
    """Read a parameter of a header field; "" if it is malformed."""
    with suppress(ValueError, LookupError, TypeError):
        return _text(read() or "")
    return ""


def _text(value: str) -> str:
    """Decode the non-ASCII bytes that the parser has escaped, as UTF-8 (RFC 6532)."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
