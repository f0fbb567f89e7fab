"""How often a wrong token may be tried."""

import time
from collections import deque
from collections.abc import Callable

MOST = 10
WITHIN_SECONDS = 60.0


class Attempts:
    """Counts wrong tokens; after too many the next wrong ones are told to wait.

    The right one is taken at every time: whoever tries wrong ones must not lock out who has it. Nobody finds a token of
    16 characters and more by trying.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Tell the time by `clock`, in seconds."""
        self._clock = clock
        self._wrong: deque[float] = deque(maxlen=MOST)

    @property
    def wait_seconds(self) -> float:
        """How long the next wrong one is told to wait; 0 when it is told that it is wrong."""
        if len(self._wrong) < MOST:
            return 0.0
        return max(0.0, self._wrong[0] + WITHIN_SECONDS - self._clock())

    def note_wrong(self) -> None:
        """Count a wrong one."""
        self._wrong.append(self._clock())
