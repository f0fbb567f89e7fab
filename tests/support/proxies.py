"""Proxies: SOCKS5 (RFC 1928, RFC 1929) and HTTP CONNECT, on asyncio, with and without a login."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

Misbehaviour = Literal["", "refuse", "hang", "hang up", "nonsense"]


@dataclass
class ProxyServer:
    """A running proxy; `asked` holds the hosts and ports that it was asked for, as they were said.

    `ways` are its tunnels that are open, by the port of each and that of the server: two may share one of their own.
    """

    scheme: str
    login: tuple[str, str] | None
    misbehaviour: Misbehaviour
    known: dict[str, str]
    leads_to: int | None
    is_late: bool
    port: int = 0
    routes: dict[tuple[str, int], int] | None = None
    asked: list[tuple[str, int]] = field(default_factory=list)
    ways: set[tuple[int, int]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """Its URL, with the login."""
        who = f"{self.login[0]}:{self.login[1]}@" if self.login else ""
        return f"{self.scheme}://{who}127.0.0.1:{self.port}"


Handshake = Callable[[ProxyServer, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[tuple[str, int] | None]]


@asynccontextmanager
async def proxy(
    scheme: Literal["socks5", "http"],
    *,
    login: tuple[str, str] | None = None,
    misbehaviour: Misbehaviour = "",
    known: dict[str, str] | None = None,
    leads_to: int | None = None,
    late: bool = False,
) -> AsyncIterator[ProxyServer]:
    """Run a proxy; `known` says which address a name has for it, a `late` one answers with the server's greeting.

    One that `leads_to` a port of this machine goes there, whatever it is asked for.
    """
    running = ProxyServer(scheme, login, misbehaviour, known or {}, leads_to, late)
    handshake: Handshake = _socks5 if scheme == "socks5" else _http
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        tasks.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            if target := await handshake(running, reader, writer):
                await _tunnel(running, target, reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def _misbehave(running: ProxyServer, writer: asyncio.StreamWriter) -> bool:
    if running.misbehaviour == "hang":
        await asyncio.Event().wait()
    if running.misbehaviour == "nonsense":
        writer.write(b"220 I am a mail server\r\n")
        await writer.drain()
    return running.misbehaviour in {"hang up", "nonsense"}


async def _socks5(
    running: ProxyServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[str, int] | None:
    _, count = await reader.readexactly(2)
    methods = await reader.readexactly(count)
    if await _misbehave(running, writer):
        return None
    wanted = 2 if running.login else 0
    writer.write(bytes([5, wanted if wanted in methods else 0xFF]))
    if wanted not in methods:
        return None
    if running.login:
        _, length = await reader.readexactly(2)
        name = await reader.readexactly(length)
        password = await reader.readexactly((await reader.readexactly(1))[0])
        is_known = (name.decode(), password.decode()) == running.login
        writer.write(b"\1\0" if is_known else b"\1\1")
        if not is_known:
            return None
    kind = (await reader.readexactly(4))[3]
    if kind == 1:
        host = ".".join(str(octet) for octet in await reader.readexactly(4))
    else:
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    port = int.from_bytes(await reader.readexactly(2), "big")
    running.asked.append((host, port))
    refused = running.misbehaviour == "refuse"
    # The bound address is a name here, the one form whose length the client must read.
    writer.write(bytes([5, 5 if refused else 0, 0, 3, 4]) + b"here" + bytes(2))
    return None if refused else (host, port)


async def _http(
    running: ProxyServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> tuple[str, int] | None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    if await _misbehave(running, writer):
        return None
    host, _, port = head[0].split()[1].rpartition(":")
    running.asked.append((host, int(port)))
    if running.login:
        said = base64.b64encode(":".join(running.login).encode()).decode()
        if f"Proxy-Authorization: Basic {said}" not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return None
    if running.misbehaviour == "refuse":
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\nno way there")
        return None
    return host, int(port)


async def _tunnel(
    running: ProxyServer, target: tuple[str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    host, port = target if running.leads_to is None else ("127.0.0.1", running.leads_to)
    if running.routes is not None:
        if target not in running.routes:
            return
        host, port = "127.0.0.1", running.routes[target]
    there, thither = await asyncio.open_connection(running.known.get(host, host), port)
    way = (thither.get_extra_info("sockname")[1], port)
    running.ways.add(way)
    if running.scheme == "http":
        greeting = await there.read(65536) if running.is_late else b""
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n" + greeting)
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_pump(there, writer))
            both.create_task(_pump(reader, thither))
    finally:
        running.ways.discard(way)
        thither.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while octets := await reader.read(65536):
        writer.write(octets)
        await writer.drain()
    writer.close()
