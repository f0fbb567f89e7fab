"""Queues that survive a crash: one process puts messages in, one worker sends them, beside each other."""

import base64
import math
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

from benchmarks import peers
from benchmarks.measure import Measure, Taken
from benchmarks.process import cpu_seconds, started
from benchmarks.queue_job import QueueJob
from benchmarks.servers import Postgres, counting_sink, postgres, redis

# Celery's are processes: two, as many as this work has cores. It is slow enough to be measured with fewer messages.
CELERY_PROCESSES = 2
CELERY_MESSAGES, CELERY_WARM_UP = 600, 100
# Each is tried once before its first round, and BullMQ is measured with its best.
BULLMQ_CONCURRENCIES = (10, 20, 50)
PILOT_MESSAGES = 1500
# From the last message of the warm-up until all that comes after it is written down.
SETTLE_SECONDS = 0.3

SQLITE, POSTGRES = "mailnode", "mailnode on PostgreSQL"
_SECRET_KEY = base64.b64encode(bytes(32)).decode()

Process = tuple[Sequence[str], Mapping[str, str]]


class Queue(NamedTuple):
    """A worker and who puts messages in, and the processes that keep them meanwhile."""

    worker: Process
    producer: Process
    keepers: tuple[subprocess.Popen[bytes], ...] = ()


class Folders:
    """Fresh folders and names."""

    def __init__(self, folder: Path) -> None:
        """Make them within a folder."""
        self._folder = folder
        self._numbers = count()

    def fresh(self) -> Path:
        """Make one."""
        fresh = self._folder / f"q{next(self._numbers)}"
        fresh.mkdir()
        return fresh


@contextmanager
def queues(folder: Path) -> Iterator[Mapping[str, Measure]]:
    """Give each queue that is here, with a measure that begins with an empty one."""
    folders = Folders(folder)
    job = QueueJob(port=0)
    with ExitStack() as stack:
        clients: dict[str, Measure] = {SQLITE: partial(_ours, job, folders, None)}
        if peers.has_postgres():
            clients[POSTGRES] = partial(_ours, job, folders, stack.enter_context(postgres()))
        if peers.redis_server() and peers.node():
            clients["BullMQ"] = _best_bullmq(job, folders)
        if peers.redis_server() and peers.has("celery"):
            fewer = replace(job, messages=CELERY_MESSAGES, warm_up=CELERY_WARM_UP)
            clients["Celery"] = partial(_beside_redis, fewer, folders, _celery)
        yield clients


def environment_of(home: Path, url: str | None) -> dict[str, str]:
    """Give the environment of a mailnode in a folder, on SQLite or on the database at a URL."""
    return {
        "MAILNODE_HOME": str(home),
        **({"MAILNODE_DATABASE_URL": url, "MAILNODE_SECRET_KEY": _SECRET_KEY} if url else {}),
    }


def worker_of(environment: Mapping[str, str]) -> Process:
    """Give `mailnode worker`."""
    return [sys.executable, "-m", "mailnode", "worker"], environment


def producer_of(job: QueueJob, environment: Mapping[str, str]) -> Process:
    """Give who puts messages into the queue of that mailnode."""
    return [sys.executable, "-m", "benchmarks.clients.queue_mailnode", job.dumps()], environment


def go_on(producer: subprocess.Popen[bytes]) -> None:
    """Have a producer put its next messages."""
    assert producer.stdin is not None
    producer.stdin.write(b"go on\n")
    producer.stdin.flush()


def _ours(job: QueueJob, folders: Folders, server: Postgres | None) -> Taken:
    home = folders.fresh()
    environment = environment_of(home, server.fresh(home.name) if server else None)

    def queue(job: QueueJob) -> Queue:
        return Queue(worker_of(environment), producer_of(job, environment), (server.process,) if server else ())

    return _measure(job, home, queue)


def _beside_redis(job: QueueJob, folders: Folders, processes: Callable[[QueueJob], tuple[Process, Process]]) -> Taken:
    folder = folders.fresh()
    with redis(folder) as (broker, process):
        return _measure(replace(job, broker=broker), folder, lambda job: Queue(*processes(job), (process,)))


def _bullmq(job: QueueJob) -> tuple[Process, Process]:
    script = [str(peers.node()), "benchmarks/clients/queue_bullmq.mjs"]
    return ([*script, "work", job.dumps()], {}), ([*script, "produce", job.dumps()], {})


def _celery(job: QueueJob) -> tuple[Process, Process]:
    environment = {"QUEUE_JOB": job.dumps()}
    module = "benchmarks.clients.queue_celery"
    options = f"-A {module} -q worker -P prefork -c {CELERY_PROCESSES} --without-gossip --without-mingle"
    worker = [sys.executable, "-m", "celery", *options.split()]
    return (worker, environment), ([sys.executable, "-m", module], environment)


def _best_bullmq(job: QueueJob, folders: Folders) -> Measure:
    def rate(concurrency: int) -> float:
        pilot = replace(job, messages=PILOT_MESSAGES, concurrency=concurrency)
        return _beside_redis(pilot, folders, _bullmq).rate

    best = cache(lambda: max(BULLMQ_CONCURRENCIES, key=rate))
    return lambda: _beside_redis(replace(job, concurrency=best()), folders, _bullmq)


def _measure(job: QueueJob, folder: Path, queue: Callable[[QueueJob], Queue]) -> Taken:
    """Take the time from the first that is put to the last that the server has accepted, and the CPU meanwhile."""
    with counting_sink(folder) as sink, ExitStack() as stack:
        parts = queue(replace(job, port=sink.port))
        worker = stack.enter_context(started(*parts.worker, errors=folder / "worker.log"))
        producer = stack.enter_context(started(*parts.producer))
        processes = (worker, producer)
        sink.wait(job.warm_up, *processes)
        time.sleep(SETTLE_SECONDS)
        cpu, wall = cpu_seconds(*processes, *parts.keepers), time.perf_counter()
        go_on(producer)
        sink.wait(job.warm_up + job.messages, *processes)
        wall = time.perf_counter() - wall
        cpu = cpu_seconds(*processes, *parts.keepers) - cpu
        time.sleep(SETTLE_SECONDS)
        if sink.taken() != job.warm_up + job.messages:
            raise SystemExit(f"{sink.taken()} messages have come, which is more than were put")
    return Taken(job.messages / wall, cpu / job.messages, wall, math.nan)
