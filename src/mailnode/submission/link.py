"""The connection of one client: bytes in both directions, with deadlines, in clear text and then over TLS."""

import asyncio
import socket
import ssl
from contextlib import suppress
from typing import Self, cast

# Reading pauses when so much is unread.
_MAX_UNREAD_BYTES = 64 * 1024
# How long a client may take for the last replies.
_CLOSING_SECONDS = 5.0


class Interrupted(Exception):
    """The wait for the client was ended by `Link.interrupt`."""


class Link(asyncio.Protocol):
    """One connection that was accepted."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._waiter: asyncio.Future[None] | None = None
        self._is_over = self._is_full = self._is_tls = False
        self._closed: asyncio.Future[None] = self._loop.create_future()

    @classmethod
    async def over(cls, sock: socket.socket, context: ssl.SSLContext | None, seconds: float) -> Self:
        """Take a socket, and own it; with a context it begins with a TLS handshake.

        Raises:
            OSError: the handshake failed.
        """
        link = cls()  # uvloop gives another protocol than the one that it was given
        link._is_tls = context is not None
        limit = None if context is None else seconds
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: link, sock, ssl=context, ssl_handshake_timeout=limit
            )
        except BaseException:
            sock.close()
            raise
        return link

    @property
    def _raw(self) -> asyncio.Transport:
        assert self._transport is not None
        return self._transport

    def pause(self) -> None:
        """Leave what comes to TLS."""
        self._raw.pause_reading()

    async def start_tls(self, context: ssl.SSLContext, seconds: float) -> None:
        """Do the handshake; call it without waiting since `pause`. What came before is forgotten.

        Raises:
            OSError: it failed.
        """
        self._received = b""
        try:
            transport = await self._loop.start_tls(
                self._raw, self, context, server_side=True, ssl_handshake_timeout=seconds
            )
        except BaseException:
            self.abort()
            self.connection_lost(None)  # which nobody else tells
            raise
        if transport is None or self._closed.done():  # so both loops say that the client has left meanwhile
            raise ConnectionResetError
        self._transport, self._is_tls = transport, True

    async def read(self, deadline: float) -> bytes:
        """Wait for what comes, until a time of the loop's clock; b"" is the end.

        Raises:
            TimeoutError, Interrupted
        """
        while not self._received and not self._is_over:
            await self._wait(deadline)
        received, self._received = self._received, b""
        if len(received) > _MAX_UNREAD_BYTES and not self._closed.done():
            self._raw.resume_reading()
        return received

    async def write(self, data: bytes, deadline: float) -> None:
        """Write, and wait until the network has taken enough of it.

        Raises:
            TimeoutError, Interrupted, ConnectionError
        """
        self.write_now(data)
        while self._is_full and not self._closed.done():
            await self._wait(deadline)
        if self._closed.done():
            raise ConnectionResetError

    def write_now(self, data: bytes) -> None:
        """Write, without waiting."""
        if data and not self._closed.done() and not self._raw.is_closing():
            self._raw.write(data)

    def interrupt(self) -> None:
        """End the wait for this client, if there is one."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(Interrupted())

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    async def end(self) -> None:
        """Close, and wait until the client has the last replies, or does not want them."""
        if self._is_full:
            self.abort()
        # Over TLS what is closed twice can't be aborted before Python 3.11.3.
        elif not self._closed.done() and not self._raw.is_closing():
            self._raw.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                await asyncio.shield(self._closed)
        self.abort()

    async def _wait(self, deadline: float) -> None:
        self._waiter = self._loop.create_future()
        try:
            async with asyncio.timeout_at(deadline):
                await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport (asyncio calls this)."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Keep what has come (asyncio calls this)."""
        self._received += data
        if len(self._received) > _MAX_UNREAD_BYTES:
            self._raw.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """Nothing more will come, but replies may still be read (asyncio calls this)."""
        self._is_over = True
        self._wake()
        return not self._is_tls

    def connection_lost(self, _exc: Exception | None) -> None:
        """It is over (asyncio calls this)."""
        self._is_over = True
        if not self._closed.done():
            self._closed.set_result(None)
        self._wake()

    def pause_writing(self) -> None:
        """The network has not taken what was written (asyncio calls this)."""
        self._is_full = True

    def resume_writing(self) -> None:
        """It has (asyncio calls this)."""
        self._is_full = False
        self._wake()
