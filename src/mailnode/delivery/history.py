"""How many deliveries were accepted, failed, and waited, in the hours up to now."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import partial
from itertools import accumulate, islice
from typing import Any, TypedDict

from sqlalchemy import BigInteger, ColumnElement, Connection, bindparam, case, cast, delete, func, select, update

from mailnode.delivery.rows import UNDER_WAY
from mailnode.store.clock import now_ms
from mailnode.store.sql import insert_new
from mailnode.store.tables import deliveries, delivery_counts

MOST_HOURS = 24 * 60
_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_WIDTHS_MS = tuple(minutes * _MINUTE_MS for minutes in (1, 5, 15, 30, 60, 180, 360, 720, 1440))
_MOST_BUCKETS = 60
# Buckets of less than an hour reach less far back than this.
_FINE_MINUTES = 48 * 60
_COUNTED = {"sent": "accepted", "partial": "accepted", "failed": "failed", "unknown": "inDoubt", "held": "inDoubt"}
# What delivery_counts calls the beginning; each other event is the state that a delivery ended in.
_CREATED = "created"


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
    counts: Iterable[Any] = db.execute(
        _COUNTS, {"begin": first * width // _MINUTE_MS, "width": width // _MINUTE_MS, "before": first - 1}
    )
    for bucket, event, count in counts:
        change[bucket] += count if event == _CREATED else -count
        ended[bucket][_COUNTED.get(event, "")] += count
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


def read_counts(db: Connection) -> dict[str, int]:
    """Count the deliveries by what the database says of their state; a state without any is left out."""
    totals: dict[str, int] = {event: int(count) for event, count in db.execute(_TOTALS)}
    under_way: dict[str, int] = {row[0]: row[1] for row in db.execute(_UNDER_WAY)}
    ended = {event: count for event, count in totals.items() if event != _CREATED}
    queued = totals.get(_CREATED, 0) - sum(ended.values()) - sum(under_way.values())
    return {state: count for state, count in {"queued": queued, **under_way, **ended}.items() if count}


def fold_counts(db: Connection) -> None:
    """Add up the minutes of each hour that no history tells apart any more."""
    before = now_ms(db) // _HOUR_MS * 60 - _FINE_MINUTES
    counts = delivery_counts.c
    is_apart = (counts.minute % 60 != 0) | (counts.writer != 0) | (counts.count == 0)
    of_old = select(delivery_counts).where(counts.minute < before, is_apart).with_for_update()
    if not (old := db.execute(of_old).all()):
        return
    db.execute(_REMOVE, [{"at": row.minute, "what": row.event, "by": row.writer} for row in old])
    folded = Counter[tuple[int, str]]()
    for row in old:
        folded[row.minute // 60 * 60, row.event] += row[3]
    sums = [(minute, event, count) for (minute, event), count in sorted(folded.items()) if count]
    if sums:
        db.execute(_ENSURE, [{"minute": at, "event": event, "writer": 0, "count": 0} for at, event, _ in sums])
        db.execute(_ADD, [{"at": at, "what": event, "by": 0, "more": more} for at, event, more in sums])


def _bucket() -> ColumnElement[int]:
    number = partial(bindparam, type_=BigInteger)
    at = delivery_counts.c.minute
    return case((at >= number("begin"), at // number("width")), else_=number("before"))


_SUM = cast(func.sum(delivery_counts.c.count), BigInteger)
_COUNTS = select(_bucket().label("bucket"), delivery_counts.c.event, _SUM).group_by("bucket", delivery_counts.c.event)
_TOTALS = select(delivery_counts.c.event, _SUM).group_by(delivery_counts.c.event)
_UNDER_WAY = select(deliveries.c.state, func.count()).where(UNDER_WAY).group_by(deliveries.c.state)
_IT = (
    (delivery_counts.c.minute == bindparam("at"))
    & (delivery_counts.c.event == bindparam("what"))
    & (delivery_counts.c.writer == bindparam("by"))
)
_REMOVE = delete(delivery_counts).where(_IT)
_ENSURE = insert_new(delivery_counts)
_ADD = update(delivery_counts).where(_IT).values(count=delivery_counts.c.count + bindparam("more"))
