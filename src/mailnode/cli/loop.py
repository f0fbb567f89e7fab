"""The event loop of commands that run for long, and of those that must not be cut off at any moment."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

from mailnode.cli.interrupt import EXIT_SIGNALLED

T = TypeVar("T")

WAITING = "waiting for the server's answer to a mail that is handed over; Ctrl-C again leaves at once"
_SHOW_CURSOR = b"\x1b[?25h"


def run_long(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where it exists; a command that ends at once is quicker without importing it."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def run_stoppable(work: Coroutine[Any, Any, T]) -> T:
    """Run what hands mail over: Ctrl-C or SIGTERM cancels it, which lets it wait for an answer that is due.

    A second signal leaves at once. The exit status tells which signal it was, unless the work came to its end.
    """
    heard: list[int] = []

    async def stoppable() -> T:
        task = asyncio.current_task()
        assert task

        def stop(number: int) -> None:
            if heard:
                _leave(number)
            heard.append(number)
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
        return await work

    try:
        return asyncio.run(stoppable())
    except asyncio.CancelledError:
        raise click.exceptions.Exit(EXIT_SIGNALLED + heard[0]) from None


def _leave(number: int) -> None:
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), _SHOW_CURSOR)  # whoever shows progress hides it
    os._exit(EXIT_SIGNALLED + number)
