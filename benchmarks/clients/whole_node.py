"""The whole node, ten runs at once, from the settings to the result in the journal; or the bare client with that mail.

python -m benchmarks.clients.whole_node JOB [HOME]    with a home it is the node
"""

import sys
from pathlib import Path

from benchmarks.clients.flow import FROM, SUBJECT, TEMPLATE, TO, flow_file
from benchmarks.job import Job, Tally, report, run, some_at_once
from mailnode import Email, SmtpClient
from mailnode.app import Mailnode
from mailnode.environment import Environment


async def by_node(job: Job, home: Path) -> Tally:
    """Run the flow."""
    path = flow_file(home, job.port)
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
