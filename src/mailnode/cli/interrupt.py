"""SIGTERM, by which whoever stops services asks for an end, is heard as Ctrl-C is."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_SIGNALLED = 128


class Interrupt:
    """Which signal has ended a command; one with a way of its own to stop sets its own handlers."""

    def __init__(self) -> None:
        self._number = signal.SIGINT

    @property
    def exit_status(self) -> int:
        """The exit status of a command that a signal ended: 130 for Ctrl-C, 143 for SIGTERM."""
        return EXIT_SIGNALLED + self._number

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear SIGTERM: whoever handles Ctrl-C, an event loop too, handles both."""
        before = signal.signal(signal.SIGTERM, self._hear)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self._number = signal.Signals(number)
        signal.raise_signal(signal.SIGINT)
