"""What is measured of those who also keep what is to be sent, so that no crash loses it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.backlog import backlogs
from benchmarks.figure import Figure, Row, cpu, mails, wall
from benchmarks.handed_in import POSTFIX, RELAY, handed_in
from benchmarks.job import Job
from benchmarks.measure import Measure, whole_node
from benchmarks.queues import (
    ONE_WORKER,
    POSTGRES,
    TWO_WORKERS,
    on_each_database,
    put_alone,
    queues,
    send_alone,
    workers,
)
from benchmarks.runs import over_rows
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
ROWS_RUN = replace(WHOLE, work="`mailnode run` over 1,000 rows", unit="runs/s", beside="", reach=None, least=None)
ROWS_RUN_CPU = replace(WHOLE_CPU, work=ROWS_RUN.work, unit="us CPU a run", beside="")
PUT = replace(WHOLE, work="producer alone, SQLite", beside="", reach=None, least=None)
PUT_CPU = replace(WHOLE_CPU, work=PUT.work, beside="")
SENT, SENT_CPU = (replace(one, work="worker alone, SQLite") for one in (PUT, PUT_CPU))
HANDED_IN = replace(WHOLE, work="handed in by SMTP to accepted upstream, SQLite", beside=POSTFIX, reach=None, least=0.5)
HANDED_ON = replace(HANDED_IN, beside=RELAY, least=None)
TWO = replace(SENT, work="two workers, PostgreSQL", ours=TWO_WORKERS, beside=ONE_WORKER)
TWO_CPU = replace(SENT_CPU, work=TWO.work, ours=TWO_WORKERS, beside=ONE_WORKER, reach=1 / 1.1, least=1 / 1.2)


def _on_both(*figures: Figure) -> tuple[Figure, ...]:
    shared = (replace(one, work=one.work.replace("SQLite", "PostgreSQL"), ours=POSTGRES) for one in figures)
    return (*figures, *shared)


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
    Row("rows", over_rows, (ROWS_RUN, ROWS_RUN_CPU)),
    Row("queue", queues, (QUEUED, QUEUED_CPU, SHARED, SHARED_CPU)),
    Row("submission", handed_in, (HANDED_IN, HANDED_ON)),
    Row("producer", partial(on_each_database, measure=put_alone), _on_both(PUT, PUT_CPU)),
    Row("worker", partial(on_each_database, measure=send_alone), _on_both(SENT, SENT_CPU)),
    Row("workers", workers, (TWO, TWO_CPU)),
    Row("backlog", backlogs, BACKLOG, most_rounds=BACKLOG_ROUNDS),
)
