"""Messages ready to be handed over, without the composer: what the SMTP tests send."""

from collections.abc import Iterator
from dataclasses import dataclass

from mailnode.message.envelope import Envelope


@dataclass(frozen=True)
class Letter:
    """A composed message whose octets the test chooses."""

    envelope: Envelope
    content: tuple[bytes, ...]
    message_id: str = "<1@example.org>"

    @property
    def size(self) -> int:
        return sum(map(len, self.content))

    def blocks(self) -> Iterator[bytes]:
        return iter(self.content)


def letter(
    *forward_paths: str,
    content: bytes | tuple[bytes, ...] = b"Subject: hi\r\n\r\nhi\r\n",
    sender: str | None = "ann@x.example",
) -> Letter:
    """Give a small letter from ann@x.example, to bob@y.example unless told otherwise."""
    blocks = (content,) if isinstance(content, bytes) else content
    return Letter(Envelope(sender, forward_paths or ("bob@y.example",)), blocks)
