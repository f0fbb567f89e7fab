"""`mailnode worker`: carry the queue."""

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass

import click

from mailnode.cli.output import FAILED, counted, say, show_error, show_not_stored, tell_lane
from mailnode.cli.signals import EXIT_SIGNALLED, run_long
from mailnode.errors import StoreError

# How long a stop waits for answers that servers owe; whoever stops services kills what takes much longer.
STOP_SECONDS = 8.0


@dataclass
class _Ended:
    """How the work has ended: what was carried, by status, and what is left."""

    outcomes: Mapping[str, int]
    left: int = 0
    signal: int = 0
    trouble: StoreError | None = None
    lost: int = 0
    reason: str = ""


@click.command("worker")
@click.option("--drain", is_flag=True, help="End when nothing is due.")
def command(drain: bool) -> int:
    """Send the mail that flows have queued, until Ctrl-C or SIGTERM; any number of workers may run.

    The first signal returns what no server has yet and waits for answers that are due; a second one leaves at once,
    and what is in doubt then is found by the next worker. Exit status: 0, or with --drain 1 when a mail did not reach
    all of its recipients, 130 or 143 when a signal came before the queue was empty; 4 when the database could not be
    told what came of a mail.
    """
    ended = run_long(_work(drain))
    told = ", ".join(f"{count} {status}" for status, count in sorted(ended.outcomes.items())) or "nothing"
    say(f"done: {told}")
    failed = any(ended.outcomes.get(status) for status in FAILED)
    if failed:
        say("`mailnode deliveries list` shows what went wrong")
    if ended.lost:
        return show_not_stored(counted(ended.lost), ended.reason)
    if ended.trouble:
        show_error(ended.trouble.message, ended.trouble.hint)
        return 1
    if drain and ended.signal and ended.left:
        return EXIT_SIGNALLED + ended.signal
    return 1 if drain and failed else 0


async def _work(drain: bool) -> _Ended:
    from mailnode.app import Mailnode

    heard: list[int] = []
    stopped = asyncio.Event()

    def stop(number: int) -> None:
        if heard:
            os._exit(EXIT_SIGNALLED + number)
        heard.append(number)
        stopped.set()

    async with Mailnode.open() as mailnode:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
        say("sending what is due" if drain else "sending what is due, as it comes; Ctrl-C ends it")
        mailnode.on_route_trouble(tell_lane)
        work = asyncio.create_task(mailnode.work(drain=drain))
        stopping = asyncio.create_task(stopped.wait())
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if heard:
            say("stopping; a second signal leaves at once")
        stopping.cancel()
        await mailnode.stop(STOP_SECONDS)
        ended = _Ended({}, signal=heard[0] if heard else 0)
        try:
            await work
            if left := await mailnode.deliveries.waiting():
                ended.left = left
                say(f"{left} in the queue, for a later try: `mailnode deliveries list --state queued`")
        except StoreError as error:
            ended.trouble = error if drain else None
    ended.outcomes = {status: count for status, count in mailnode.outcomes.items() if status != "queued"}
    ended.lost, ended.reason = mailnode.unstored.lost, mailnode.unstored.reason
    return ended
