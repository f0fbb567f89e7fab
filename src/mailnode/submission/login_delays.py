"""How long a wrong login waits for its answer: each one longer, for its address and for its app."""

import time

from mailnode.network_address import guest_of
from mailnode.store.clock import Clock

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 8.0
_LAST_DOUBLING = 5
# After so long without a wrong login all is forgotten.
FORGOTTEN_AFTER = 900
MOST_REMEMBERED = 10_000
# A stranger may send a login of nine thousand characters; no app has one of more than so many.
_MOST_NAME = 64


class LoginDelays:
    """Counts wrong logins; who logs in with the right password never waits."""

    clock: Clock = staticmethod(lambda: int(time.monotonic()))

    def __init__(self) -> None:
        """Know of none."""
        self._counts: dict[str, tuple[int, int]] = {}

    def count(self, peer: str, login: str) -> float:
        """Count a wrong login from an address for an app, and tell for how many seconds it waits."""
        now = self.clock()
        counts = [self._count(who, now) for who in (f"from {guest_of(peer)}", f"as {login[:_MOST_NAME]}")]
        return float(min(FIRST_SECONDS * 2 ** min(max(counts) - 1, _LAST_DOUBLING), LONGEST_SECONDS))

    def _count(self, who: str, now: int) -> int:
        count, last = self._counts.pop(who, (0, now))
        count = 1 if now - last > FORGOTTEN_AFTER else count + 1
        self._counts[who] = count, now  # as the latest one
        if len(self._counts) > MOST_REMEMBERED:
            del self._counts[next(iter(self._counts))]
        return count
