"""A queue with a hundred thousand mails in it: what one of them takes, and how long another server's mail waits."""

import math
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks import peers
from benchmarks.measure import Measure, Taken
from benchmarks.process import TooLate, free_port, run, started
from benchmarks.queue_job import QueueJob
from benchmarks.queues import Folders, environment_of, go_on, producer_of, worker_of
from benchmarks.servers import counting_sink, postgres

MANY, FEW = 100_000, 1_000
WARM_UP = 200
# Spread over the second after which the worker looks again.
PAUSES = (0.1, 0.3, 0.5, 0.7, 0.9)
_AGAIN = "UPDATE lanes SET failures = 0, retry_at = 0"

Dead = Callable[[int], AbstractContextManager[object]]


class Backlog:
    """One queue of many mails to one server, which is kept from round to round, and short ones beside it."""

    def __init__(self, folders: Folders, fresh: Callable[[str], str] | None = None) -> None:
        """Fill the queue; `fresh` makes a PostgreSQL database of a name and gives its URL."""
        self._folders = folders
        self._fresh = fresh
        self._port = free_port()
        self._numbers = count(0, MANY)
        self._home, self._environment = self._open()
        self._put(self._environment, MANY)

    def ratio(self) -> Taken:
        """Measure a delivery of the many against one of a few."""
        home, environment = self._open()
        self._put(environment, WARM_UP + FEW)
        few = self._seconds(home, environment)
        self._put(self._environment, WARM_UP + FEW)
        many = self._seconds(self._home, self._environment)
        return Taken(FEW / many, 0.0, many / few, math.nan)

    def behind(self, dead: Dead) -> Taken:
        """Measure how long a mail to another server takes while that of the many is dead."""
        self._forget_trouble()
        with dead(self._port), counting_sink(self._home) as sink, ExitStack() as stack:
            job = QueueJob(port=sink.port, warm_up=1, messages=1, first=next(self._numbers))
            worker = stack.enter_context(started(*worker_of(self._environment), errors=self._home / "log"))
            producer = stack.enter_context(started(*producer_of(job, self._environment)))
            taken = []
            try:
                sink.wait(1, worker, producer)
                for number, pause in enumerate(PAUSES):
                    time.sleep(pause)
                    began = time.perf_counter()
                    go_on(producer)
                    sink.wait(2 + number, worker, producer)
                    taken.append(time.perf_counter() - began)
            except TooLate:
                return Taken(0.0, 0.0, math.inf, math.nan)
        return Taken(1 / median(taken), 0.0, median(taken), math.nan)

    def _open(self) -> tuple[Path, dict[str, str]]:
        home = self._folders.fresh()
        return home, environment_of(home, self._fresh(home.name) if self._fresh else None)

    def _put(self, environment: Mapping[str, str], messages: int) -> None:
        job = QueueJob(port=self._port, warm_up=messages, first=next(self._numbers))
        run(*producer_of(job, environment))

    def _seconds(self, home: Path, environment: Mapping[str, str]) -> float:
        with counting_sink(home, self._port) as sink, started(*worker_of(environment), errors=home / "log") as worker:
            sink.wait(WARM_UP, worker)
            began = time.perf_counter()
            sink.wait(WARM_UP + FEW, worker)
            return time.perf_counter() - began

    def _forget_trouble(self) -> None:
        """Have the worker meet the dead server as if for the first time."""
        if url := self._environment.get("MAILNODE_DATABASE_URL"):
            import psycopg

            with psycopg.connect(url, autocommit=True) as database:
                database.execute(_AGAIN)
        else:
            with sqlite3.connect(self._home / "mailnode.db") as file:
                file.execute(_AGAIN)
            file.close()


@contextmanager
def silent(port: int) -> Iterator[None]:
    """Listen, and say nothing."""
    with socket.create_server(("127.0.0.1", port)):
        yield


@contextmanager
def backlogs(folder: Path) -> Iterator[Mapping[str, Measure]]:
    """Give ours on each database that is here."""
    folders = Folders(folder)
    with ExitStack() as stack:
        filled = {"SQLite": Backlog(folders)}
        if peers.has_postgres():
            filled["PostgreSQL"] = Backlog(folders, stack.enter_context(postgres()).fresh)
        yield {
            f"{name} on {database}": measure
            for database, backlog in filled.items()
            for name, measure in (
                ("ratio", backlog.ratio),
                ("silent", partial(backlog.behind, silent)),
                ("closed", partial(backlog.behind, nullcontext)),
            )
        }
