"""What an engine does: wake a worker when something is due, and have its queue worker send it."""

from pathlib import Path
from typing import Protocol

from sqlalchemy import URL, Connection

from mailnode.delivery.queue_worker import QueueWorker


class Engine(Protocol):
    """Wakes workers, and this process if it is one."""

    def wake(self, db: Connection, route_key: str) -> None:
        """Wake a worker, from the transaction that puts a delivery of this route into the queue."""

    async def work(self, queue_worker: QueueWorker, *, drain: bool = False) -> None:
        """Carry what is due until the queue worker is stopped; with `drain` until nothing is due.

        Raises:
            InternalError: with `drain`, it has met several defects in a row.
        """


def engine_of(url: URL | None, log: Path | None) -> Engine:
    """Give the engine of a database: that of this process for a file, with its `log` of commits, or procrastinate."""
    if url is None:
        from mailnode.engine.embedded import EmbeddedEngine

        return EmbeddedEngine(log)
    from mailnode.engine.procrastinate import ProcrastinateEngine

    return ProcrastinateEngine(url)
