"""The web application of a home: asked within the test's own loop, or served to a real browser."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import uvicorn
from fastapi import FastAPI

from mailnode.environment import Environment
from mailnode.web.application import create_app
from mailnode.web.security.exposure import ON_THIS_MACHINE, Exposure
from mailnode.web.security.login_codes import LoginCodes
from mailnode.web.serving import Places, configured
from mailnode.web.serving import opened_site as opened
from mailnode.web.site import Site

HERE = "http://127.0.0.1:8025"
TOKEN = "a-token-of-this-test-run"


@asynccontextmanager
async def opened_site(home: Path) -> AsyncIterator[Site]:
    """Open all that pages and API work with."""
    async with opened(Environment.read(), Places(inbox_port=0, flows=home / "flows")) as site:
        yield site


@asynccontextmanager
async def asking(app: FastAPI, token: str = TOKEN) -> AsyncIterator[httpx2.AsyncClient]:
    """Ask as one who has the token; without one as a stranger."""
    login = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=HERE, headers=login) as client:
        yield client


@asynccontextmanager
async def opened_api(home: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """Open the application of a home, and ask it."""
    async with opened_site(home) as site, asking(create_app(site, TOKEN)) as client:
        yield client


@dataclass(frozen=True)
class Served:
    """A server that a browser can open."""

    url: str
    site: Site
    loop: asyncio.AbstractEventLoop
    codes: LoginCodes
    token: str = TOKEN


@contextmanager
def served_site(home: Path, exposure: Exposure = ON_THIS_MACHINE) -> Iterator[Served]:
    """Serve a home from a thread of its own, its queue worked, on a free port of loopback."""
    ready: asyncio.Queue[Served] = asyncio.Queue()
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        async with opened_site(home) as site, site.mailnode.working():
            codes = LoginCodes()
            config = configured(create_app(site, TOKEN, codes, exposure), exposure)
            config.port, config.timeout_graceful_shutdown = 0, 2
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server._serve())
            while not server.started:  # noqa: ASYNC110 -- uvicorn has no event for it
                await asyncio.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            await ready.put(Served(f"http://127.0.0.1:{port}", site, loop, codes))
            await ended.wait()
            server.should_exit = True
            await serving

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(ready.get(), loop).result(60)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(60)
        loop.close()
