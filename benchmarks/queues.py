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
from benchmarks.process import cpu_seconds, free_port, run, started, wait_until
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
# Until both have begun: what it costs to load the second is not what a mail costs.
TWO_WORKERS_WARM_UP = 2500
ONE_WORKER, TWO_WORKERS = "one worker", "two workers"
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
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._numbers = count()

    def fresh(self) -> Path:
        """Make one."""
        fresh = self._folder / f"q{next(self._numbers)}"
        fresh.mkdir()
        return fresh

    def home(self, server: Postgres | None) -> tuple[Path, dict[str, str]]:
        """Make one for a mailnode, and its environment, on SQLite or on a database of its own of a server."""
        home = self.fresh()
        return home, environment_of(home, server.fresh(home.name) if server else None)


@contextmanager
def on_each_database(
    folder: Path, measure: Callable[[QueueJob, Folders, Postgres | None], Taken]
) -> Iterator[dict[str, Measure]]:
    """Give ours on SQLite, and on PostgreSQL if it is here."""
    job, folders = QueueJob(port=0), Folders(folder)
    clients: dict[str, Measure] = {SQLITE: partial(measure, job, folders, None)}
    if not peers.has_postgres():
        yield clients
        return
    with postgres() as server:
        yield {**clients, POSTGRES: partial(measure, job, folders, server)}


@contextmanager
def workers(folder: Path) -> Iterator[Mapping[str, Measure]]:
    """Give a worker in one process and in two on PostgreSQL, if it is here; the second one begins with the warm-up."""
    if not peers.has_postgres():
        yield {}
        return
    with postgres() as server:
        measure = partial(send_alone, QueueJob(port=0, warm_up=TWO_WORKERS_WARM_UP), Folders(folder), server)
        yield {ONE_WORKER: partial(measure, 1), TWO_WORKERS: partial(measure, 2)}


@contextmanager
def queues(folder: Path) -> Iterator[Mapping[str, Measure]]:
    """Give each queue that is here, with a measure that begins with an empty one."""
    job = QueueJob(port=0)
    with on_each_database(folder, _ours) as clients:
        folders = Folders(folder / "peers")
        if peers.redis_server() and peers.node():
            clients["BullMQ"] = _best_bullmq(job, folders)
        if peers.redis_server() and peers.has("celery"):
            fewer = replace(job, messages=CELERY_MESSAGES, warm_up=CELERY_WARM_UP)
            clients["Celery"] = partial(_beside_redis, fewer, folders, _celery)
        if peers.has("django-post-office"):
            clients["django-post-office"] = partial(_post_office, job, folders)
        yield clients


def environment_of(home: Path, url: str | None) -> dict[str, str]:
    """Give the environment of a mailnode in a folder, on SQLite or on the database at a URL."""
    return {
        "MAILNODE_HOME": str(home),
        **({"MAILNODE_DATABASE_URL": url, "MAILNODE_SECRET_KEY": _SECRET_KEY} if url else {}),
    }


def worker_of(environment: Mapping[str, str], processes: int = 1) -> Process:
    """Give `mailnode worker`, in one process or in several under one that only watches them."""
    several = ["--processes", str(processes)] if processes > 1 else []
    return [sys.executable, "-m", "mailnode", "worker", *several], environment


def producer_of(job: QueueJob, environment: Mapping[str, str]) -> Process:
    """Give who puts messages into the queue of that mailnode."""
    return [sys.executable, "-m", "benchmarks.clients.queue_mailnode", job.dumps()], environment


def go_on(producer: subprocess.Popen[bytes]) -> None:
    """Have a producer put its next messages."""
    assert producer.stdin is not None
    producer.stdin.write(b"go on\n")
    producer.stdin.flush()


def _ours(job: QueueJob, folders: Folders, server: Postgres | None) -> Taken:
    return through(job, *folders.home(server), server)


def through(job: QueueJob, home: Path, environment: Mapping[str, str], server: Postgres | None) -> Taken:
    """Measure mails through the queue of a mailnode, from one process to another one."""

    def queue(job: QueueJob) -> Queue:
        return Queue(worker_of(environment), producer_of(job, environment), (server.process,) if server else ())

    return _measure(job, home, queue)


def put_alone(job: QueueJob, folders: Folders, server: Postgres | None) -> Taken:
    """Measure who puts messages into the queue, which nobody takes out."""
    home, environment = folders.home(server)
    said = home / "put"
    with started(*producer_of(replace(job, port=free_port()), environment), said=said) as producer:
        pids = [process.pid for process in (producer, *((server.process,) if server else ()))]

        def turns() -> int:
            return said.read_text().count("\n")

        wait_until(turns, 1, producer)
        time.sleep(SETTLE_SECONDS)
        cpu, wall = cpu_seconds(*pids), time.perf_counter()
        go_on(producer)
        wait_until(turns, 2, producer)
        wall = time.perf_counter() - wall
        cpu = cpu_seconds(*pids) - cpu
    return Taken(job.messages / wall, cpu / job.messages, wall, math.nan)


def send_alone(job: QueueJob, folders: Folders, server: Postgres | None, workers: int = 1) -> Taken:
    """Measure workers that send what somebody has put before; CPU is that of the sink too."""
    home, environment = folders.home(server)
    with counting_sink(home) as sink, ExitStack() as stack:
        run(*producer_of(replace(job, port=sink.port, warm_up=job.warm_up + job.messages), environment))
        worker = stack.enter_context(started(*worker_of(environment, workers), errors=home / "worker.log"))
        pids = [process.pid for process in (sink.process, worker, *((server.process,) if server else ()))]
        sink.wait(job.warm_up, worker)
        begun = sink.taken()
        cpu, wall = cpu_seconds(*pids), time.perf_counter()
        sink.wait(job.warm_up + job.messages, worker)
        wall = time.perf_counter() - wall
        cpu = cpu_seconds(*pids) - cpu
        sent = sink.taken() - begun
    return Taken(sent / wall, cpu / sent, wall, math.nan)


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


def _post_office(job: QueueJob, folders: Folders) -> Taken:
    folder = folders.fresh()

    def process(role: str, job: QueueJob) -> Process:
        return [sys.executable, "-m", "benchmarks.clients.queue_post_office", role, job.dumps(), str(folder)], {}

    run(*process("prepare", job))
    return _measure(job, folder, lambda job: Queue(process("work", job), process("produce", job)))


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
        pids = [process.pid for process in (*processes, *parts.keepers)]
        sink.wait(job.warm_up, *processes)
        time.sleep(SETTLE_SECONDS)
        cpu, wall = cpu_seconds(*pids), time.perf_counter()
        go_on(producer)
        sink.wait(job.warm_up + job.messages, *processes)
        wall = time.perf_counter() - wall
        cpu = cpu_seconds(*pids) - cpu
        time.sleep(SETTLE_SECONDS)
        if sink.taken() != job.warm_up + job.messages:
            raise SystemExit(f"{sink.taken()} messages have come, which is more than were put")
    return Taken(job.messages / wall, cpu / job.messages, wall, math.nan)
