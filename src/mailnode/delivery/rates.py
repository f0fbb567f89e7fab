"""Rate limits of connections, shared by all workers: the generic cell rate algorithm (ITU-T I.371), without bursts.

A message gets a time, one `spacing` after the one before it, and may begin until `slack` after that. So the times of
`count` + 1 messages lie further apart than the limit's seconds and the slack together: no window of that length holds
more than `count`, wherever it begins.
"""

import json
from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, Row, select, update

from mailnode.connections.rate_limit import RateLimit
from mailnode.errors import MailnodeError
from mailnode.store.prepared import AnyOf, Query
from mailnode.store.sql import insert_new
from mailnode.store.tables import rates

_INSERT = insert_new(rates)
_ALL = Query(select(rates))
_OF_THESE = Query(select(rates).where(AnyOf(rates.c.connection, "connections")))
_NAMED = 500  # of more it is sooner to read them all


def take_time(db: Connection, connection: str, limit: RateLimit, now_us: int, *, ahead_us: int = 0) -> int | None:
    """Take the next time to send (microseconds) if it comes within `ahead_us` from now, else none."""
    taken = select(rates).where(rates.c.connection == connection).with_for_update()
    if (row := db.execute(taken).first()) is None:
        # Of two workers that take the first time of all at once the later one has to see the earlier one's.
        db.execute(_INSERT, [{"connection": connection, "free_at": now_us, "taken_at": now_us}])
        row = db.execute(taken).first()
    free_at = _next_time(row, now_us)
    if free_at > now_us + ahead_us:
        return None
    values = {"free_at": free_at + limit.spacing_us, "taken_at": now_us}
    db.execute(update(rates).where(rates.c.connection == connection).values(**values))
    return free_at


def next_times(db: Connection, connections: Collection[str], now_us: int) -> Mapping[str, int]:
    """Tell when the next message of each may go, as it looks now; nobody who takes a time is waited for."""
    if not connections:
        return {}
    found = _OF_THESE.all(db, connections=[*connections]) if len(connections) <= _NAMED else _ALL.all(db)
    there = {row.connection: row for row in found}
    return {one: _next_time(there.get(one), now_us) for one in connections}


def still_to_come(db: Connection, now_us: int) -> set[str]:
    """Give the connections whose next time has not come; none of those that a clock wrote which was set back since."""
    ahead = (rates.c.taken_at <= now_us) & (rates.c.free_at > now_us)
    return set(db.execute(select(rates.c.connection).where(ahead)).scalars())


def rate_limit_of(route_row: Row[Any]) -> RateLimit | None:
    """Read the limit of a route's connection as it is now."""
    try:
        stored = json.loads(route_row.settings).get("rateLimit") if route_row.settings else None
        return RateLimit.parse(stored) if stored else None
    except (ValueError, AttributeError, MailnodeError):
        return None  # a connection that can't be read sends nothing anyway, and its deliveries say why


def _next_time(row: Row[Any] | None, now_us: int) -> int:
    if row is None:
        return now_us
    # Where the clock was set back the wait that was left stays as long as it was.
    ahead = row.free_at - row.taken_at if now_us < row.taken_at else row.free_at - now_us
    return now_us + int(max(ahead, 0))
