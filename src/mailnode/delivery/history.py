"""How many deliveries were accepted, failed, and waited, in the hours up to now."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import accumulate, islice
from typing import Any, TypedDict

from sqlalchemy import BigInteger, Connection, Select, case, func, literal_column, select

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


class HistoryBucket(TypedDict):
    """What happened in one piece of time.

    Attributes:
        at: When it begins, in Unix ms.
        accepted: How many deliveries were accepted for at least one recipient.
        failed: How many failed.
        inDoubt: How many ended, or are held, without the server's answer.
        waiting: How many waited at its end.
    """

    at: int
    accepted: int
    failed: int
    inDoubt: int
    waiting: int


class DeliveryHistory(TypedDict):
    """Counts of deliveries over the hours up to now.

    Attributes:
        hours: How many hours.
        bucketMs: How long a bucket is, in ms.
        buckets: The counts, the oldest first; the last bucket is not over.
    """

    hours: int
    bucketMs: int
    buckets: list[HistoryBucket]


def read_history(db: Connection, hours: int) -> DeliveryHistory:
    """Count by when deliveries ended; one that a person had sent again counts as waiting since it was made.

    Accepted are those that a server took for at least one recipient, `inDoubt` those whose answer never came. Cancelled
    ones are nowhere but in what waited.
    """
    span = hours * _HOUR_MS
    width = next((width for width in _WIDTHS_MS if span <= width * _MOST_BUCKETS), _WIDTHS_MS[-1])
    last = now_ms(db) // width
    first = last - span // width + 1
    change = Counter[int]()  # of how many wait, by bucket; what was before the first one counts to that before it
    ended: dict[int, Counter[str]] = defaultdict(Counter)
    counts: Iterable[Any] = db.execute(_counts(first, width))
    for begun, end, state, count in counts:
        change[begun] += count
        if end is not None:
            change[end] -= count
            ended[end][_COUNTED.get(state, "")] += count
    waiting = accumulate((change[bucket] for bucket in range(first, last + 1)), initial=change[first - 1])
    buckets = [
        HistoryBucket(
            at=bucket * width,
            accepted=ended[bucket]["accepted"],
            failed=ended[bucket]["failed"],
            inDoubt=ended[bucket]["inDoubt"],
            waiting=left,
        )
        for bucket, left in zip(range(first, last + 1), islice(waiting, 1, None), strict=True)
    ]
    return DeliveryHistory(hours=hours, bucketMs=width, buckets=buckets)


def _counts(first: int, width: int) -> Select[Any]:
    """Count by bucket of beginning, bucket of end and state, in one look at the table."""
    # Numbers are spelled out, for PostgreSQL takes two parameters for two expressions.
    begin, one = literal_column(str(first * width), BigInteger), literal_column(str(width), BigInteger)
    at, until = deliveries.c.created_at, deliveries.c.updated_at
    begun = case((at >= begin, at // one), else_=literal_column(str(first - 1), BigInteger)).label("begun")
    ended = case((_OVER, until // one)).label("ended")
    query = select(begun, ended, deliveries.c.state, func.count().label("count"))
    return query.where((until >= begin) | ~_OVER).group_by("begun", "ended", deliveries.c.state)
