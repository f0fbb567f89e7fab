"""Servers that accept no session, as those who wait for one show."""

import math
from collections.abc import Iterable, Iterator, Sequence

from mailnode.delivery.attempt_loop import AttemptLoop

# A server that accepts no session for so long counts as silent: one delivery waits on, the others are put back.
SILENT_SERVER_SECONDS = 10.0


def kept_waiting(loops: Iterable[AttemptLoop], now: float) -> Iterator[tuple[str, Sequence[AttemptLoop]]]:
    """Give each route with a silent server, and those who wait for it, all but the one that has waited longest.

    `now` is the loop's time.
    """
    waiting: dict[str, list[AttemptLoop]] = {}
    for loop in loops:
        waiting.setdefault(loop.delivery.route_key, []).append(loop)
    for route_key, of_route in waiting.items():
        of_route.sort(key=lambda loop: loop.waits_since)
        longest, last = of_route[0].waits_since, of_route[-1].waits_since
        if longest <= now - SILENT_SERVER_SECONDS and last < math.inf and of_route[1:]:
            yield route_key, of_route[1:]
