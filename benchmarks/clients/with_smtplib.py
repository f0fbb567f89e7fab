"""The standard library: email.message and smtplib; a session is a thread."""

import smtplib
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from benchmarks.clients.words import by_standard_library
from benchmarks.job import Job, Numbers, Tally, report, timed


def send(job: Job) -> Tally:
    """Send what the job asks for."""

    def some(client: smtplib.SMTP, numbers: Numbers) -> None:
        for number in numbers:
            client.send_message(by_standard_library(number, job.attachment))

    def work(numbers: Numbers) -> None:
        for done in [threads.submit(some, client, numbers) for client in clients]:
            done.result()

    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(job.sessions))
        clients = [stack.enter_context(_connect(job)) for _ in range(job.sessions)]
        return timed(job, work)


def _connect(job: Job) -> smtplib.SMTP:
    if job.ca is None:
        return smtplib.SMTP("127.0.0.1", job.port)
    return smtplib.SMTP_SSL("127.0.0.1", job.port, context=ssl.create_default_context(cafile=job.ca))


def compose_all(numbers: Numbers) -> None:
    """Compose, and join the octets."""
    for number in numbers:
        by_standard_library(number).as_bytes()


if __name__ == "__main__":
    job = Job.of_this_process()
    report(send(job) if job.port else timed(job, compose_all))
