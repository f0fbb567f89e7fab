"""What is measured: the work, who does it, and the figures to reach."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks import cold_start
from benchmarks.backlog import backlogs
from benchmarks.job import Job
from benchmarks.measure import Measure, Taken, client, senders, whole_node
from benchmarks.queues import POSTGRES, queues
from benchmarks.servers import far_sink, sink, tls_sink

MEGABYTE = 1024 * 1024
ATTACHMENT_MEGABYTES = 25
SMALL_MEGABYTES, LARGE_MEGABYTES = 1, 100
FAR_MILLISECONDS = 50.0
FAR_SECONDS = 2.5
# Each takes a minute.
BACKLOG_ROUNDS = 3
ALL = ("mailnode", "Nodemailer", "mailnode on asyncio", "aiosmtplib", "smtplib", "smtp-source")

Prepare = Callable[[Path], AbstractContextManager[Mapping[str, Measure]]]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A line of the table.

    `reach` and `least` are how many times better than `beside`; where that is nobody they are bounds of our own value.
    A cost is the better the smaller it is. `ours` is the client of ours whose figure it is.
    """

    work: str
    unit: str
    pick: Callable[[Taken], float]
    is_cost: bool = False
    beside: str = "Nodemailer"
    ours: str = "mailnode"
    reach: float | None
    least: float | None


class Row(NamedTuple):
    """Work that several clients do in turn; `prepare` takes a folder for its files and gives the clients.

    What takes long has fewer rounds than are asked for.
    """

    name: str
    prepare: Prepare
    figures: tuple[Figure, ...]
    most_rounds: int = sys.maxsize


def _mails(taken: Taken) -> float:
    return taken.rate


def _cpu(taken: Taken) -> float:
    return taken.cpu * 1e6


def _each(taken: Taken) -> float:
    return 1e6 / taken.rate


def _megabytes(taken: Taken) -> float:
    return taken.rate * ATTACHMENT_MEGABYTES


def _cpu_a_megabyte(taken: Taken) -> float:
    return taken.cpu * 1e3 / ATTACHMENT_MEGABYTES


def _peak(taken: Taken) -> float:
    return taken.peak / MEGABYTE


def _wall(taken: Taken) -> float:
    return taken.wall


def _plain(sessions: int) -> Prepare:
    @contextmanager
    def prepare(_folder: Path) -> Iterator[Mapping[str, Measure]]:
        with sink() as port:
            yield senders(Job(port=port, sessions=sessions), *ALL)

    return prepare


@contextmanager
def _tls(folder: Path) -> Iterator[Mapping[str, Measure]]:
    with tls_sink(folder) as (port, ca):
        yield senders(Job(port=port, sessions=10, ca=str(ca)), *ALL[:-1])


@contextmanager
def _far(_folder: Path) -> Iterator[Mapping[str, Measure]]:
    with far_sink(FAR_MILLISECONDS) as port:
        yield senders(Job(port=port, seconds=FAR_SECONDS), *ALL)


@contextmanager
def _attachment(folder: Path) -> Iterator[Mapping[str, Measure]]:
    with sink() as port:
        yield senders(Job(port=port, attachment=_file(folder, ATTACHMENT_MEGABYTES)), *ALL[:-1])


@contextmanager
def _memory(folder: Path) -> Iterator[Mapping[str, Measure]]:
    with sink() as port:
        job = Job(port=port, at_most=1, seconds=60, warm_up=0)
        small, large = (replace(job, attachment=_file(folder, size)) for size in (SMALL_MEGABYTES, LARGE_MEGABYTES))
        names = ("mailnode", "Nodemailer", "smtplib")
        yield {
            name: partial(_growth, before, after)
            for name in names
            if (before := client(name, small)) and (after := client(name, large))
        }


def _growth(before: Measure, after: Measure) -> Taken:
    small, large = before(), after()
    return large._replace(peak=large.peak - small.peak)


def _file(folder: Path, megabytes: int) -> str:
    path = folder / f"{megabytes}.bin"
    with path.open("wb") as file:
        # Piece by piece: what this process once had in memory counts for those that it starts.
        for _ in range(megabytes):
            file.write(os.urandom(MEGABYTE))
    return str(path)


@contextmanager
def _compose(_folder: Path) -> Iterator[Mapping[str, Measure]]:
    yield senders(Job(), "mailnode", "Nodemailer", "smtplib")


@contextmanager
def _cold_start(folder: Path) -> Iterator[Mapping[str, Measure]]:
    with sink() as port:
        yield cold_start.scripts(folder, port)


@contextmanager
def _cold_start_with_connection(folder: Path) -> Iterator[Mapping[str, Measure]]:
    with sink() as port:
        yield cold_start.with_connection(folder, port)


@contextmanager
def _whole_node(folder: Path) -> Iterator[Mapping[str, Measure]]:
    with sink() as port:
        job = Job(port=port, sessions=10)
        yield {"mailnode": whole_node(job, folder), "client": whole_node(job)}


ONE = Figure(work="1 session", unit="mails/s", pick=_mails, reach=6, least=4)
ONE_CPU = Figure(work="1 session", unit="us CPU a mail", pick=_cpu, is_cost=True, reach=5, least=4)
TEN = replace(ONE, work="10 sessions", reach=5, least=3.5)
TEN_CPU = replace(ONE_CPU, work=TEN.work)
TEN_BESIDE_C = replace(TEN, beside="smtp-source", reach=0.45, least=None)
TLS = replace(ONE, work="10 sessions, TLS", reach=4, least=3)
TLS_CPU = replace(ONE_CPU, work=TLS.work, reach=None, least=None)
FAR = replace(ONE, work="1 session, 50 ms round trip", reach=1.9, least=1.9)
FILE = Figure(work="25 MB attachment", unit="MB/s", pick=_megabytes, reach=1.4, least=1.2)
FILE_CPU = replace(ONE_CPU, work=FILE.work, unit="ms CPU a MB", pick=_cpu_a_megabyte, reach=3, least=2)
GROWTH = Figure(work="peak memory, 1 to 100 MB attachment", unit="MB more", pick=_peak, beside="", reach=16, least=32)
COMPOSE = Figure(work="compose alone", unit="us", pick=_each, beside="", reach=60, least=100)
COMPOSE_BESIDE = replace(COMPOSE, is_cost=True, beside="smtplib", reach=20, least=None)
START = Figure(work="cold start to accepted", unit="s", pick=_wall, beside="", reach=0.25, least=None)
START_CONNECTION = replace(START, work="the same with a stored connection", reach=0.5)

QUEUED = replace(ONE, work="asynchronous, SQLite", beside="BullMQ", reach=2, least=1.2)
QUEUED_CPU = replace(ONE_CPU, work=QUEUED.work, beside="BullMQ", reach=None, least=None)
SHARED = replace(QUEUED, work="asynchronous, PostgreSQL", ours=POSTGRES, reach=1, least=0.7)
SHARED_CPU = replace(QUEUED_CPU, work=SHARED.work, ours=POSTGRES)

ROWS = (
    Row("one-session", _plain(1), (ONE, ONE_CPU)),
    Row("ten-sessions", _plain(10), (TEN, TEN_CPU, TEN_BESIDE_C)),
    Row("tls", _tls, (TLS, TLS_CPU)),
    Row("far", _far, (FAR,)),
    Row("attachment", _attachment, (FILE, FILE_CPU)),
    Row("memory", _memory, (GROWTH,)),
    Row("compose", _compose, (COMPOSE, COMPOSE_BESIDE)),
    Row("cold-start", _cold_start, (START,)),
    Row("cold-start-connection", _cold_start_with_connection, (START_CONNECTION,)),
)
WHOLE = replace(ONE, work="whole node, 10 runs at once", beside="client", reach=0.3, least=0.2)
MANY = Figure(
    work="100,000 queued against 1,000, time a mail, SQLite", unit="x", pick=_wall, beside="", reach=1.2, least=None
)
MANY = replace(MANY, ours="ratio on SQLite")
MANY_SHARED = replace(MANY, work="the same, PostgreSQL", ours="ratio on PostgreSQL")
BEHIND_SILENT = Figure(
    work="a mail behind 100,000 of a silent server, SQLite",
    unit="s",
    pick=_wall,
    beside="",
    reach=1,
    least=None,
    ours="silent on SQLite",
)
BEHIND_SILENT_SHARED = replace(BEHIND_SILENT, work="the same, PostgreSQL", ours="silent on PostgreSQL")
BEHIND_CLOSED = replace(BEHIND_SILENT, work="a mail behind 100,000 of a closed port, SQLite", ours="closed on SQLite")
BEHIND_CLOSED_SHARED = replace(BEHIND_CLOSED, work="the same, PostgreSQL", ours="closed on PostgreSQL")

# What is measured of those who also keep what is to be sent.
KEEPING_ROWS = (
    Row("whole-node", _whole_node, (WHOLE,)),
    Row("queue", queues, (QUEUED, QUEUED_CPU, SHARED, SHARED_CPU)),
    Row(
        "backlog",
        backlogs,
        (MANY, MANY_SHARED, BEHIND_SILENT, BEHIND_SILENT_SHARED, BEHIND_CLOSED, BEHIND_CLOSED_SHARED),
        most_rounds=BACKLOG_ROUNDS,
    ),
)
