"""A message as it goes out in one attempt."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from mailnode.message.envelope import Envelope
from mailnode.smtp.content import Composed

Watch = Callable[[int, int], None]


def unwatched(_gone: int, _size: int) -> None:
    """Tell nobody how far a message is."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """A message under the envelope of its remaining recipients; `watch` hears how many octets of how many have left.

    `head` are header fields on top of it, which a signature of the message does not cover.
    """

    envelope: Envelope
    message: Composed
    watch: Watch = unwatched
    head: bytes = b""

    @property
    def message_id(self) -> str:
        """Give the Message-ID, the same at every attempt."""
        return self.message.message_id

    @property
    def size(self) -> int:
        """Give the size in octets."""
        return len(self.head) + self.message.size

    def blocks(self) -> Iterator[bytes]:
        """Give the octets anew."""
        gone = 0
        for block in chain((self.head,) if self.head else (), self.message.blocks()):
            yield block
            gone += len(block)
            self.watch(gone, self.size)
