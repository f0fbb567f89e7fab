"""`mailnode worker`: send what is queued, in this process or in several under it."""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace

import click

from mailnode.cli.logs import log_options
from mailnode.cli.output import FAILED, counted, say, show_error, show_not_stored, tell_route
from mailnode.cli.signals import EXIT_SIGNALLED, run_long
from mailnode.cli.worker_process import Parent
from mailnode.errors import StoreError, UsageError
from mailnode.worker_processes import WorkerProcesses
from mailnode.worker_report import WorkerReport

# How long a stop waits for answers of servers; a service manager kills what takes much longer.
STOP_SECONDS = 8.0
STOPPING = "stopping; press Ctrl-C again to exit at once"

processes_option = click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="How many processes to run; more than one needs PostgreSQL.",
)


@click.command("worker")
@click.option("--drain", is_flag=True, help="Exit when nothing is due any more.")
@processes_option
@log_options
@click.option("--process", "number", type=int, hidden=True)  # as `WorkerProcesses` starts each of them
def command(drain: bool, processes: int, number: int | None) -> int:
    """Send queued email until Ctrl-C or SIGTERM; any number of workers may run.

    The first signal returns unsent email to the queue and waits for the servers' answers; a second one exits at once,
    and the next worker finds what is in doubt.

    Exit status: 0 done, 1 a process of --processes had failed and not restarted, 4 an outcome could not be stored.
    With --drain: 1 an email did not reach all its recipients, 130 or 143 a signal came before the queue was empty.
    """
    if number is not None:
        parent = Parent(number)
        run_long(_work(drain, parent))
        return 0
    check_processes(processes)
    if processes == 1:
        report, stopped_by = run_long(_work(drain))
        return _tell(report, drain, stopped_by)
    return run_long(_work_in_processes(drain, processes))


def check_processes(processes: int) -> None:
    """Check that the database can be shared by several processes with a gain.

    Raises:
        UsageError: it can't.
    """
    if processes == 1:
        return
    from mailnode.environment import Environment

    # A URL that is no database's is told by who opens it; to read it here would load what the parent does not need.
    url = Environment.read().database_url
    if url is None or url.startswith("sqlite:"):
        raise UsageError(
            f"--processes {processes} needs PostgreSQL: SQLite lets one process write at a time, so several would"
            " send no faster than one",
            hint="set MAILNODE_DATABASE_URL to a PostgreSQL database, or leave --processes out",
        )


async def _work(drain: bool, parent: Parent | None = None) -> tuple[WorkerReport, int]:
    """Work in this process; give its report, and the signal that has stopped it, if any."""
    from mailnode.app import Mailnode

    received: list[int] = []
    stopped = asyncio.Event()
    tell: Callable[[str], None] = (lambda _: None) if parent else say

    def stop(number: int) -> None:
        # Under a parent only that one ends it at once: a service manager signals all, and the parent each as well.
        if received and not parent:
            os._exit(EXIT_SIGNALLED + number)
        received.append(number)
        stopped.set()

    left, trouble = None, None
    async with Mailnode.open() as mailnode:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop, number)
        tell("sending queued email" if drain else "sending queued email; press Ctrl-C to stop")
        mailnode.on_route_trouble(tell_route)
        reporting = asyncio.create_task(parent.tell_regularly(mailnode)) if parent else None
        work = asyncio.create_task(mailnode.work(drain=drain))
        stopping = asyncio.create_task(stopped.wait())
        await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if received:
            tell(STOPPING)
        stopping.cancel()
        await mailnode.stop(STOP_SECONDS)
        try:
            await work
            left = await mailnode.deliveries.waiting()
        except StoreError as error:
            trouble = (error.message, error.hint, error.code) if drain else None
        if reporting:
            reporting.cancel()
    report = replace(mailnode.report, left=left, error=trouble, is_last=True)
    if parent:  # while the loop still handles signals: once it is closed one would end this process before it has told
        parent.tell(report)
    return report, received[0] if received else 0


async def _work_in_processes(drain: bool, count: int) -> int:
    workers = WorkerProcesses(count, drain=drain)
    received: list[int] = []

    def stop(number: int) -> None:
        if received:
            workers.kill()
            os._exit(EXIT_SIGNALLED + number)
        received.append(number)
        say(STOPPING)
        workers.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    say(f"sending queued email in {count} processes" + ("" if drain else "; press Ctrl-C to stop"))
    await workers.run()
    stopped_by = received[0] if received else 0
    if not workers.has_begun:
        return EXIT_SIGNALLED + stopped_by if drain and stopped_by else workers.report.exit_status
    return _tell(workers.report, drain, stopped_by)


def _tell(report: WorkerReport, drain: bool, stopped_by: int) -> int:
    """Print how the work ended, and give the exit status."""
    if report.left:
        say(f"{report.left} still queued for a later attempt: see `mailnode deliveries list --state queued`")
    outcomes = {status: count for status, count in report.outcomes.items() if status != "queued"}
    counts = ", ".join(f"{count} {status}" for status, count in sorted(outcomes.items())) or "nothing sent"
    say(f"done: {counts}")
    failed = any(outcomes.get(status) for status in FAILED)
    if failed:
        say("see `mailnode deliveries list` for what went wrong")
    if report.lost:
        return show_not_stored(counted(report.lost, "outcome"), report.reason)
    if report.error:
        show_error(*report.error)
        return 1
    if drain and stopped_by and report.left:
        return EXIT_SIGNALLED + stopped_by
    return 1 if drain and failed else report.exit_status
