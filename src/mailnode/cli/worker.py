"""`mailnode worker`: carry the queue."""

import asyncio
import os
import signal
from collections.abc import Mapping

import click

from mailnode.cli.interrupt import EXIT_SIGNALLED
from mailnode.cli.loop import run_long
from mailnode.cli.output import say, tell_lane

# How long a stop waits for answers that servers owe; whoever stops services kills what takes much longer.
STOP_SECONDS = 8.0
_FAILED = ("failed", "unknown", "held", "partial")


@click.command("worker")
@click.option("--drain", is_flag=True, help="End when nothing is due.")
def command(drain: bool) -> int:
    """Send the mail that flows have queued, until Ctrl-C or SIGTERM; any number of workers may run.

    The first signal returns what no server has yet and waits for answers that are due; a second one leaves at once,
    and what is in doubt then is found by the next worker. Exit status: 0, or with --drain 1 when a mail did not reach
    all of its recipients.
    """
    tally = run_long(_work(drain))
    told = ", ".join(f"{count} {status}" for status, count in sorted(tally.items())) or "nothing"
    say(f"done: {told}")
    failed = any(tally.get(status) for status in _FAILED)
    if failed:
        say("`mailnode deliveries list` shows what went wrong")
    return 1 if drain and failed else 0


async def _work(drain: bool) -> Mapping[str, int]:
    from mailnode.app import Mailnode

    stopped = asyncio.Event()

    def stop(number: int) -> None:
        if stopped.is_set():
            os._exit(EXIT_SIGNALLED + number)
        stopped.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    async with Mailnode.open() as mailnode:
        say("sending what is due" if drain else "sending what is due, as it comes; Ctrl-C ends it")
        mailnode.traffic.hear = tell_lane
        work = asyncio.create_task(mailnode.work(drain=drain))
        stopping = asyncio.create_task(stopped.wait())
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if stopped.is_set():
            say("stopping; a second signal leaves at once")
        stopping.cancel()
        await mailnode.stop(STOP_SECONDS)
        await work
        if left := await mailnode.ledger.pending(""):
            say(f"{left} in the queue, for a later try: `mailnode deliveries list --state queued`")
        return {status: count for status, count in mailnode.tally.items() if status != "queued"}
