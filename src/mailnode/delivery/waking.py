"""The look at all that is due, so that workers are woken for what nobody has woken them for."""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection

from mailnode.delivery.circuit_breaker import ready_at, routes_with_due
from mailnode.delivery.rates import rate_limit_of, still_to_come
from mailnode.store.clock import now_ms


class Waker(Protocol):
    """An engine that wakes workers for many routes at once."""

    def room(self, db: Connection) -> int:
        """Tell for how many more routes workers may be woken now."""

    def wake_many(self, db: Connection, route_keys: Sequence[str], room: int) -> None:
        """Wake a worker for as many of these sorted routes as there is room for, in turns.

        Those that have woken one who has not come yet take no room.
        """


def wake_for_due(db: Connection, waker: Waker) -> None:
    """Wake for as many routes as there is room for; without any nobody looks at them all, which takes long."""
    if (room := waker.room(db)) > 0 and (due := _due(db)):
        waker.wake_many(db, due, room)


def _due(db: Connection) -> list[str]:
    now = now_ms(db)
    paced = still_to_come(db, now * 1000)
    ready = [route for route in routes_with_due(db) if ready_at(route, now) <= now]
    return sorted(str(route.name) for route in ready if not (route.connection in paced and rate_limit_of(route)))
