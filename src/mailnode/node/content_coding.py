"""Content codings (RFC 9110 8.4.1) of servers that encode though asked not to: undone in small, countable steps."""

import zlib
from collections.abc import Iterator, Sequence
from typing import Protocol

from mailnode.errors import AttachmentError
from mailnode.printable import quoted

STEP_OCTETS = 64 * 1024

# zlib's word for "zlib or gzip, see the header".
_EITHER_HEADER = zlib.MAX_WBITS | 32


_INFLATED = frozenset({"gzip", "x-gzip", "deflate"})
# IANA's registry, and what browsers ask for; another word changes nothing.
_KNOWN = _INFLATED | {"aes128gcm", "br", "compress", "dcb", "dcz", "exi", "pack200-gzip", "x-compress", "zstd"}


class Decoder(Protocol):
    """Undoes a content coding."""

    def octets(self, chunk: bytes) -> Iterator[bytes]:
        """Decode a chunk, a step at a time, so that a bomb is noticed before it is large."""
        ...

    def end(self) -> None:
        """Check that the content has come to its end."""
        ...


def codings_of(said: str) -> tuple[str, ...]:
    """Read Content-Encoding: the codings that change something. Servers say other words there, such as a charset's."""
    return tuple(word for one in said.split(",") if (word := one.strip().lower()) in _KNOWN)


def decoder_of(codings: Sequence[str], name: str) -> Decoder:
    """Find the decoder of a content; what we can't undo is an AttachmentError. `name` stands in its errors."""
    if not codings:
        return _Identity()
    if len(codings) == 1 and codings[0] in _INFLATED:
        return _Inflate(name)
    raise AttachmentError(
        f"the server sends {name} in the coding {quoted(', '.join(codings))}, which was not asked for",
        hint="let the server send it as it is",
    )


class _Identity:
    def octets(self, chunk: bytes) -> Iterator[bytes]:
        yield chunk

    def end(self) -> None:
        """Do nothing: HTTP itself tells the end."""


class _Inflate:
    def __init__(self, name: str) -> None:
        self._name = name
        self._stream = zlib.decompressobj(_EITHER_HEADER)

    def octets(self, chunk: bytes) -> Iterator[bytes]:
        try:
            while chunk:
                if self._stream.eof:
                    # RFC 1952 2.2: a gzip file is one member after another.
                    self._stream = zlib.decompressobj(_EITHER_HEADER)
                yield self._stream.decompress(chunk, STEP_OCTETS)
                chunk = self._stream.unconsumed_tail or self._stream.unused_data
        except zlib.error:
            raise self._broken() from None

    def end(self) -> None:
        if not self._stream.eof:
            raise self._broken()

    def _broken(self) -> AttachmentError:
        return AttachmentError(
            f"the server sends {self._name} compressed, and what it sends is broken",
            hint="let the server send it as it is",
            transient=True,
        )
