"""How many deliveries were accepted, failed, and waited, in the hours up to now."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TypedDict

from sqlalchemy import BigInteger, Column, Connection, func, literal_column, select

from mailnode.delivery.delivery import FINAL_STATES
from mailnode.store.clock import now_ms
from mailnode.store.tables import deliveries

MOST_HOURS = 24 * 60
_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_WIDTHS_MS = tuple(minutes * _MINUTE_MS for minutes in (1, 5, 15, 30, 60, 180, 360, 720, 1440))
_MOST_BUCKETS = 60
_COUNTED = {"sent": "accepted", "partial": "accepted", "failed": "failed", "unknown": "inDoubt", "held": "inDoubt"}
_OVER = deliveries.c.state.in_([literal_column(f"'{state}'") for state in sorted(FINAL_STATES)])


class Bucket(TypedDict):
    """What happened from `at` (Unix ms) on, for as long as a bucket is wide; `waiting` is how many did at its end."""

    at: int
    accepted: int
    failed: int
    inDoubt: int
    waiting: int


class History(TypedDict):
    """Buckets of one width, the oldest first; the last one is not over."""

    hours: int
    bucketMs: int
    buckets: list[Bucket]


def read_history(db: Connection, hours: int) -> History:
    """Count by when deliveries ended; one that a person had sent again counts as waiting since it was made.

    Accepted are those that a server took for at least one recipient, `inDoubt` those whose answer never came. Cancelled
    ones are nowhere but in what waited.
    """
    span = hours * _HOUR_MS
    width = next((width for width in _WIDTHS_MS if span <= width * _MOST_BUCKETS), _WIDTHS_MS[-1])
    last = now_ms(db) // width
    first = last - span // width + 1
    ended = _by_bucket(db, deliveries.c.updated_at, first, width)
    begun = _by_bucket(db, deliveries.c.created_at, first, width)
    waiting = int(db.execute(select(func.count()).select_from(deliveries).where(~_OVER)).scalar_one())
    buckets = list(_backwards(range(last, first - 1, -1), width, begun, ended, waiting))
    return History(hours=hours, bucketMs=width, buckets=buckets[::-1])


def _by_bucket(db: Connection, at: Column[int], first: int, width: int) -> dict[int, Counter[str]]:
    """Count those that began, or are over and ended, by bucket and state."""
    # The width is spelled out, for PostgreSQL takes two parameters for two widths.
    query = select((at // literal_column(str(width), BigInteger)).label("bucket"), deliveries.c.state, func.count())
    query = query.where(at >= first * width).group_by("bucket", deliveries.c.state)
    if at is deliveries.c.updated_at:
        query = query.where(_OVER)
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for bucket, state, count in db.execute(query):
        counts[int(bucket)][state] += count
    return counts


def _backwards(
    buckets: range, width: int, begun: dict[int, Counter[str]], ended: dict[int, Counter[str]], waiting: int
) -> Iterator[Bucket]:
    """Go back from how many wait now."""
    for bucket in buckets:
        over = Counter[str]()
        for state, count in ended[bucket].items():
            over[_COUNTED.get(state, "")] += count
        yield Bucket(
            at=bucket * width,
            accepted=over["accepted"],
            failed=over["failed"],
            inDoubt=over["inDoubt"],
            waiting=max(waiting, 0),
        )
        waiting += over.total() - begun[bucket].total()
