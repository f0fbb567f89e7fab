"""Octets to and from one server, over TCP or TLS; here alone is what goes wrong below turned into errors of ours."""

import asyncio
import ipaddress
import select
import socket
import ssl
from typing import cast

from mailnode.errors import ErrorCode, SessionLost
from mailnode.smtp.connect import connect
from mailnode.smtp.server import ServerSettings

# A server that talks while nobody listens is asked to stop; its replies are a hundredth of this.
MAX_UNREAD_OCTETS = 256 * 1024


class Stream(asyncio.Protocol):
    """One connection. Every wait has a deadline, and every end of it is a SessionLost.

    Reading and writing go on together: `read` gives all that has come, `drain` waits for room and is woken by octets
    from the server too, which may be its refusal of what is being written.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_full = False
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
            _, stream = await asyncio.get_running_loop().create_connection(cls, sock=sock)
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
        if transport is None or transport.get_extra_info("ssl_object") is None:
            self.abort()
            raise ConnectionResetError("the server closed the connection in the TLS handshake")
        self._transport = transport

    @property
    def tls(self) -> ssl.SSLObject | None:
        """What keeps the stream private; None in clear text."""
        return cast("ssl.SSLObject | None", self._info("ssl_object"))

    @property
    def tls_version(self) -> str:
        """The version of TLS, like `TLSv1.3`; "" in clear text."""
        return "" if self.tls is None else str(self.tls.version())

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this very machine, by its address."""
        return _address(self._info("peername")).is_loopback

    @property
    def local_address(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        """The address of our end."""
        return _address(self._info("sockname"))

    @property
    def is_lost(self) -> bool:
        """Whether nothing can be written any more."""
        return self._lost is not None

    @property
    def is_full(self) -> bool:
        """Whether what was written waits for the network, so that `drain` should come before more."""
        return self._is_full

    @property
    def is_readable(self) -> bool:
        """Whether the server has said something, or hung up; of an idle session both mean that it is over."""
        if self._received or self._lost is not None:
            return True
        poll = select.poll()
        poll.register(cast("int", self._info("socket").fileno()), select.POLLIN)  # type: ignore[attr-defined]
        return bool(poll.poll(0))

    def write(self, octets: bytes) -> None:
        """Hand octets to the network; they leave at once unless it is busy."""
        if self._lost is not None:
            raise self._lost
        assert self._transport is not None
        self._transport.write(octets)

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
        """Wait until there is room for more, or the server says something."""
        while self._is_full and not self._received:
            await self._wait(deadline)

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
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Keep what has come and wake who waits (asyncio calls this)."""
        self._received = self._received + data if self._received else data
        if len(self._received) > MAX_UNREAD_OCTETS and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember why (asyncio calls this)."""
        self._lost = self._lost or _explain(exc)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._wake()
        if not self._closed.done():
            self._closed.set_result(None)

    def pause_writing(self) -> None:
        """The network is busy (asyncio calls this)."""
        self._is_full = True

    def resume_writing(self) -> None:
        """The network takes more (asyncio calls this)."""
        self._is_full = False
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _info(self, name: str) -> object:
        return None if self._transport is None else self._transport.get_extra_info(name)


def _expire(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(
            SessionLost(
                "the server did not answer in time",
                code=ErrorCode.TIMEOUT,
                hint="try again later; if this stays, a firewall may swallow what the server says",
                transient=True,
            )
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
    return SessionLost(what, code=ErrorCode.SESSION_LOST, hint="try again later", transient=True)


def _address(name: object) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    host = str(name[0]).partition("%")[0] if isinstance(name, tuple) else "0.0.0.0"  # noqa: S104 -- means: unknown
    address = ipaddress.ip_address(host)
    return getattr(address, "ipv4_mapped", None) or address
