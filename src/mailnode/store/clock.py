"""The time as the tables hold it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

Clock = Callable[[], int]

# Not the transaction's time: what waited for a lock goes on later than it began.
NOW_US = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
# What a connection knows of its server: by how much (us) its clock is ahead of the monotonic one of this machine.
AHEAD = "mailnode.clock.ahead"
# The last moment that a calendar of ours has.
_LAST_MS = 253_402_300_799_999


def unix_ms() -> int:
    """Give the time of this machine in Unix milliseconds."""
    return int(time.time() * 1000)


def now_us(db: "Connection") -> int:
    """Give the time that all workers of a database share, in Unix microseconds: the server's, or this machine's."""
    if db.dialect.name == "sqlite":
        return time.time_ns() // 1000
    # Asked as the transaction began (see store/postgres): no other trip to the server is needed.
    if (ahead := db.info.get(AHEAD)) is not None:
        return int(ahead) + time.monotonic_ns() // 1000
    return int(db.exec_driver_sql(NOW_US).scalar_one())


def now_ms(db: "Connection") -> int:
    """Give the same in Unix milliseconds."""
    return now_us(db) // 1000


def utc(milliseconds: int) -> datetime:
    """Give a time (Unix ms) to be shown; of what is beyond the calendar its end."""
    return datetime.fromtimestamp(min(max(milliseconds, 0), _LAST_MS) / 1000, UTC)
