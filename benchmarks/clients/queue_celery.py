"""Celery on Redis with smtplib: each process of the worker keeps its session."""

import os
import smtplib
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from celery import Celery

from benchmarks.clients.words import by_standard_library
from benchmarks.queue_job import QueueJob

PUT_AT_ONCE = 10

job = QueueJob.loads(os.environ["QUEUE_JOB"])
app = Celery("mail", broker=f"redis://127.0.0.1:{job.broker}/0")
app.conf.update(
    task_acks_late=True, task_ignore_result=True, worker_prefetch_multiplier=10, broker_pool_limit=PUT_AT_ONCE
)


@cache
def session() -> smtplib.SMTP:
    """Open the one session of this process."""
    return smtplib.SMTP("127.0.0.1", job.port)


def _send(number: int) -> None:
    """Send one mail."""
    session().send_message(by_standard_library(number))


send = app.task(name="send")(_send)


def put(begin: int, count: int) -> None:
    """Put tasks into the queue; one of several threads."""
    with app.producer_pool.acquire(block=True) as producer:
        for number in range(begin, begin + count):
            send.apply_async((number,), producer=producer)


def some(begin: int, count: int) -> None:
    """Put all of them: what one thread waits for the disk others use."""
    share = -(-count // PUT_AT_ONCE)
    with ThreadPoolExecutor(PUT_AT_ONCE) as threads:
        puts = [threads.submit(put, at, min(share, begin + count - at)) for at in range(begin, begin + count, share)]
    for done in puts:
        done.result()


if __name__ == "__main__":
    for turn in job.turns():
        some(*turn)
