"""The embedded engine: a worker is woken in memory, and sees that other processes have written to the file."""

import asyncio
from contextlib import suppress
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from mailnode.delivery.queue_worker import LOOK_SECONDS, MOST_DEFECTS, PAUSE_SECONDS, QueueWorker
from mailnode.store.retry import retry_transient

# How often a worker that waits sees whether another process has committed something.
GLANCE_SECONDS = 0.02


class EmbeddedEngine:
    """Wakes the worker of this process; on SQLite there is no other way, and none is needed."""

    def __init__(self, log: Path | None = None) -> None:
        """Begin on the running event loop; `log` is the file that every commit to the database is written to.

        What another process has queued is seen there at once, or else, as everything that the log may not show, by the
        look of each second.
        """
        self._log = log
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
            seen = self._log_time()
            batch = await queue_worker.start_due()
            if batch.claims:
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                await self._sleep(queue_worker, LOOK_SECONDS if batch.more_in is None else batch.more_in, seen)

    def _log_time(self) -> int:
        """Tell when something was committed last, in ns, as the file system knows it."""
        with suppress(OSError):  # it is away while nobody has the database open
            return self._log.stat().st_mtime_ns if self._log else 0
        return 0

    async def _sleep(self, queue_worker: QueueWorker, seconds: float, seen: int) -> None:
        """Sleep for so long, or until something is due or free, or committed after the log was `seen`."""
        ends_at = self._loop.time() + min(seconds, LOOK_SECONDS)
        woken = [asyncio.create_task(event.wait()) for event in (self._wake, queue_worker.freed)]
        try:
            is_woken = False
            while not is_woken and (left := ends_at - self._loop.time()) > 0:
                pause = min(left, GLANCE_SECONDS)
                done, _ = await asyncio.wait(woken, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                is_woken = bool(done) or self._log_time() != seen
        finally:
            for task in woken:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
