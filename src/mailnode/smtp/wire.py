"""The socket below a connection: its addresses, what has arrived, and what TLS does not report of it."""

import asyncio
import ipaddress
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import cast

_READ_BYTES = 64 * 1024

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Wire:
    """A connected socket that a transport owns; it is asked directly, since closed transports give no reliable answers.

    The addresses are read at the beginning, and stay when the connection is lost.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self.local_address = _address(sock.getsockname)
        self.peer_address = _address(sock.getpeername)

    @property
    def is_readable(self) -> bool:
        """Whether something has arrived and was not read yet: bytes, or the end of the connection."""
        return self._sock.fileno() < 0 or bool(self._poll.poll(0))

    def read(self) -> bytes:
        """Give what has arrived and was not read yet; a connection that was reset keeps it."""
        received = []
        with suppress(OSError):
            while chunk := self._sock.recv(_READ_BYTES):
                received.append(chunk)
        return b"".join(received)


class BelowTls(asyncio.BufferedProtocol):
    """Stands between TCP and TLS and passes everything on.

    TLS regards as written what TCP still holds, and drops what arrived before a reset: `is_full` tells that TCP holds
    something, and of a connection that is lost TLS gets what is left to read. `resumed` is called when TCP holds
    nothing any more.
    """

    def __init__(self, transport: asyncio.Transport, wire: Wire, resumed: Callable[[], None]) -> None:
        self._tls = cast(asyncio.BufferedProtocol, transport.get_protocol())
        self._wire = wire
        self._resumed = resumed
        self.is_full = transport.get_write_buffer_size() > 0
        # Incoming bytes go to TLS directly: a call in between would only cost time.
        self.get_buffer = self._tls.get_buffer  # type: ignore[method-assign]  # a BufferedProtocol's own
        self.buffer_updated = self._tls.buffer_updated  # type: ignore[method-assign]  # a BufferedProtocol's own
        transport.set_protocol(self)

    def eof_received(self) -> bool | None:
        """The server has closed TCP (asyncio calls this)."""
        return self._tls.eof_received()

    def pause_writing(self) -> None:
        """TCP holds something (asyncio calls this)."""
        self.is_full = True
        self._tls.pause_writing()

    def resume_writing(self) -> None:
        """TCP holds nothing any more (asyncio calls this)."""
        self.is_full = False
        self._tls.resume_writing()
        self._resumed()

    def connection_lost(self, exc: Exception | None) -> None:
        """TCP is gone (asyncio calls this)."""
        if exc is not None:
            unread = self._wire.read()
            while unread:
                room = memoryview(self._tls.get_buffer(len(unread)))
                number = min(len(room), len(unread))
                room[:number] = unread[:number]
                self._tls.buffer_updated(number)
                unread = unread[number:]
        self._tls.connection_lost(exc)


def _address(ask: Callable[[], object]) -> Address:
    """Give an address of the socket; 0.0.0.0 where it is unknown."""
    name: object = None
    with suppress(OSError):
        name = ask()
    host = str(name[0]).partition("%")[0] if isinstance(name, tuple) else "0.0.0.0"  # noqa: S104 -- means: unknown
    address = ipaddress.ip_address(host)
    return getattr(address, "ipv4_mapped", None) or address
