"""Octets to and from one server, over TCP or TLS; here alone is what goes wrong below turned into errors of ours."""

import asyncio
import socket
import ssl
from typing import cast

from mailnode.errors import ErrorCode, Phase, SessionLost
from mailnode.smtp.connect import connect
from mailnode.smtp.server import ServerSettings
from mailnode.smtp.wire import Address, BelowTls, Wire

# A server that talks while nobody listens is asked to stop; its replies are a hundredth of this.
MAX_UNREAD_OCTETS = 256 * 1024


class Stream(asyncio.Protocol):
    """One connection. Every wait has a deadline, and every end of it is a SessionLost.

    Reading and writing go on together: `read` gives all that has come, `drain` waits until all that was written has
    left, and is woken by octets from the server too, which may be its refusal of what is being written. What the server
    said before it went away can be read afterwards.
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
        """Connect, in clear text; `start_tls` makes it private."""
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
        """Shake hands; what came before is dropped. Raises OSError as ssl does, for mailnode.smtp.tls to explain."""
        assert self._transport is not None
        # A transport that closes tells it later; uvloop prints a traceback of what is begun on it meanwhile.
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
        # How asyncio, and how uvloop say that the server hung up in mid-handshake.
        tls = None if transport is None else cast("ssl.SSLObject | None", transport.get_extra_info("ssl_object"))
        version = None if tls is None else tls.version()
        if self._tcp is None or self._tcp.is_closing() or transport is None or version is None:
            self.abort()
            raise ConnectionResetError("the server closed the connection in the TLS handshake")
        self.tls, self.tls_version = tls, version
        self._below_tls = BelowTls(self._tcp, self._wire, self._resumed)
        self._transport = transport
        self._transport.set_write_buffer_limits(high=1, low=0)  # at 0 TLS would pause for nothing

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this very machine, by its address."""
        return self._wire.peer_address.is_loopback

    @property
    def local_address(self) -> Address:
        """The address of our end."""
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
        """Whether the server has said something, or hung up; of an idle session both mean that it is over."""
        if self._received or self._lost is not None:
            return True
        return self._tcp is None or self._tcp.is_closing() or self._wire.is_readable

    def write(self, octets: bytes) -> bool:
        """Hand octets to the network; they leave at once unless it is busy. False: it is gone, and took none of them.

        A transport swallows what it is given when it is gone, until it says so.
        """
        if self._lost is not None:
            raise self._lost
        assert self._transport is not None
        assert self._tcp is not None
        # TCP's own knows that it is gone; that of TLS may call itself open yet.
        if not self._tcp.is_closing():
            self._transport.write(octets)
        if self._tcp.is_closing():
            self._is_full = True
            return False
        return True

    def take(self) -> bytes:
        """Give what has come so far, perhaps nothing."""
        octets, self._received = self._received, b""
        if len(octets) > MAX_UNREAD_OCTETS and self._lost is None:
            assert self._transport is not None
            self._transport.resume_reading()
        return octets

    async def read(self, deadline: float) -> bytes:
        """Wait until something has come and give it; `deadline` is a time of the loop's clock."""
        while not self._received:
            await self._wait(deadline)
        return self.take()

    async def drain(self, deadline: float) -> None:
        """Wait until all that was written has left, or the server says something."""
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
                _expire(waiter)  # a server that never pauses would always be heard before the timer
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
        self._lost = self._lost or _explain(None)
        if self._transport is not None:
            self._transport.abort()

    async def closed(self) -> None:
        """Wait until the socket is gone."""
        await asyncio.shield(self._closed)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport (asyncio calls this)."""
        self._transport = self._tcp = cast(asyncio.Transport, transport)
        self._tcp.set_write_buffer_limits(high=0)  # so that `is_full` tells of every octet

    def data_received(self, data: bytes) -> None:
        """Keep what has come and wake who waits (asyncio calls this)."""
        self._received = self._received + data if self._received else data
        if len(self._received) > MAX_UNREAD_OCTETS and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """Nothing more will come, so that nothing more is worth writing (asyncio calls this)."""
        self._lost = self._lost or _explain(None)
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember why, and read what was said before (asyncio calls this)."""
        if exc is not None and self._lost is None and self._below_tls is None:
            self._received += self._wire.read()
        self._lost = self._lost or _explain(exc)
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
        if self._is_draining:  # who reads would be woken for nothing
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(no_answer("content"))


def no_answer(phase: Phase) -> SessionLost:
    """Say that a server was waited for in vain."""
    return SessionLost(
        "the server did not answer in time",
        code=ErrorCode.TIMEOUT,
        phase=phase,
        hint="try again later; if it happens again, a firewall may be dropping the server's replies",
        transient=True,
    )


def _explain(error: Exception | None) -> SessionLost:
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
