"""`make bench`: mailnode beside the standard library, in turn within one run; medians, and ratios to quote.

Recipient, name, subject and body differ in every message, and composing is inside each loop that sends. The server is
Postfix's smtp-sink, which reads and forgets; without it those rows say so.
"""

import asyncio
import platform
import shutil
import smtplib
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from typing import NamedTuple

from mailnode import Email, SmtpClient, compose

ROUNDS = 5
COMPOSED = 2000
SENT = 1000
TEXT = "Dear customer, your order has left our house and will be with you soon.\n" * 7
HTML = '<p>Dear <b>customer</b>, see <a href="https://shop.example.com/track">where it is</a>.</p>\n' * 23


class Timed(NamedTuple):
    """One round: messages a second of wall time, and microseconds of CPU a message."""

    rate: float
    cpu: float


def timed(work: Callable[[], object], count: int) -> Timed:
    """Time one round of so many messages."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Timed(count / wall, cpu / count * 1e6)


def ours(number: int) -> Email:
    """Say a mail to mailnode."""
    return Email(
        from_="Shop <shop@example.com>",
        to=f"Jane {number} <jane{number}@example.org>",
        subject=f"Order {number} has shipped",
        text=f"{number}\n{TEXT}",
        html=f"<p>{number}</p>\n{HTML}",
    )


def theirs(number: int) -> EmailMessage:
    """Say the same mail to the standard library."""
    message = EmailMessage(policy=SMTP)
    message["From"] = "Shop <shop@example.com>"
    message["To"] = f"Jane {number} <jane{number}@example.org>"
    message["Subject"] = f"Order {number} has shipped"
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain="example.com")
    message.set_content(f"{number}\n{TEXT}")
    message.add_alternative(f"<p>{number}</p>\n{HTML}", subtype="html")
    return message


def compose_ours() -> None:
    """Compose with mailnode."""
    for number in range(COMPOSED):
        compose(ours(number)).octets()


def compose_theirs() -> None:
    """Compose with email.message, a tenth as many: it is slow."""
    for number in range(COMPOSED // 10):
        theirs(number).as_bytes()


def send_ours(port: int, sessions: int) -> None:
    """Send with SmtpClient."""

    async def main() -> None:
        async with SmtpClient("127.0.0.1", port, tls_option="none", max_sessions=sessions) as client:

            async def some(first: int) -> None:
                for number in range(first, SENT, sessions):
                    await client.send(ours(number))

            await asyncio.gather(*(some(first) for first in range(sessions)))

    asyncio.run(main())


def send_theirs(port: int) -> None:
    """Send with smtplib over one connection."""
    with smtplib.SMTP("127.0.0.1", port) as client:
        for number in range(SENT // 4):
            client.send_message(theirs(number))


@contextmanager
def sink() -> Iterator[int | None]:
    """Run smtp-sink on a free loopback port."""
    program = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    process = subprocess.Popen([program, "-u", "nobody", "-c", f"127.0.0.1:{port}", "100"], stdout=subprocess.DEVNULL)
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("smtp-sink does not listen")


def row(what: str, our: Callable[[], Timed], their: Callable[[], Timed], peer: str) -> None:
    """Measure both in turn, and print their medians and the median of the ratios round by round."""
    rounds = [(our(), their()) for _ in range(ROUNDS)]
    rates = [statistics.median(one.rate for one in side) for side in zip(*rounds, strict=True)]
    cpus = [statistics.median(one.cpu for one in side) for side in zip(*rounds, strict=True)]
    ratio = statistics.median(mine.rate / other.rate for mine, other in rounds)
    mine = f"{what:<28} {rates[0]:>9,.0f}/s {cpus[0]:>7.0f} us"
    print(f"{mine}  | {peer:<14} {rates[1]:>7,.0f}/s {cpus[1]:>7.0f} us  | {ratio:.1f}x")


def main() -> None:
    """Print the table."""
    print(f"Python {platform.python_version()}, {ROUNDS} rounds in turn; messages a second, CPU a message, ratio")
    row(
        "compose text + HTML",
        lambda: timed(compose_ours, COMPOSED),
        lambda: timed(compose_theirs, COMPOSED // 10),
        "email.message",
    )
    with sink() as port:
        if port is None:
            print("sending: not here: install postfix (Debian) for its smtp-sink")
            return
        for sessions in (1, 10):
            row(
                f"send, {sessions} session{'s' if sessions > 1 else ''}",
                lambda sessions=sessions: timed(lambda: send_ours(port, sessions), SENT),
                lambda: timed(lambda: send_theirs(port), SENT // 4),
                "smtplib",
            )


main()
