"""The embedded engine: a worker is woken in memory, and looks each second for what other processes have queued."""

import asyncio
import logging
from contextlib import suppress

from sqlalchemy import Connection

from mailnode.delivery.postman import LOOK_SECONDS, PAUSE_SECONDS, Postman
from mailnode.errors import StoreError
from mailnode.store.insist import insist

_log = logging.getLogger(__name__)


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
        if drain:
            await insist(postman.recover)
            return await postman.drain()
        recover_at = 0.0
        while not postman.is_stopped:
            self._wake.clear()
            try:
                if self._loop.time() >= recover_at:
                    await postman.recover()
                    recover_at = self._loop.time() + LOOK_SECONDS
                round_ = await postman.round()
            except StoreError as error:
                _log.warning("the queue can't be read now: %s", error)
                await asyncio.sleep(LOOK_SECONDS)
                continue
            if round_.begun:
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                await self._sleep(postman, LOOK_SECONDS if round_.more_in is None else round_.more_in)
        return None

    async def _sleep(self, postman: Postman, seconds: float) -> None:
        woken = [asyncio.create_task(event.wait()) for event in (self._wake, postman.freed)]
        try:
            await asyncio.wait(woken, timeout=min(seconds, LOOK_SECONDS), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in woken:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
