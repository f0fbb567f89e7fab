"""Celery on Redis with smtplib: each process of the worker keeps its session."""

import os
import smtplib
import time
from functools import cache

import redis
from celery import Celery

from benchmarks.clients.words import by_standard_library
from benchmarks.queue_job import QueueJob, show

LOOK_SECONDS = 0.02
DONE = "done"

job = QueueJob.loads(os.environ["QUEUE_JOB"])
app = Celery("mail", broker=f"redis://127.0.0.1:{job.broker}/0")
app.conf.update(task_acks_late=True, task_ignore_result=True, worker_prefetch_multiplier=10)
store = redis.Redis(port=job.broker)


@cache
def session() -> smtplib.SMTP:
    """Open the one session of this process."""
    return smtplib.SMTP("127.0.0.1", job.port)


@app.task(name="send")  # type: ignore[untyped-decorator]
def send(number: int) -> None:
    """Send one mail, and count it."""
    session().send_message(by_standard_library(number))
    store.incr(DONE)


def some(begin: int, count: int) -> None:
    """Put tasks into the queue, and wait until all are done."""
    with app.producer_pool.acquire(block=True) as producer:
        for number in range(begin, begin + count):
            send.apply_async((number,), producer=producer)
    while int(store.get(DONE) or 0) < begin + count:
        time.sleep(LOOK_SECONDS)


def produce() -> None:
    """Warm up, and measure."""
    some(0, job.warm_up)
    began = time.perf_counter()
    some(job.warm_up, job.messages)
    show(time.perf_counter() - began)


if __name__ == "__main__":
    produce()
