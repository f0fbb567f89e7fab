"""The look at all that is due, so that workers are woken for what nobody has woken them for."""

import random
from bisect import bisect_right
from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection

from mailnode.delivery.circuit_breaker import is_tripped, routes_with_due
from mailnode.delivery.rates import rate_limit_of, still_to_come
from mailnode.store.clock import now_ms


class Waker(Protocol):
    """An engine that wakes workers for many routes at once."""

    def room(self, db: Connection) -> int:
        """Tell for how many more routes workers may be woken now."""

    def wake_many(self, db: Connection, route_keys: Sequence[str]) -> None:
        """Wake a worker for each of these routes, but for those that have woken one who has not come yet."""


class Waking:
    """Wakes for routes that have something due, in turns: of ten thousand no more than workers can soon serve."""

    def __init__(self) -> None:
        """Begin with any route, as each process does, so that two don't wake for the same ones."""
        self._last: str | None = None

    def wake(self, db: Connection, waker: Waker) -> None:
        """Wake for as many routes as there is room for; without any nobody looks at them all, which takes long."""
        if (room := waker.room(db)) < 1:
            return
        due = _due(db)
        if len(due) > room:
            begin = random.randrange(len(due)) if self._last is None else bisect_right(due, self._last)  # noqa: S311 -- it guards nothing
            due = [*due[begin:], *due[:begin]][:room]
            self._last = due[-1]
        if due:
            # In one order everywhere: who wakes for the same route twice waits for the other's commit.
            waker.wake_many(db, sorted(due))


def _due(db: Connection) -> list[str]:
    now = now_ms(db)
    paced = still_to_come(db, now * 1000)
    due = []
    for route in routes_with_due(db):
        waits = is_tripped(route) and route.retry_at > now
        if route.due <= now and not waits and not (route.connection in paced and rate_limit_of(route)):
            due.append(str(route.name))
    return sorted(due)
