"""What a look at the database and a mail through the queue take, with few deliveries in it and with many.

GROWTH=1000000 in the environment has a million beside the usual hundred thousand.
"""

import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

from benchmarks import peers
from benchmarks.figure import Figure, Row, cpu, each
from benchmarks.job import Tally
from benchmarks.measure import Measure, Taken
from benchmarks.process import Answering, answering, run
from benchmarks.queue_job import QueueJob
from benchmarks.queues import Folders, through
from benchmarks.servers import Postgres, postgres, sink

FEW, MANY = 1_000, 100_000
# Over so many the deliveries ended, one after another: fewer than are kept.
DAYS = 20
# The columns of the table.
COUNTS = tuple(sorted({FEW, MANY, *map(int, os.environ.get("GROWTH", "").split())}))
VIEWS = (
    "list",
    "list by recipient",
    "list by state",
    "list by run",
    "show by id",
    "show by the beginning of an id",
    "show by Message-ID",
    "history of a day",
    f"history of {DAYS} days",
    "list of runs",
    "list of runs by status",
    "sweep",
)
MAIL = "a mail through the queue"
MESSAGES, WARM_UP = 1_000, 200


class Filled(NamedTuple):
    """A database with many deliveries."""

    home: Path
    environment: Mapping[str, str]

    @classmethod
    def new(cls, folders: Folders, server: Postgres | None, deliveries: int) -> "Filled":
        """Make one, and fill it."""
        home, environment = folders.home(server)
        with sink() as port:
            run([sys.executable, "-m", "benchmarks.clients.fill", str(deliveries), str(port)], environment)
        return cls(home, environment)


def _figures(database: str) -> tuple[Figure, ...]:
    """Give what is told of each view, and of a mail."""
    most = _named(COUNTS[-1])
    look = Figure(work="", unit="ms", pick=_milliseconds, is_cost=True, beside="", ours=most, reach=20, least=50)
    look_cpu = replace(look, unit="ms CPU", pick=_cpu_milliseconds, reach=None, least=None, in_table=False)
    mail = replace(look, unit="us", pick=each, beside=_named(FEW), reach=1 / 1.05, least=1 / 1.2)
    mail_cpu = replace(mail, unit="us CPU", pick=cpu)
    of_all = [(name, figure) for name in VIEWS for figure in (look, look_cpu)]
    return tuple(
        replace(figure, work=f"{name}, {database}", of=f"{name}, ")
        for name, figure in (*of_all, (MAIL, mail), (MAIL, mail_cpu))
    )


@contextmanager
def _clients(folder: Path, *, is_shared: bool) -> Iterator[Mapping[str, Measure]]:
    """Give each view of each size, and mails through it."""
    if is_shared and not peers.has_postgres():
        yield {}
        return
    folders, firsts = Folders(folder), count(0, WARM_UP + MESSAGES)
    with ExitStack() as stack:
        server = stack.enter_context(postgres()) if is_shared else None
        clients: dict[str, Measure] = {}
        for deliveries in COUNTS:
            filled = Filled.new(folders, server, deliveries)
            command = [sys.executable, "-m", "benchmarks.clients.views", str(deliveries)]
            keeper = str(server.process.pid if server else 0)
            viewer = stack.enter_context(answering([*command, keeper], filled.environment))
            viewer.hear()
            for name in VIEWS:
                clients[f"{name}, {_named(deliveries)}"] = partial(_look, viewer, name)

            # A thousand mails more are many beside a thousand.
            def fresh(filled: Filled = filled, deliveries: int = deliveries) -> Filled:
                return Filled.new(folders, server, deliveries) if deliveries == FEW else filled

            clients[f"{MAIL}, {_named(deliveries)}"] = partial(_mail, fresh, firsts, server)
        yield clients


def _look(viewer: Answering, name: str) -> Taken:
    tally = Tally(*viewer.ask(name))
    return Taken(tally.messages / tally.wall, tally.cpu / tally.messages, tally.wall, math.nan)


def _mail(fresh: Callable[[], Filled], firsts: Iterator[int], server: Postgres | None) -> Taken:
    job = QueueJob(port=0, messages=MESSAGES, warm_up=WARM_UP, first=next(firsts))
    return through(job, *fresh(), server)


def _named(deliveries: int) -> str:
    return f"{deliveries:,}"


def _milliseconds(taken: Taken) -> float:
    return 1e3 / taken.rate


def _cpu_milliseconds(taken: Taken) -> float:
    return taken.cpu * 1e3


GROWTH_ROWS = (
    Row("growth-sqlite", partial(_clients, is_shared=False), _figures("SQLite")),
    Row("growth-postgresql", partial(_clients, is_shared=True), _figures("PostgreSQL")),
)
