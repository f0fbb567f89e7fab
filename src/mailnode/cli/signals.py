"""Ctrl-C and SIGTERM: both end a command in the same way, and its exit status says which of them it was.

It is imported before everything else, so that signals are handled while the rest is loaded: asyncio and click are
imported where they are used.
"""

import os
import signal
import sys
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

from mailnode.cli.garbage import look_regularly

T = TypeVar("T")

EXIT_SIGNALLED = 128
WAITING = "waiting for the server's answer to an email that was handed over; press Ctrl-C again to leave at once"
_SHOW_CURSOR = b"\x1b[?25h"
# Commands that run until they are stopped, and the arguments with which they end by themselves.
_SERVICES = {
    "serve": (),
    "submission": (),
    "worker": ("--drain",),
    "demo": ("--once",),
    "inbox": ("list", "show", "clear"),
}


class Interrupt:
    """Turns SIGTERM into Ctrl-C, and remembers which signal ended the command.

    A service that SIGTERM ends has succeeded; `worker --drain` has not, because its work is not done. Neither has
    anything under way before it sets its own handlers, so until then it leaves at once, whatever it is loading.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        """Handle the signals for a command with these arguments."""
        self.arguments = list(arguments)
        name = self.arguments[0] if self.arguments else ""
        self._is_service = name in _SERVICES and not any(word in self.arguments for word in _SERVICES[name])
        self._leaves_at_once = self._is_service or name == "worker"
        self._number = signal.SIGINT

    @property
    def exit_status(self) -> int:
        """The exit status of a command that a signal ended: 130 for Ctrl-C, 143 for SIGTERM."""
        return EXIT_SIGNALLED + self._number

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle SIGTERM as Ctrl-C, within the `with` block."""
        before = signal.signal(signal.SIGTERM, self._handle)
        try:
            yield
        except KeyboardInterrupt:
            raise SystemExit(self.exit_status) from None
        finally:
            signal.signal(signal.SIGTERM, before)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._leaves_at_once:
            os._exit(0 if self._is_service else EXIT_SIGNALLED + number)
        self._number = signal.Signals(number)
        signal.raise_signal(signal.SIGINT)


def run_long(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where it is installed; a short command is quicker without importing it."""
    import asyncio

    look_regularly()
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def run_stoppable(work: Coroutine[Any, Any, T]) -> T:
    """Run what hands mail over: Ctrl-C or SIGTERM cancels it, and it may then wait for an answer that is due.

    A second signal leaves at once. Unless the work finishes, the exit status tells which signal it was.
    """
    import asyncio

    import click

    received: list[int] = []

    async def stoppable() -> T:
        task = asyncio.current_task()
        assert task

        def stop(number: int) -> None:
            if received:
                leave(number)
            received.append(number)
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
        return await work

    try:
        return asyncio.run(stoppable())
    except asyncio.CancelledError:
        raise click.exceptions.Exit(EXIT_SIGNALLED + received[0]) from None


def leave(number: int) -> None:
    """Leave at once, with the exit status of this signal."""
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), _SHOW_CURSOR)  # a progress bar hides it
    os._exit(EXIT_SIGNALLED + number)
