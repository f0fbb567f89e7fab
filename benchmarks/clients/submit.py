"""A program that hands in its mail by SMTP, over ten sessions: to a server that keeps it, or that passes it on."""

import asyncio
import os
import sys

from benchmarks.clients.with_mailnode import email
from benchmarks.queue_job import QueueJob
from mailnode import SmtpClient
from mailnode.smtp.sasl import Login

WAITING_A_SESSION = 3


async def produce(job: QueueJob) -> None:
    """Hand in the warm-up, and what is measured whenever that is asked for."""
    login = Login("bench", os.environ["BENCH_PASSWORD"]) if "BENCH_PASSWORD" in os.environ else None
    async with SmtpClient(
        "127.0.0.1", job.port, tls_option="none", max_sessions=job.sessions, login=login, allow_plaintext_auth=True
    ) as client:

        async def some(begin: int, count: int) -> None:
            numbers = iter(range(begin, begin + count))

            async def put() -> None:
                for number in numbers:
                    outcome = await client.send(email(number))
                    if not outcome.accepted:
                        raise SystemExit(f"refused: {outcome.reply}")

            await asyncio.gather(*(put() for _ in range(job.sessions * WAITING_A_SESSION)))

        turns = job.turns()
        while turn := await asyncio.to_thread(next, turns, None):
            await some(*turn)


if __name__ == "__main__":
    import uvloop

    uvloop.run(produce(QueueJob.loads(sys.argv[1])))
