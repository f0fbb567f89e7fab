"""aiosmtplib, with email.message; a session is a client and a task."""

import asyncio
import ssl
from contextlib import AsyncExitStack

import aiosmtplib

from benchmarks.clients.words import by_standard_library
from benchmarks.job import Job, Numbers, Tally, report, run, timed_async


async def send(job: Job) -> Tally:
    """Send what the job asks for."""

    async def some(client: aiosmtplib.SMTP, numbers: Numbers) -> None:
        for number in numbers:
            await client.send_message(by_standard_library(number, job.attachment))

    async def work(numbers: Numbers) -> None:
        await asyncio.gather(*(some(client, numbers) for client in clients))

    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(_client(job)) for _ in range(job.sessions)]
        return await timed_async(job, work)


def _client(job: Job) -> aiosmtplib.SMTP:
    context = ssl.create_default_context(cafile=job.ca) if job.ca else None
    return aiosmtplib.SMTP(
        hostname="127.0.0.1", port=job.port, use_tls=context is not None, start_tls=False, tls_context=context
    )


if __name__ == "__main__":
    report(run(Job.of_this_process(), send))
