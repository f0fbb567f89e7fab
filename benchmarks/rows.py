"""What is measured of those who send, and the figures to reach."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks import cold_start
from benchmarks.figure import Figure, Prepare, Row, cpu, each, mails, wall
from benchmarks.job import Job
from benchmarks.measure import Measure, Taken, client, senders
from benchmarks.servers import far_sink, sink, tls_sink

MEGABYTE = 1024 * 1024
ATTACHMENT_MEGABYTES = 25
SMALL_MEGABYTES, LARGE_MEGABYTES = 1, 100
FAR_MILLISECONDS = 50.0
FAR_SECONDS = 2.5
ALL = ("mailnode", "Nodemailer", "mailnode on asyncio", "aiosmtplib", "smtplib", "smtp-source")
MANY = (*ALL, "django")


def _megabytes(taken: Taken) -> float:
    return taken.rate * ATTACHMENT_MEGABYTES


def _cpu_a_megabyte(taken: Taken) -> float:
    return taken.cpu * 1e3 / ATTACHMENT_MEGABYTES


def _peak(taken: Taken) -> float:
    return taken.peak / MEGABYTE


def _plain(sessions: int) -> Prepare:
    @contextmanager
    def prepare(_folder: Path) -> Iterator[Mapping[str, Measure]]:
        with sink() as port:
            yield senders(Job(port=port, sessions=sessions), *MANY)

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


ONE = Figure(work="1 session", unit="mails/s", pick=mails, reach=5, least=4.5)
ONE_CPU = Figure(work="1 session", unit="us CPU a mail", pick=cpu, is_cost=True, reach=5, least=4)
TEN = replace(ONE, work="10 sessions", reach=4.5, least=3.8)
TEN_CPU = replace(ONE_CPU, work=TEN.work)
TEN_BESIDE_C = replace(TEN, beside="smtp-source", reach=0.5, least=0.45)
TLS = replace(ONE, work="10 sessions, TLS", reach=4, least=3)
TLS_CPU = replace(ONE_CPU, work=TLS.work, reach=None, least=None)
FAR = replace(ONE, work="1 session, 50 ms round trip", reach=1.9, least=1.9)
FAR_CPU = replace(TLS_CPU, work=FAR.work)
FILE = Figure(work="25 MB attachment", unit="MB/s", pick=_megabytes, reach=1.4, least=1.2)
FILE_CPU = replace(ONE_CPU, work=FILE.work, unit="ms CPU a MB", pick=_cpu_a_megabyte, reach=3, least=2)
GROWTH = Figure(
    work="peak memory, 1 to 100 MB attachment", unit="MB more", pick=_peak, is_cost=True, beside="", reach=16, least=32
)
COMPOSE = Figure(work="compose alone", unit="us", pick=each, is_cost=True, beside="", reach=60, least=100)
COMPOSE_CPU = replace(COMPOSE, unit="us CPU a mail", pick=cpu, reach=None, least=None)
COMPOSE_BESIDE = replace(COMPOSE, beside="smtplib", reach=20, least=None)
START = Figure(work="cold start to accepted", unit="s", pick=wall, is_cost=True, beside="", reach=0.25)
START_CPU = replace(START, unit="us CPU", pick=cpu, reach=None)
START_CONNECTION = replace(START, work="cold start with a stored connection", reach=0.35)
START_CONNECTION_CPU = replace(START_CPU, work=START_CONNECTION.work)

ROWS = (
    Row("one-session", _plain(1), (ONE, ONE_CPU)),
    Row("ten-sessions", _plain(10), (TEN, TEN_CPU, TEN_BESIDE_C)),
    Row("tls", _tls, (TLS, TLS_CPU)),
    Row("far", _far, (FAR, FAR_CPU)),
    Row("attachment", _attachment, (FILE, FILE_CPU)),
    Row("memory", _memory, (GROWTH,), compares=False),
    Row("compose", _compose, (COMPOSE, COMPOSE_CPU, COMPOSE_BESIDE)),
    Row("cold-start", _cold_start, (START, START_CPU)),
    Row("cold-start-connection", _cold_start_with_connection, (START_CONNECTION, START_CONNECTION_CPU)),
)
