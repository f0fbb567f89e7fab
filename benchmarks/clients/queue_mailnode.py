"""mailnode: deliveries are put into the outbox, composed; `mailnode worker` sends them."""

import asyncio
import sys

from benchmarks.clients.with_mailnode import email
from benchmarks.queue_job import QueueJob
from mailnode.app import Mailnode
from mailnode.delivery.delivery import Terms
from mailnode.delivery.prepare import PreparedMail, prepare
from mailnode.delivery.route import Destination, OtherServer, route

PUT_AT_ONCE = 100
TERMS = Terms().for_queue(24)


def mail_of(port: int, number: int) -> PreparedMail:
    """Compose one mail, as the node does."""
    server = OtherServer(host="127.0.0.1", port=port, tls_option="none")
    run_id = f"r-{number}"
    return PreparedMail(
        message=prepare(email(number), None),
        destination=Destination(server),
        route=route(server, None),
        terms=TERMS,
        key=f"{run_id}/tell",
        run_id=run_id,
        node_id="tell",
    )


async def produce(job: QueueJob) -> None:
    """Put the warm-up, and what is measured whenever that is asked for."""
    async with Mailnode.open() as mailnode:

        async def some(begin: int, count: int) -> None:
            numbers = iter(range(begin, begin + count))

            async def put() -> None:
                for number in numbers:
                    await mailnode._dispatcher.queue(mail_of(job.port, number))  # noqa: SLF001 -- the queue alone is measured

            await asyncio.gather(*(put() for _ in range(PUT_AT_ONCE)))

        turns = job.turns()
        while turn := await asyncio.to_thread(next, turns, None):
            await some(*turn)


if __name__ == "__main__":
    import uvloop

    uvloop.run(produce(QueueJob.loads(sys.argv[1])))
