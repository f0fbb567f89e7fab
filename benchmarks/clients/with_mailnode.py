"""mailnode: SmtpClient, with as many messages waiting as keep its sessions busy."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

from benchmarks.clients.words import said
from benchmarks.job import Job, Numbers, Tally, report, run, timed, timed_async
from mailnode import Attachment, Email, SmtpClient, compose

WAITING_A_SESSION = 3


def email(number: int, attachments: tuple[Attachment, ...] = ()) -> Email:
    """Say one mail."""
    mail = said(number)
    return Email(
        from_=mail["from"],
        to=mail["to"],
        subject=mail["subject"],
        text=mail["text"],
        html=mail["html"],
        attachments=attachments,
    )


async def send(job: Job) -> Tally:
    """Send what the job asks for."""
    async with SmtpClient(
        "127.0.0.1",
        job.port,
        tls_option="tls" if job.ca else "none",
        ca=job.ca and Path(job.ca).read_text(),  # noqa: ASYNC240 -- before the clock starts
        max_sessions=job.sessions,
    ) as client:

        async def one(number: int) -> None:
            with ExitStack() as files:
                attachments: tuple[Attachment, ...] = ()
                if job.attachment:
                    path = Path(job.attachment)
                    file = files.enter_context(path.open("rb"))  # noqa: ASYNC230 -- the file of a caller is open
                    attachments = (Attachment(content=file, filename=path.name),)
                outcome = await client.send(email(number, attachments))
            if not outcome.accepted:
                raise SystemExit(f"refused: {outcome.reply}")

        async def some(numbers: Numbers) -> None:
            for number in numbers:
                await one(number)

        async def work(numbers: Numbers) -> None:
            await asyncio.gather(*(some(numbers) for _ in range(WAITING_A_SESSION * job.sessions)))

        return await timed_async(job, work)


def compose_all(numbers: Numbers) -> None:
    """Compose, and join the octets."""
    for number in numbers:
        compose(email(number)).octets()


if __name__ == "__main__":
    job = Job.of_this_process()
    report(run(job, send) if job.port else timed(job, compose_all))
