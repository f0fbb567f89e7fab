"""Connecting to a server: its addresses are raced (RFC 8305), so that a dead one costs a quarter of a second."""

import asyncio
import os
import socket
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Protocol

from mailnode.errors import ConnectFailed, ErrorCode
from mailnode.smtp.proxy import through
from mailnode.smtp.server import ServerSettings

# RFC 8305 5: the head start of one address before the next one is tried too.
HEAD_START_SECONDS = 0.25

Address = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]


class Endpoint(Protocol):
    """A server or a proxy; `address` is how a person reads it."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def address(self) -> str: ...


async def connect(server: ServerSettings) -> socket.socket:
    """Give a connected socket, or raise ConnectFailed. The loops' own happy eyeballs are not used: uvloop has none."""
    seconds, proxy = server.deadlines.connect, server.proxy
    try:
        async with asyncio.timeout(seconds):
            if proxy is None:
                return await reach(server)
            return await through(proxy, server.host, server.port, reach)
    except TimeoutError:
        raise _no_answer(server, f"did not answer within {seconds:g} s") from None
    except asyncio.CancelledError as cancelled:
        raise cancelled from _no_answer(server, "has not answered")


def _no_answer(server: ServerSettings, what: str) -> ConnectFailed:
    proxy = server.proxy
    hint = "check host and port; many networks block outgoing mail ports (25 above all): try 587 or 465"
    return ConnectFailed(
        f"{server.address} {what}" + (f", through {proxy.address}" if proxy else ""),
        code=ErrorCode.TIMEOUT,
        hint="check the proxy, and that it may reach the mail server's port" if proxy else hint,
        transient=True,
    )


async def reach(endpoint: Endpoint) -> socket.socket:
    """Connect to the first address that takes the connection; the caller sets the deadline."""
    return await _race(await resolve(endpoint), endpoint)


async def resolve(endpoint: Endpoint) -> list[Address]:
    """Give the addresses of a host, families alternating; a name without any raises ConnectFailed."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        is_transient = isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN
        raise ConnectFailed(
            f"the host {endpoint.host!r} is not known" + (" at the moment" if is_transient else ""),
            code=ErrorCode.UNKNOWN_HOST,
            hint="check the spelling of the host, and that this machine has a network and can resolve names",
            transient=is_transient,
        ) from None
    return _interleave([(family, address) for family, _, _, _, address in found])


def _interleave(addresses: Sequence[Address]) -> list[Address]:
    first = [address for address in addresses if address[0] == addresses[0][0]]
    others = [address for address in addresses if address[0] != addresses[0][0]]
    return [address for address in chain.from_iterable(zip_longest(first, others)) if address is not None]


async def _race(addresses: Sequence[Address], endpoint: Endpoint) -> socket.socket:
    waiting = list(addresses)
    attempts: set[asyncio.Task[socket.socket]] = set()
    errors: list[OSError] = []
    try:
        while waiting or attempts:
            if waiting:
                attempts.add(asyncio.create_task(attempt(waiting.pop(0))))
            done, attempts = await asyncio.wait(
                attempts, timeout=HEAD_START_SECONDS if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            winners = [task.result() for task in done if task.exception() is None]
            for loser in winners[1:]:
                loser.close()
            if winners:
                return winners[0]
            errors += [error for task in done if isinstance(error := task.exception(), OSError)]
    finally:
        await _cancel_all(attempts)
    raise _failed(endpoint, errors)


async def attempt(address: Address) -> socket.socket:
    """Connect to one address; raises OSError as the socket does."""
    family, name = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        # As asyncio does for its own sockets; without it the end of a message waits 40 ms for an ACK of its beginning.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, name)
    except BaseException:
        sock.close()
        raise
    return sock


async def _cancel_all(attempts: set[asyncio.Task[socket.socket]]) -> None:
    for task in attempts:
        task.add_done_callback(_close_unwanted)
        task.cancel()
    if attempts:
        await asyncio.wait(attempts)


def _close_unwanted(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def _failed(endpoint: Endpoint, errors: Sequence[OSError]) -> ConnectFailed:
    # asyncio's message has the address in place of the reason.
    why = "; ".join(dict.fromkeys(os.strerror(error.errno).lower() if error.errno else str(error) for error in errors))
    return ConnectFailed(
        f"could not connect to {endpoint.address}: {why or 'it has no address'}",
        code=ErrorCode.CONNECT_FAILED,
        hint="check host and port, that the server is running, and that no firewall blocks it",
        transient=True,
    )
