"""A TCP proxy before a Unix socket that can fall silent: it takes what comes, and hands on nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path


class SilentProxy:
    """The proxy; while `hands_on` is not set, connections are taken, and their octets too."""

    def __init__(self, to: Path) -> None:
        self._to = to
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.hands_on = asyncio.Event()
        self.hands_on.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        with suppress(OSError, asyncio.CancelledError):
            await self.hands_on.wait()
            inner, outer = await asyncio.open_unix_connection(self._to)
            pumps = [asyncio.create_task(self._pump(*ends)) for ends in ((reader, outer), (inner, writer))]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                outer.close()
        writer.close()
        self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while octets := await reader.read(65_536):
            await self.hands_on.wait()
            writer.write(octets)
            await writer.drain()

    async def close(self) -> None:
        for task in [*self._tasks]:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


@asynccontextmanager
async def silent_proxy(to: Path) -> AsyncIterator[SilentProxy]:
    """Run one before a socket."""
    proxy = SilentProxy(to)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
