"""The whole node, ten runs at once, from the settings to the result in the journal; or the bare client with that mail.

python -m benchmarks.clients.whole_node JOB [HOME]    with a home it is the node
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.job import Job, Numbers, Tally, report, run, timed_async
from mailnode import Email, SmtpClient
from mailnode.app import Mailnode
from mailnode.environment import Environment

FROM, TO, SUBJECT = "Shop <shop@example.com>", "Jane <jane@example.org>", "Your order has shipped"
# 800 octets; the first expression is a plain path, the second one is for the engine.
TEMPLATE = (
    "<h1>It is on its way</h1>\n<p>Dear Jane, your order {{ input.order }} left our house today and will be with you in"
    " two or three days. It is one parcel, and the driver rings once.</p>\n<p>You have paid {{ (input.cents /"
    " 100).toFixed(2) }} euro; the invoice follows by post.</p>\n<ul>\n<li>If nobody is at home he leaves it with a"
    " neighbour, and a card in your letter box says with whom.</li>\n<li>What does not fit can come back within thirty"
    " days: the label is in the parcel, and the money is with you a day after we have it.</li>\n<li>A cup that broke on"
    " its way is replaced, and nobody asks how.</li>\n</ul>\n<p>Thank you for buying from a small shop. If something is"
    ' not as it should be, answer this mail: a person reads it.</p>\n<p><a href="https://shop.example.com/help">Help'
    "</a>, 12 Mill Lane, Bath</p>\n"
)
FLOW = {
    "version": 1,
    "name": "whole-node",
    "nodes": [
        {
            "id": "tell",
            "type": "sendSmtpEmail",
            "settings": {"emailService": "other", "from": FROM, "to": TO, "subject": SUBJECT, "content": TEMPLATE},
        }
    ],
}


async def some_at_once(job: Job, one: Callable[[int], Awaitable[bool]]) -> Tally:
    """Do it for number after number, as many at once as there are sessions."""

    async def some(numbers: Numbers) -> None:
        for number in numbers:
            if not await one(number):
                raise SystemExit(f"mail {number} was not accepted")

    async def work(numbers: Numbers) -> None:
        await asyncio.gather(*(some(numbers) for _ in range(job.sessions)))

    return await timed_async(job, work)


async def by_node(job: Job, home: Path) -> Tally:
    """Run the flow."""
    flow = json.loads(json.dumps(FLOW))
    flow["nodes"][0]["settings"]["smtp"] = {"host": "127.0.0.1", "port": job.port, "tlsOption": "none"}
    path = home / "whole-node.flow.json"
    path.write_text(json.dumps(flow))
    async with Mailnode.open(Environment(home=home)) as mailnode:

        async def one(number: int) -> bool:
            ended = await mailnode.run(path, input={"order": number, "cents": number})
            return ended.status == "done"

        return await some_at_once(job, one)


async def by_client(job: Job) -> Tally:
    """Send the same mail."""
    async with SmtpClient("127.0.0.1", job.port, tls_option="none", max_sessions=job.sessions) as client:

        async def one(number: int) -> bool:
            html = TEMPLATE.replace("{{ input.order }}", str(number)).replace(
                "{{ (input.cents / 100).toFixed(2) }}", f"{number / 100:.2f}"
            )
            email = Email(from_=FROM, to=TO, subject=SUBJECT, text=html, html=html)
            return bool((await client.send(email)).accepted)

        return await some_at_once(job, one)


if __name__ == "__main__":
    home = sys.argv[2:]
    report(run(Job.of_this_process(), lambda job: by_node(job, Path(home[0])) if home else by_client(job)))
