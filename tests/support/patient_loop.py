"""The event loop of the tests: a deadline passes on its clock while there is nothing to do, and not while there is.

A scripted server lives in the process of its client. If the machine stands still for a second, neither has been slow,
and no real deadline of theirs would have passed; that of a test, a fraction of a second, would.
"""

import asyncio
import selectors
import time
from typing import Any

# What a turn with work to do counts at most: an exchange takes a few turns, and what never ends meets its deadline too.
_TURN_SECONDS = 0.01


class PatientLoop(asyncio.SelectorEventLoop):
    """A loop whose clock is behind that of the machine by what was lost while there was work to do."""

    def __init__(self) -> None:
        self._clock = _Clock()
        super().__init__(self._clock)

    def time(self) -> float:
        """Give the seconds that count."""
        return self._clock.seconds


class _Clock(selectors.DefaultSelector):
    """Count the seconds in which the loop waits: the whole of a wait for nothing, half of one that something ended."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = self._at = time.monotonic()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, Any]]:
        """Wait, and count it."""
        events = super().select(timeout)
        at = time.monotonic()
        most = timeout or 0.0
        if events or not most:
            most = max(most / 2, _TURN_SECONDS)
        self.seconds += min(at - self._at, most)
        self._at = at
        return events
