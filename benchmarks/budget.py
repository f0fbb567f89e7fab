"""What a mail through the queue takes beside time: counts, which a busy machine changes little."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path

from benchmarks import peers
from benchmarks.figure import Figure, Row, mails
from benchmarks.measure import Measure, Taken
from benchmarks.process import run
from benchmarks.queue_job import QueueJob
from benchmarks.queues import Folders
from benchmarks.servers import Postgres, postgres, sink

MESSAGES = 1000
DATABASES = ("SQLite", "PostgreSQL")
PARTS = ("queued", "sent")
# Statements said to the database, commits, jobs given to threads, tasks of the event loop, JSON texts read or written.
COUNTED = ("statements", "commits", "thread hops", "tasks", "JSON passes")

Counts = Mapping[str, Mapping[str, float]]


@contextmanager
def _counts(folder: Path) -> Iterator[Mapping[str, Measure]]:
    """Give each count on each database that is here; those of one database come of one process, which runs once."""
    folders = Folders(folder)
    with ExitStack() as stack:
        port = stack.enter_context(sink())
        servers: dict[str, Postgres | None] = {"SQLite": None}
        if peers.has_postgres():
            servers["PostgreSQL"] = stack.enter_context(postgres())
        yield {
            f"{part}, {what}, {database}": partial(_one, counts, part, what)
            for database, server in servers.items()
            for counts in (cache(partial(_counted, folders, server, port)),)
            for part in PARTS
            for what in COUNTED
        }


def _counted(folders: Folders, server: Postgres | None, port: int) -> Counts:
    job = QueueJob(port=port, messages=MESSAGES)
    _, environment = folders.home(server)
    counts: Counts = json.loads(
        run([sys.executable, "-m", "benchmarks.clients.budget", job.dumps()], environment).output
    )
    return counts


def _one(counts: Callable[[], Counts], part: str, what: str) -> Taken:
    return Taken(counts()[part][what], math.nan, math.nan, math.nan)


BUDGET_ROWS = (
    Row(
        "budget",
        _counts,
        tuple(
            Figure(
                work=f"a mail {part}, {database}",
                unit=what,
                pick=mails,
                is_cost=True,
                beside="",
                ours=f"{part}, {what}, {database}",
            )
            for database in DATABASES
            for part in PARTS
            for what in COUNTED
        ),
        most_rounds=1,
    ),
)
