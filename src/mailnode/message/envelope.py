"""A composed message and its envelope: sender and recipients as servers see them (RFC 5321 2.3.1)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from mailnode.message.encoding import ByteStream
from mailnode.message.tree import Part

Field = Literal["to", "cc", "bcc"]
_UNKNOWN = Part("message/rfc822")


@dataclass(frozen=True, slots=True)
class Envelope:
    """The reverse-path, None for `<>`, and the forward-paths, at least one and no two of them equal."""

    reverse_path: str | None
    forward_paths: tuple[str, ...]

    @property
    def needs_smtputf8(self) -> bool:
        """Whether an address is beyond ASCII, so that the server must offer SMTPUTF8 (RFC 6531)."""
        return not "".join((self.reverse_path or "", *self.forward_paths)).isascii()


@dataclass(frozen=True, slots=True)
class Message:
    """A composed message that can be sent.

    `fields` says in which header field each forward-path of the envelope stands. `size` is the number of bytes that
    `blocks` gives: the same ones whenever it is called, every line of them ended by CRLF and at most 998 long, unless
    another program has made it. A small message is one block. `root` is its outermost body part as previews show it; of
    a message read back from the database no more is known than that it is one. `calendar` is the
    invitation in it (RFC 5545), b"" for none. `warnings` say what of other people's data was left out.
    """

    envelope: Envelope
    fields: Mapping[str, Field]
    message_id: str
    size: int
    pieces: tuple[bytes | ByteStream, ...]
    root: Part = _UNKNOWN
    warnings: tuple[str, ...] = ()
    calendar: bytes = b""

    @property
    def is_ascii(self) -> bool:
        """Whether any server can be given it; what is encoded while it is sent is Base64."""
        return all(piece.isascii() for piece in self.pieces if isinstance(piece, bytes))

    def blocks(self) -> Iterator[bytes]:
        """Give the bytes, before dots are doubled."""
        return blocks_of(self.pieces)

    def octets(self) -> bytes:
        """Give the whole message."""
        return b"".join(self.blocks())

    @property
    def header_fields(self) -> tuple[tuple[str, str], ...]:
        """The header fields as a person reads them: unfolded, encoded-words decoded."""
        from email.policy import default

        from mailnode.message.parsed import parse, readable

        def text_of(name: str, value: str) -> str:
            # A ready-made part's own are of any length, and that policy takes quadratic time for parameters.
            is_of_part = name.lower().startswith("content-")
            return readable(value) if is_of_part else str(default.header_fetch_parse(name, value))

        head = next(self.blocks()).partition(b"\r\n\r\n")[0]
        return tuple((name, text_of(name, value)) for name, value in parse(head, header_only=True).items())


def blocks_of(pieces: Iterable[bytes | ByteStream]) -> Iterator[bytes]:
    """Give the bytes of pieces, some of which make theirs only now."""
    for piece in pieces:
        if isinstance(piece, bytes):
            yield piece
        else:
            yield from piece.blocks()
