"""Rate limits of connections, shared by all workers: the generic cell rate algorithm (ITU-T I.371), without bursts.

A message gets a time, one `spacing` after the one before it, and may begin until `slack` after that. So the times of
`count` + 1 messages lie further apart than the limit's seconds and the slack together: no window of that length holds
more than `count`, wherever it begins.
"""

from sqlalchemy import Connection, select, update

from mailnode.connections.rate_limit import RateLimit
from mailnode.store.sql import insert_new
from mailnode.store.tables import rates

_INSERT = insert_new(rates)


def take_time(db: Connection, connection: str, limit: RateLimit, now_us: int, *, ahead_us: int = 0) -> int | None:
    """Take the next time to send (microseconds) if it comes within `ahead_us` from now, else none."""
    free_at = next_time(db, connection, now_us)
    if free_at > now_us + ahead_us:
        return None
    # Of two workers that take the first time of all at once the later one has to see the earlier one's.
    new = {"connection": connection, "free_at": now_us, "taken_at": now_us}
    if free_at == now_us and db.execute(_INSERT, [new]).rowcount == 0:
        free_at = next_time(db, connection, now_us)
        if free_at > now_us + ahead_us:
            return None
    values = {"free_at": free_at + limit.spacing_us, "taken_at": now_us}
    db.execute(update(rates).where(rates.c.connection == connection).values(**values))
    return free_at


def next_time(db: Connection, connection: str, now_us: int) -> int:
    """Tell when the next message may go."""
    row = db.execute(select(rates).where(rates.c.connection == connection).with_for_update()).first()
    if row is None:
        return now_us
    # Where the clock was set back the wait that was left stays as long as it was.
    ahead = row.free_at - row.taken_at if now_us < row.taken_at else row.free_at - now_us
    return now_us + int(max(ahead, 0))
