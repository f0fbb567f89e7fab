"""The embedded engine: a worker is woken in memory, and looks each second for what other processes have queued."""

import asyncio
from contextlib import suppress
from functools import partial

from sqlalchemy import Connection

from mailnode.delivery.postman import LOOK_SECONDS, PAUSE_SECONDS, Postman
from mailnode.engine.engine import MOST_DEFECTS
from mailnode.store.insist import insist


class EmbeddedEngine:
    """Wakes the worker of this process; on SQLite there is no other way, and none is needed."""

    def __init__(self) -> None:
        """Begin on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()

    def due(self, db: Connection, lane: str) -> None:  # noqa: ARG002 -- the worker looks for itself
        """Wake the worker, whose claim comes after the commit of this very transaction."""
        with suppress(RuntimeError):  # the loop is closed: what is queued now is for another process
            self._loop.call_soon_threadsafe(self._wake.set)

    async def work(self, postman: Postman, *, drain: bool = False) -> None:
        """Carry what is due until the postman is stopped; with `drain` until nothing is due."""
        postman.start()
        work = partial(self._drain if drain else self._work, postman)
        await postman.supervised.keep(work, postman.stopped, most_defects=MOST_DEFECTS if drain else None)

    async def _drain(self, postman: Postman) -> None:
        await insist(postman.recover)
        await postman.drain()

    async def _work(self, postman: Postman) -> None:
        recover_at = 0.0
        while not postman.is_stopped:
            self._wake.clear()
            if self._loop.time() >= recover_at:
                await postman.recover()
                recover_at = self._loop.time() + LOOK_SECONDS
            round_ = await postman.round()
            if round_.begun:
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                await self._sleep(postman, LOOK_SECONDS if round_.more_in is None else round_.more_in)

    async def _sleep(self, postman: Postman, seconds: float) -> None:
        woken = [asyncio.create_task(event.wait()) for event in (self._wake, postman.freed)]
        try:
            await asyncio.wait(woken, timeout=min(seconds, LOOK_SECONDS), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in woken:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
