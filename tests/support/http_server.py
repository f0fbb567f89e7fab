"""A real HTTP/1.1 server for tests, which answers as a script says: truthfully, slowly, or with lies."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    """What a client asked for; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    server_name: str | None
    body: bytes = b""


class Exchange:
    """One request and the way to answer it."""

    def __init__(self, request: Request, writer: asyncio.StreamWriter, server: "HttpServer") -> None:
        self.request = request
        self.server = server
        self._writer = writer

    async def send(self, octets: bytes) -> None:
        """Write octets as they are; ConnectionError when the client is gone."""
        self._writer.write(octets)
        await self._writer.drain()

    async def head(self, status: int = 200, /, **headers: str) -> None:
        """Write the status line and header fields (`content_type="text/plain"`)."""
        fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        await self.send(f"HTTP/1.1 {status} Said so\r\n{fields}Connection: close\r\n\r\n".encode())


Answer = Callable[[Exchange], Awaitable[None]]


@dataclass
class HttpServer:
    """Answers by path; what it was asked stands in `requests`."""

    port: int = 0
    scheme: str = "http"
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    # Set when the server stops, for answers that hang until then.
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def on(self, path: str, answer: Answer) -> str:
        """Answer this path so; gives its URL."""
        self.answers[path] = answer
        return self.url(path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            request = await _read_request(reader, writer)
            self.requests.append(request)
            path = request.target.partition("?")[0]
            await self.answers.get(path, reply(b"", status=404))(Exchange(request, writer, self))
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass  # the client has seen enough
        finally:
            writer.close()


@asynccontextmanager
async def serving(tls: ssl.SSLContext | None = None) -> AsyncIterator[HttpServer]:
    """Run a server on 127.0.0.1; with `tls` it speaks https."""
    http = HttpServer(scheme="https" if tls else "http")
    names: dict[int, str | None] = {}
    if tls:
        tls.sni_callback = lambda tls_object, name, _context: names.__setitem__(id(tls_object), name)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        writer.transport.server_name = names.get(id(writer.get_extra_info("ssl_object")))  # type: ignore[attr-defined]
        await http._serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    http.port = server.sockets[0].getsockname()[1]
    try:
        yield http
    finally:
        http.stopping.set()
        server.close()
        if tasks:
            await asyncio.wait(tasks)
        await server.wait_closed()


async def _read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target, headers, getattr(writer.transport, "server_name", None), body)


def reply(body: bytes, *, status: int = 200, **headers: str) -> Answer:
    """Answer truthfully."""

    async def answer(exchange: Exchange) -> None:
        headers.setdefault("content_length", str(len(body)))
        await exchange.head(status, **headers)
        await exchange.send(body)

    return answer


def redirect(location: str, status: int = 302) -> Answer:
    """Send the client elsewhere."""
    return reply(b"elsewhere", status=status, location=location)


def raw(octets: bytes) -> Answer:
    """Answer with these octets, HTTP or not."""
    return lambda exchange: exchange.send(octets)


def endless(block: bytes = b"x" * 65536, **headers: str) -> Answer:
    """Send blocks until the client has had enough."""

    async def answer(exchange: Exchange) -> None:
        await exchange.head(**headers)
        while not exchange.server.stopping.is_set():
            await exchange.send(block)

    return answer


def stalling(*octets: bytes) -> Answer:
    """Send a beginning and then nothing more."""

    async def answer(exchange: Exchange) -> None:
        for part in octets:
            await exchange.send(part)
        await exchange.server.stopping.wait()

    return answer


def dripping() -> Answer:
    """Send an octet now and then, so that no single read ever waits long."""

    async def answer(exchange: Exchange) -> None:
        await exchange.head()
        while not exchange.server.stopping.is_set():
            await exchange.send(b"x")
            with suppress(TimeoutError):
                await asyncio.wait_for(exchange.server.stopping.wait(), 0.01)

    return answer


def gzip_bomb(size: int) -> Answer:
    """Send `size` zeros, compressed a thousandfold."""
    return reply(gzip.compress(bytes(size)), content_encoding="gzip")


def streaming(size: int, block: bytes = bytes(65536)) -> Answer:
    """Send a large body without holding it."""

    async def answer(exchange: Exchange) -> None:
        await exchange.head(content_length=str(size))
        for start in range(0, size, len(block)):
            await exchange.send(block[: min(len(block), size - start)])

    return answer
