"""A connection taken and led on to another port, octet by octet."""

import asyncio
from collections.abc import Callable
from typing import cast


class End(asyncio.Protocol):
    """One end of a connection that is led on; what it receives goes to the other one, in the way of `carry`.

    Nothing, b"", is what an end that closes has to say.
    """

    def __init__(self, carry: Callable[["End", bytes], None]) -> None:
        self.other: End | None = None
        self.transport: asyncio.Transport | None = None
        self._carry = carry
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Lead the octets on, or keep them until there is where to."""
        if self.other is None:
            self._early.append(data)
        else:
            self._carry(self.other, data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- why does not matter
        """Close the other end too, behind what is still on its way there."""
        self.data_received(b"")

    def pause_writing(self) -> None:
        """Read no more at the other end than goes out at this one."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def join(self, other: "End") -> None:
        """Make this the way to another end."""
        self.other = other
        for data in self._early:
            self._carry(other, data)


class Front(End):
    """The end that a client has reached; the way on is opened for it."""

    def __init__(self, behind: int, carry: Callable[[End, bytes], None]) -> None:
        super().__init__(carry)
        self._behind = behind
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport, and connect to the server behind."""
        super().connection_made(transport)
        self._opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        _, end = await loop.create_connection(lambda: End(self._carry), "127.0.0.1", self._behind)
        end.join(self)
        self.join(end)


def write(end: End, data: bytes) -> None:
    """Carry at once."""
    assert end.transport is not None
    if data:
        end.transport.write(data)
    else:
        end.transport.close()
