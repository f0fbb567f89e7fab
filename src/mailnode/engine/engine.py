"""What every engine can do: say that something is due, have a queue worker send it; and which one a database has."""

from typing import Protocol

from sqlalchemy import URL

from mailnode.delivery.intake import Engine
from mailnode.delivery.queue_worker import QueueWorker

# Who is to end when nothing is due does not begin again more often than this, in a row, after a defect.
MOST_DEFECTS = 3


class WorkingEngine(Engine, Protocol):
    """Wakes workers, and this process if it is one."""

    async def work(self, queue_worker: QueueWorker, *, drain: bool = False) -> None:
        """Carry what is due until the queue worker is stopped; with `drain` until nothing is due.

        Raises:
            InternalError: with `drain`, it has met several defects in a row.
        """


def engine_of(url: URL | None) -> WorkingEngine:
    """Give the engine of a database: that of this process for a file, where there is no `url`, else procrastinate."""
    if url is None:
        from mailnode.engine.embedded import EmbeddedEngine

        return EmbeddedEngine()
    from mailnode.engine.procrastinate import ProcrastinateEngine

    return ProcrastinateEngine(url)
