"""The embedded engine: a worker is woken in memory, and looks each second for what other processes have queued."""

import asyncio
from contextlib import suppress
from functools import partial

from sqlalchemy import Connection

from mailnode.delivery.queue_worker import LOOK_SECONDS, MOST_DEFECTS, PAUSE_SECONDS, QueueWorker
from mailnode.store.retry import retry_transient


class EmbeddedEngine:
    """Wakes the worker of this process; on SQLite there is no other way, and none is needed."""

    def __init__(self) -> None:
        """Begin on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()

    def wake(self, db: Connection, route_key: str) -> None:  # noqa: ARG002 -- the worker looks for itself
        """Wake the worker, whose claim comes after the commit of this very transaction."""
        with suppress(RuntimeError):  # the loop is closed: what is queued now is for another process
            self._loop.call_soon_threadsafe(self._wake.set)

    async def work(self, queue_worker: QueueWorker, *, drain: bool = False) -> None:
        """Carry what is due until the queue worker is stopped; with `drain` until nothing is due."""
        queue_worker.start()
        work = partial(self._drain if drain else self._work, queue_worker)
        await queue_worker.supervised.run(work, queue_worker.stopped, most_defects=MOST_DEFECTS if drain else None)

    async def _drain(self, queue_worker: QueueWorker) -> None:
        await retry_transient(queue_worker.recover)
        await queue_worker.drain()

    async def _work(self, queue_worker: QueueWorker) -> None:
        recover_at = 0.0
        while not queue_worker.is_stopped:
            self._wake.clear()
            if self._loop.time() >= recover_at:
                await queue_worker.recover()
                recover_at = self._loop.time() + LOOK_SECONDS
            batch = await queue_worker.start_due()
            if batch.claims:
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                await self._sleep(queue_worker, LOOK_SECONDS if batch.more_in is None else batch.more_in)

    async def _sleep(self, queue_worker: QueueWorker, seconds: float) -> None:
        woken = [asyncio.create_task(event.wait()) for event in (self._wake, queue_worker.freed)]
        try:
            await asyncio.wait(woken, timeout=min(seconds, LOOK_SECONDS), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in woken:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
