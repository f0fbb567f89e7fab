"""Queues that survive a crash: one process puts messages in, one worker sends them, beside each other."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks import peers
from benchmarks.measure import Measure, Taken
from benchmarks.process import run, started
from benchmarks.queue_job import QueueJob
from benchmarks.servers import redis, sink

# Celery's are processes: two, as many as this work has cores.
CELERY_PROCESSES = 2
_MAILNODE = ("mailnode", "worker")

Process = tuple[Sequence[str], Mapping[str, str]]


@contextmanager
def queues(folder: Path) -> Iterator[Mapping[str, Measure]]:
    """Give each queue that is here, with a measure that begins with an empty one."""
    with sink() as port:
        job = QueueJob(port=port)
        clients: dict[str, Measure] = {"mailnode": lambda: _measure(job, *_ours(job, _fresh(folder)))}
        if peers.redis_server():
            if peers.node():
                clients["Nodemailer"] = lambda: _beside_redis(job, folder, _bullmq)
            if peers.has("celery"):
                clients["smtplib"] = lambda: _beside_redis(job, folder, _celery)
        yield clients


def _ours(job: QueueJob, home: str) -> tuple[Process, Process]:
    environment = {"MAILNODE_HOME": home}
    producer = [sys.executable, "-m", "benchmarks.clients.queue_mailnode", job.dumps()]
    return ([sys.executable, "-m", *_MAILNODE], environment), (producer, environment)


def _bullmq(job: QueueJob) -> tuple[Process, Process]:
    script = [str(peers.node()), "benchmarks/clients/queue_bullmq.mjs"]
    return ([*script, "work", job.dumps()], {}), ([*script, "produce", job.dumps()], {})


def _celery(job: QueueJob) -> tuple[Process, Process]:
    environment = {"QUEUE_JOB": job.dumps()}
    module = "benchmarks.clients.queue_celery"
    options = f"-A {module} -q worker -P prefork -c {CELERY_PROCESSES} --without-gossip --without-mingle"
    worker = [sys.executable, "-m", "celery", *options.split()]
    return (worker, environment), ([sys.executable, "-m", module], environment)


def _beside_redis(job: QueueJob, folder: Path, processes: Callable[[QueueJob], tuple[Process, Process]]) -> Taken:
    with redis(Path(_fresh(folder))) as broker:
        job = replace(job, broker=broker)
        return _measure(job, *processes(job))


def _measure(job: QueueJob, worker: Process, producer: Process) -> Taken:
    with started(*worker):
        ended = run(*producer)
    seconds = json.loads(ended.output)["seconds"]
    return Taken(job.messages / seconds, 0.0, ended.wall, ended.peak)


def _fresh(folder: Path) -> str:
    number = len(list(folder.iterdir()))
    fresh = folder / str(number)
    fresh.mkdir()
    return str(fresh)
