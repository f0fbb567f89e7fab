"""`mailnode worker`: send what is queued."""

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass

import click

from mailnode.cli.output import FAILED, counted, say, show_error, show_not_stored, tell_route
from mailnode.cli.signals import EXIT_SIGNALLED, run_long
from mailnode.errors import StoreError

# How long a stop waits for answers of servers; a service manager kills what takes much longer.
STOP_SECONDS = 8.0


@dataclass
class _Ended:
    """How the work ended: the deliveries by status, and how many are left."""

    outcomes: Mapping[str, int]
    left: int = 0
    signal: int = 0
    error: StoreError | None = None
    lost: int = 0
    reason: str = ""


@click.command("worker")
@click.option("--drain", is_flag=True, help="Exit when nothing is due any more.")
def command(drain: bool) -> int:
    """Send queued email until Ctrl-C or SIGTERM; any number of workers may run.

    The first signal returns unsent email to the queue and waits for the servers' answers; a second one exits at once,
    and the next worker finds what is in doubt.

    Exit status: 0 done, 4 an outcome could not be stored. With --drain: 1 an email did not reach all its recipients,
    130 or 143 a signal came before the queue was empty.
    """
    ended = run_long(_work(drain))
    counts = ", ".join(f"{count} {status}" for status, count in sorted(ended.outcomes.items())) or "nothing"
    say(f"done: {counts}")
    failed = any(ended.outcomes.get(status) for status in FAILED)
    if failed:
        say("see `mailnode deliveries list` for what went wrong")
    if ended.lost:
        return show_not_stored(counted(ended.lost, "outcome"), ended.reason)
    if ended.error:
        show_error(ended.error.message, ended.error.hint, ended.error.code)
        return 1
    if drain and ended.signal and ended.left:
        return EXIT_SIGNALLED + ended.signal
    return 1 if drain and failed else 0


async def _work(drain: bool) -> _Ended:
    from mailnode.app import Mailnode

    received: list[int] = []
    stopped = asyncio.Event()

    def stop(number: int) -> None:
        if received:
            os._exit(EXIT_SIGNALLED + number)
        received.append(number)
        stopped.set()

    async with Mailnode.open() as mailnode:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
        say("sending queued email" if drain else "sending queued email; press Ctrl-C to stop")
        mailnode.on_route_trouble(tell_route)
        work = asyncio.create_task(mailnode.work(drain=drain))
        stopping = asyncio.create_task(stopped.wait())
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if received:
            say("stopping; press Ctrl-C again to exit at once")
        stopping.cancel()
        await mailnode.stop(STOP_SECONDS)
        ended = _Ended({}, signal=received[0] if received else 0)
        try:
            await work
            if left := await mailnode.deliveries.waiting():
                ended.left = left
                say(f"{left} still queued for a later attempt: see `mailnode deliveries list --state queued`")
        except StoreError as error:
            ended.error = error if drain else None
    ended.outcomes = {status: count for status, count in mailnode.outcomes.items() if status != "queued"}
    ended.lost, ended.reason = mailnode.unstored.lost, mailnode.unstored.reason
    return ended
