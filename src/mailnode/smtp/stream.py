"""Octets to and from one server, over TCP or TLS; errors of the network become SessionLost here, and only here."""

import asyncio
import socket
import ssl
from typing import cast

from mailnode.errors import ErrorCode, Phase, SessionLost
from mailnode.smtp.connect import connect
from mailnode.smtp.server import ServerSettings
from mailnode.smtp.wire import Address, BelowTls, Wire

# Reading pauses when so much is unread; normal replies are a hundredth of it.
MAX_UNREAD_OCTETS = 256 * 1024


class Stream(asyncio.Protocol):
    """One connection. Every wait has a deadline, and every end of it is a SessionLost.

    Reading and writing go on together: `read` gives all that has arrived, `drain` waits until all that was written has
    left, and ends when octets arrive too, which may be a refusal of what is being written. What the server sent before
    it closed the connection can be read afterwards.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._wire = Wire(sock)
        self._below_tls: BelowTls | None = None
        self._tcp: asyncio.Transport | None = None
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_full = False
        self._is_draining = False
        self.tls: ssl.SSLObject | None = None
        self.tls_version = ""
        self._lost: SessionLost | None = None
        self._closed: asyncio.Future[None] = self._loop.create_future()

    @classmethod
    async def open(cls, server: ServerSettings) -> "Stream":
        """Connect in clear text; `start_tls` follows where TLS is used."""
        return await cls.over(await connect(server))

    @classmethod
    async def over(cls, sock: socket.socket) -> "Stream":
        """Take a connected socket, and own it."""
        try:
            _, stream = await asyncio.get_running_loop().create_connection(lambda: cls(sock), sock=sock)
        except BaseException:
            sock.close()
            raise
        return stream

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str, seconds: float) -> None:
        """Do the TLS handshake; octets from before are dropped. Raises OSError as ssl does (see mailnode.smtp.tls)."""
        assert self._transport is not None
        # A closing transport reports it later; uvloop prints a traceback for what is started on it meanwhile.
        if self._lost is not None or self._transport.is_closing():
            raise ConnectionResetError(str(self._lost or "the server closed the connection"))
        self._received = b""
        try:
            transport = await self._loop.start_tls(
                self._transport, self, context, server_hostname=server_hostname, ssl_handshake_timeout=seconds
            )
        except BaseException:
            self.abort()
            raise
        # How asyncio and uvloop report that the server closed the connection during the handshake.
        tls = None if transport is None else cast("ssl.SSLObject | None", transport.get_extra_info("ssl_object"))
        version = None if tls is None else tls.version()
        if self._tcp is None or self._tcp.is_closing() or transport is None or version is None:
            self.abort()
            raise ConnectionResetError("the server closed the connection in the TLS handshake")
        self.tls, self.tls_version = tls, version
        self._below_tls = BelowTls(self._tcp, self._wire, self._resumed)
        self._transport = transport
        self._transport.set_write_buffer_limits(high=1, low=0)  # with 0 TLS would pause needlessly

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine, by its address."""
        return self._wire.peer_address.is_loopback

    @property
    def local_address(self) -> Address:
        """The local address."""
        return self._wire.local_address

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be written any more."""
        return self._lost is not None

    @property
    def is_full(self) -> bool:
        """Whether anything written has not left this process: it waits for the network, or will never leave."""
        return self._is_full or (self._below_tls is not None and self._below_tls.is_full)

    @property
    def is_readable(self) -> bool:
        """Whether octets have arrived, or the connection was closed; either means that an idle session is over."""
        if self._received or self._lost is not None:
            return True
        return self._tcp is None or self._tcp.is_closing() or self._wire.is_readable

    def write(self, octets: bytes) -> bool:
        """Hand octets to the network; they leave at once unless it is busy. False: it is closed, and took none of them.

        A transport that is closed ignores what is written to it until it reports the end.
        """
        if self._lost is not None:
            raise self._lost
        assert self._transport is not None
        assert self._tcp is not None
        # TCP's transport knows that it is closed; that of TLS may not yet.
        if not self._tcp.is_closing():
            self._transport.write(octets)
        if self._tcp.is_closing():
            self._is_full = True
            return False
        return True

    def take(self) -> bytes:
        """Give what has arrived so far, perhaps nothing."""
        octets, self._received = self._received, b""
        if len(octets) > MAX_UNREAD_OCTETS and self._lost is None:
            assert self._transport is not None
            self._transport.resume_reading()
        return octets

    async def read(self, deadline: float) -> bytes:
        """Wait until something arrives and give it; `deadline` is a time of the loop's clock."""
        while not self._received:
            await self._wait(deadline)
        return self.take()

    async def drain(self, deadline: float) -> None:
        """Wait until all that was written has left, or something arrives."""
        self._is_draining = True
        try:
            while self.is_full and not self._received:
                await self._wait(deadline)
        finally:
            self._is_draining = False

    async def _wait(self, deadline: float) -> None:
        if self._lost is not None:
            raise self._lost
        self._waiter = waiter = self._loop.create_future()
        self._deadline = deadline
        # One timer for many waits, most of which are over long before it goes off.
        if self._timer is None or self._timer.when() > deadline:
            self._watch(deadline)
            if self._loop.time() >= deadline:
                _expire(waiter)  # a server that sends without pause would always come before the timer
        try:
            await waiter
        finally:
            self._waiter = None

    def _watch(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._check_deadline)

    def _check_deadline(self) -> None:
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() < self._deadline:
            self._watch(self._deadline)
        else:
            _expire(self._waiter)

    def close(self) -> None:
        """Let what is written leave, then close."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._lost = self._lost or _lost_by(None)
        # Below TLS: what is closing there already asyncio leaves open, and before Python 3.11.3 fails at.
        if self._tcp is not None:
            self._tcp.abort()

    async def closed(self) -> None:
        """Wait until the socket is closed."""
        await asyncio.shield(self._closed)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport (asyncio calls this)."""
        self._transport = self._tcp = cast(asyncio.Transport, transport)
        self._tcp.set_write_buffer_limits(high=0)  # so that `is_full` counts every octet

    def data_received(self, data: bytes) -> None:
        """Keep what has arrived and wake the waiter (asyncio calls this)."""
        self._received = self._received + data if self._received else data
        if len(self._received) > MAX_UNREAD_OCTETS and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Nothing more will come, so that nothing more is worth writing (asyncio calls this)."""
        self._lost = self._lost or _lost_by(None)
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember why, and read what was sent before (asyncio calls this)."""
        if exc is not None and self._lost is None and self._below_tls is None:
            self._received += self._wire.read()
        self._lost = self._lost or _lost_by(exc)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()
        if not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        """Something written has not left (asyncio calls this)."""
        self._is_full = True

    def resume_writing(self) -> None:
        """All has left (asyncio calls this)."""
        self._is_full = False
        self._resumed()

    def _resumed(self) -> None:
        if self._is_draining:  # a reader would be woken needlessly
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(no_answer("content"))


def no_answer(phase: Phase) -> SessionLost:
    """Give the error for a server that did not answer in time."""
    return SessionLost(
        "the server did not answer in time",
        code=ErrorCode.TIMEOUT,
        phase=phase,
        hint="try again later; if it happens again, a firewall may be dropping the server's replies",
        transient=True,
    )


def _lost_by(error: Exception | None) -> SessionLost:
    if error is None:
        what = "the server closed the connection"
    elif isinstance(error, ssl.SSLError):
        what = f"TLS broke: {error.reason or error}"
    elif isinstance(error, OSError):
        what = f"the connection broke: {error.strerror or error}"
    else:
        what = f"the connection broke: {error!r}"
    lost = SessionLost(what, code=ErrorCode.SESSION_LOST, hint="try again later", transient=True)
    lost.__cause__ = error
    return lost
