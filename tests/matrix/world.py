"""What a case meets: mail servers under their own names, proxies that lead there, token endpoints, files on the web."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field

from matrix.servers import Address, Books, House
from support.http_server import HttpServer, reply, serving
from support.proxies import ProxyServer, proxy
from support.tls import server_context
from support.token_endpoint import TokenEndpoint, token_endpoint

FILE = b"%PDF-1.7 of the web\n" * 40
# By the value of the dimension: those of a connection want a login, those of the environment none.
PROXIES: Mapping[str, tuple[str, str] | None] = {
    "socks5 of connection": ("matrix", "a-proxy's secret"),
    "socks5 of environment": None,
    "http of connection": ("matrix", "a-proxy's secret"),
    "http of environment": None,
}


@dataclass
class World:
    """All of it at work; `ports` tells at which port of this machine a server really is."""

    books: Books
    tokens: TokenEndpoint
    files: HttpServer
    hooks: HttpServer
    proxies: Mapping[str, ProxyServer]
    ports: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def file_url(self) -> str:
        """Where a file can be had, by https."""
        return self.files.url("/files/report.pdf", host="localhost")

    @property
    def hook_url(self) -> str:
        """Where outcomes are posted to."""
        return self.hooks.url("/outcomes")

    def outcomes_of(self, delivery_id: str) -> dict[str, str]:
        """Give the types of the events of a delivery that were posted, by the ids of the events."""
        events = [json.loads(request.body) | {"id": request.headers["webhook-id"]} for request in self.hooks.requests]
        return {one["id"]: one["type"] for one in events if one["data"]["deliveryId"] == delivery_id}

    @property
    def token_url(self) -> str:
        """Where access tokens can be had, by https."""
        return self.tokens.http.url("/token", host="localhost")

    def way_of(self, ports: tuple[int, int]) -> str:
        """Tell by which proxy somebody comes whose connection has these ports, his own and the server's."""
        return next((name for name, running in self.proxies.items() if ports in running.ways), "none")


@asynccontextmanager
async def _opened(addresses: Iterable[Address]) -> AsyncIterator[World]:
    books = Books()
    async with AsyncExitStack() as stack:
        tokens = await stack.enter_async_context(token_endpoint(server_context("localhost")))
        files = await stack.enter_async_context(serving(server_context("localhost")))
        hooks = await stack.enter_async_context(serving())
        hooks.on("/outcomes", reply(b""))
        files.on("/files/report.pdf", reply(FILE, content_type="application/pdf"))
        proxies = {
            name: await stack.enter_async_context(proxy("socks5" if "socks5" in name else "http", login=login))
            for name, login in PROXIES.items()
        }
        world = World(books, tokens, files, hooks, proxies)
        books.way_of = world.way_of
        for address in addresses:
            house = House(address, books, tokens.accepts)
            server = await house.start()
            stack.push_async_callback(server.wait_closed)
            stack.callback(server.close)
            world.ports[address.host, address.port] = house.port
        for running in proxies.values():
            running.routes = world.ports
        yield world


@contextmanager
def running_world(addresses: Iterable[Address]) -> Iterator[World]:
    """Run it in a thread of its own: who uses it may be another process, or a loop that comes and goes."""
    opened: list[World] = []
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with _opened(addresses) as world:
            opened.append(world)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(60)
        yield opened[0]
    finally:
        over.set()
        thread.join()
