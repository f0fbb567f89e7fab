"""SIGTERM, by which whoever stops services asks for an end, is heard as Ctrl-C is."""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

EXIT_SIGNALLED = 128
# What runs until it is stopped, but for those words: then it comes to an end of its own.
_SERVICES = {"serve": (), "worker": ("--drain",), "demo": ("--once",), "inbox": ("list", "show", "clear")}


class Interrupt:
    """Which signal has ended a command; one with a way of its own to stop sets its own handlers.

    A service has ended well when SIGTERM ends it; `worker --drain` has work that is not done then. Neither has
    anything under way before it sets its own handlers, so it leaves at once until then, whatever it is loading.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        """Hear what ends the command with these arguments."""
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
    def heard(self) -> Iterator[None]:
        """Hear SIGTERM: whoever handles Ctrl-C, an event loop too, handles both."""
        before = signal.signal(signal.SIGTERM, self._hear)
        try:
            yield
        except KeyboardInterrupt:
            raise SystemExit(self.exit_status) from None
        finally:
            signal.signal(signal.SIGTERM, before)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        if self._leaves_at_once:
            os._exit(0 if self._is_service else EXIT_SIGNALLED + number)
        self._number = signal.Signals(number)
        signal.raise_signal(signal.SIGINT)
