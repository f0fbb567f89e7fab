"""mailnode: what a mail through the queue takes beside time, counted: one process puts mails, then sends them.

python -m benchmarks.clients.budget JOB    in the home and database of the environment; tells a JSON object
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Engine, event

from benchmarks.budget import COUNTED
from benchmarks.clients.queue_mailnode import PUT_AT_ONCE, mail_of
from benchmarks.queue_job import QueueJob
from mailnode.app import Mailnode


class Counted:
    """Counts what all of this process does, and gives it for each mail."""

    def __init__(self) -> None:
        """Count from now on."""
        self._counts: Counter[str] = Counter()
        event.listen(Engine, "before_cursor_execute", lambda *_: self._count("statements"))
        event.listen(Engine, "commit", lambda _: self._count("commits"))
        for module, name in ((json, "dumps"), (json, "loads")):
            setattr(module, name, self._counting("JSON passes", getattr(module, name)))
        setattr(ThreadPoolExecutor, "submit", self._counting("thread hops", ThreadPoolExecutor.submit))  # noqa: B010 -- it is no method then

    def tasks(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **options: Any) -> Any:
        """Make a task, as the factory of a loop."""
        self._count("tasks")
        return asyncio.Task(work, loop=loop, **options)

    def take(self, mails: int) -> dict[str, float]:
        """Give what was counted since the last time, for each mail."""
        counts, self._counts = self._counts, Counter()
        return {what: counts[what] / mails for what in COUNTED}

    def _count(self, what: str) -> None:
        self._counts[what] += 1

    def _counting(self, what: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*given: Any, **options: Any) -> Any:
            self._count(what)
            return function(*given, **options)

        return counted


async def main(job: QueueJob) -> None:
    """Put mails, and send them over as many sessions as a server is given."""
    counted = Counted()
    loop: Any = asyncio.get_running_loop()
    loop.set_task_factory(counted.tasks)
    async with Mailnode.open() as mailnode:
        numbers = iter(range(job.messages))

        async def put() -> None:
            for number in numbers:
                await mailnode._dispatcher.queue(mail_of(job.port, number))  # noqa: SLF001 -- the queue alone is measured

        counted.take(1)
        await asyncio.gather(*(put() for _ in range(PUT_AT_ONCE)))
        queued = counted.take(job.messages)
        await mailnode.work(drain=True)
        sys.stdout.write(json.dumps({"queued": queued, "sent": counted.take(job.messages)}) + "\n")


if __name__ == "__main__":
    import uvloop

    uvloop.run(main(QueueJob.loads(sys.argv[1])))
