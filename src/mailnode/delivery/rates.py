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
from mailnode.store import clock
from mailnode.store.prepared import AnyOf, Query
from mailnode.store.sql import insert_new
from mailnode.store.tables import rates

_INSERT = insert_new(rates)
_ALL = Query(select(rates))
_OF_THESE = Query(select(rates).where(AnyOf(rates.c.connection, "connections")))
_NAMED = 500  # of more it is sooner to read them all


def take_time(db: Connection, connection: str, limit: RateLimit, now_us: int, *, ahead_us: int = 0) -> int | None:
    """Take the next time to send if it comes within `ahead_us` from `now_us`, else none; all in microseconds."""
    taken = select(rates).where(rates.c.connection == connection).with_for_update()
    if (row := db.execute(taken).first()) is None:
        # Of two workers that take the first time of all at once the later one has to see the earlier one's.
        db.execute(_INSERT, [{"connection": connection, "free_at": now_us, "taken_at": now_us}])
        row = db.execute(taken).one()
    if _count_anew(db, row.taken_at):
        row = db.execute(taken).one()
    free_at = max(int(row.free_at), now_us)
    if free_at > now_us + ahead_us:
        return None
    # Another worker may have taken a time while its row was waited for: later than the `now_us` of this one.
    values = {"free_at": free_at + limit.spacing_us, "taken_at": max(row.taken_at, now_us)}
    db.execute(update(rates).where(rates.c.connection == connection).values(**values))
    return free_at


def next_times(db: Connection, connections: Collection[str], now_us: int) -> Mapping[str, int]:
    """Tell when the next message of each may go, as it looks now; nobody who takes a time is waited for."""
    if not connections:
        return {}
    found = _read(db, connections)
    if _count_anew(db, max((row.taken_at for row in found), default=0)):
        found = _read(db, connections)
    free_at = {row.connection: row.free_at for row in found}
    return {one: max(free_at.get(one, now_us), now_us) for one in connections}


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


def _read(db: Connection, connections: Collection[str]) -> list[Row[Any]]:
    return _OF_THESE.all(db, connections=[*connections]) if len(connections) <= _NAMED else _ALL.all(db)


def _count_anew(db: Connection, taken_at: int) -> bool:
    """Count all waits from now, as long as they were, if the clock was set back since `taken_at`; tell whether so.

    Stored like that they end, however far it was set back.
    """
    if taken_at <= clock.now_us(db):
        return False
    # A transaction knows the clock late, by as long as the answer took: that alone must bring no message forward.
    now = clock.now_us(db) if db.dialect.name == "sqlite" else int(db.exec_driver_sql(clock.NOW_US).scalar_one())
    if taken_at <= now:
        return False
    # Who has a row locked takes a time, and does this itself.
    ahead = select(rates.c.connection).where(rates.c.taken_at > now).with_for_update(skip_locked=True)
    values = {"free_at": rates.c.free_at - rates.c.taken_at + now, "taken_at": now}
    db.execute(update(rates).where(rates.c.connection.in_(ahead)).values(values))
    return True
