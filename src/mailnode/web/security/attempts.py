"""How often a wrong token may be tried."""

import time
from collections import deque
from collections.abc import Callable

MOST = 10
WITHIN_SECONDS = 60.0


class Attempts:
    """Counts wrong tokens; after too many nobody's token is looked at for a while, whoever they are.

    Sessions that have begun go on.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Tell the time by `clock`, in seconds."""
        self._clock = clock
        self._wrong: deque[float] = deque(maxlen=MOST)

    @property
    def wait_seconds(self) -> float:
        """How long nobody may try; 0 when one may."""
        if len(self._wrong) < MOST:
            return 0.0
        return max(0.0, self._wrong[0] + WITHIN_SECONDS - self._clock())

    def note_wrong(self) -> None:
        """Count a wrong one."""
        self._wrong.append(self._clock())
