"""What is measured of those who also keep what is to be sent, so that no crash loses it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.backlog import backlogs
from benchmarks.figure import Figure, Row, cpu, mails, wall
from benchmarks.job import Job
from benchmarks.measure import Measure, whole_node
from benchmarks.queues import POSTGRES, queues
from benchmarks.servers import sink

# Each takes a minute.
BACKLOG_ROUNDS = 3


@contextmanager
def _whole_node(folder: Path) -> Iterator[Mapping[str, Measure]]:
    with sink() as port:
        job = Job(port=port, sessions=10)
        yield {"mailnode": whole_node(job, folder), "client": whole_node(job)}


WHOLE = Figure(work="whole node, 10 runs at once", unit="mails/s", pick=mails, beside="client", reach=0.3, least=0.2)
WHOLE_CPU = replace(WHOLE, unit="us CPU a mail", pick=cpu, is_cost=True, reach=None, least=None)
QUEUED = replace(WHOLE, work="asynchronous, SQLite", beside="BullMQ", reach=2, least=1.5)
QUEUED_CPU = replace(WHOLE_CPU, work=QUEUED.work, beside="BullMQ")
SHARED = replace(QUEUED, work="asynchronous, PostgreSQL", ours=POSTGRES, reach=1.3, least=1)
SHARED_CPU = replace(QUEUED_CPU, work=SHARED.work, ours=POSTGRES)


def _backlog(work: str, unit: str, name: str, reach: float) -> tuple[Figure, ...]:
    return tuple(
        Figure(
            work=f"{work}, {database}",
            unit=unit,
            pick=wall,
            is_cost=True,
            beside="",
            reach=reach,
            ours=f"{name} on {database}",
        )
        for database in ("SQLite", "PostgreSQL")
    )


BACKLOG = (
    *_backlog("100,000 queued against 1,000, time a mail", "x", "ratio", 1.2),
    *_backlog("a mail behind 100,000 of a silent server", "s", "silent", 1),
    *_backlog("a mail behind 100,000 of a closed port", "s", "closed", 1),
)

KEEPING_ROWS = (
    Row("whole-node", _whole_node, (WHOLE, WHOLE_CPU)),
    Row("queue", queues, (QUEUED, QUEUED_CPU, SHARED, SHARED_CPU)),
    Row("backlog", backlogs, BACKLOG, most_rounds=BACKLOG_ROUNDS),
)
