"""Messages that an app hands in again: who has one already does not get it twice.

The same message is one of the same app, with the same Message-ID, reverse-path and bytes, within a day.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, literal_column, select, update

from mailnode.delivery.delivery import RESENT_AFTER_UNKNOWN
from mailnode.store.prepared import AnyOf, Change, Query
from mailnode.store.sql import insert_new
from mailnode.store.tables import deliveries, delivery_recipients
from mailnode.store.tables import submissions as table

DAY_MS = 86_400_000
_SENT_IN_VAIN = frozenset({"failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class HandedIn:
    """A message with the delivery that it is to become, and for whom."""

    delivery_id: str
    fingerprint: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fresh:
    """Who of a message's recipients does not have it yet; `earlier` is the delivery that the others have it by.

    `in_doubt` tells that an earlier delivery failed that may have reached somebody all the same.
    """

    addresses: tuple[str, ...]
    earlier: str = ""
    in_doubt: bool = False


def fingerprint_of(app_id: str, message_id: str, reverse_path: str, digest: str) -> str:
    """Give what the same message has in common each time."""
    return hashlib.sha256(f"{app_id}\0{message_id}\0{reverse_path}\0{digest}".encode()).hexdigest()


def fresh_recipients(db: Connection, handed_in: Sequence[HandedIn], now: int) -> list[Fresh]:
    """Note who gets which message, and tell who does not have it already.

    Another process that notes the same is waited for, so that of two only one gets a recipient.
    """
    rows = [
        {"fingerprint": one.fingerprint, "address": address, "delivery_id": one.delivery_id, "created_at": now}
        for one in handed_in
        for address in one.addresses
    ]
    rows.sort(key=lambda row: (row["fingerprint"], row["address"]))
    if _INSERT.run(db, rows) == len(rows):
        return [Fresh(one.addresses) for one in handed_in]
    noted = {
        (row.fingerprint, row.address): row
        for row in _NOTED.all(db, fingerprints=[one.fingerprint for one in handed_in])
    }
    own = {one.delivery_id for one in handed_in}
    vain = _sent_in_vain(db, {row.delivery_id for row in noted.values()} - own)
    return [_fresh(db, one, noted, vain, now) for one in handed_in]


def count_duplicates(db: Connection, delivery_ids: Sequence[str]) -> None:
    """Count that these deliveries were handed in again."""
    _COUNT.run(db, [{"of": one} for one in sorted(delivery_ids)])


def forget_submissions(db: Connection, now: int, most: int) -> int:
    """Delete what was noted more than a day ago, or by a clock that was wrong; tell how many."""
    is_old = (table.c.created_at < now - DAY_MS) | (table.c.created_at > now + DAY_MS)
    old = select(table.c.fingerprint).where(is_old).limit(most)
    return db.execute(delete(table).where(is_old, table.c.fingerprint.in_(old.scalar_subquery()))).rowcount


@dataclass(frozen=True, slots=True)
class _InVain:
    """A delivery that has not reached all."""

    state: str
    in_doubt: bool
    statuses: dict[str, str]

    def has_missed(self, address: str) -> bool:
        """Whether somebody surely did not get it; whom a redirection has replaced missed it if it failed."""
        if self.state in _SENT_IN_VAIN:
            return self.statuses.get(address) != "accepted"
        return self.statuses.get(address) in {"refused", "deferred"}


def _sent_in_vain(db: Connection, ids: Collection[str]) -> dict[str, _InVain]:
    rows = [row for row in _STATES.all(db, ids=[*ids]) if row.state in _SENT_IN_VAIN or row.state == "partial"]
    statuses: dict[str, dict[str, str]] = {row.id: {} for row in rows}
    for one in _STATUSES.all(db, ids=[*statuses]) if statuses else ():
        statuses[one.delivery_id][one.address] = one.status
    return {row.id: _InVain(row.state, _is_in_doubt(row), statuses[row.id]) for row in rows}


def _is_in_doubt(row: Row[Any]) -> bool:
    return bool(row.maybe_accepted) or RESENT_AFTER_UNKNOWN in row.warnings


def _fresh(
    db: Connection, one: HandedIn, noted: dict[tuple[str, str], Row[Any]], vain: dict[str, _InVain], now: int
) -> Fresh:
    fresh, earlier, in_doubt = [], "", False
    for address in one.addresses:
        row = noted[one.fingerprint, address]
        sent = vain.get(row.delivery_id)
        # What lies further ahead was noted by a clock that was set back since.
        is_over = abs(now - row.created_at) > DAY_MS
        if row.delivery_id == one.delivery_id:
            fresh.append(address)
        elif (is_over or (sent and sent.has_missed(address))) and _take_over(db, row, one.delivery_id, now):
            fresh.append(address)
            in_doubt = in_doubt or (not is_over and sent is not None and sent.in_doubt)
        else:
            earlier = earlier or row.delivery_id
    return Fresh(tuple(fresh), earlier, in_doubt)


def _take_over(db: Connection, row: Row[Any], delivery_id: str, now: int) -> bool:
    taken = {"of": row.fingerprint, "to": row.address, "before": row.delivery_id}
    return bool(_TAKE_OVER.run(db, [{**taken, "delivery_id": delivery_id, "created_at": now}]))


_INSERT = Change(insert_new(table))
_NOTED = Query(select(table).where(AnyOf(table.c.fingerprint, "fingerprints")))
_TAKE_OVER = Change(
    update(table).where(
        table.c.fingerprint == bindparam("of"),
        table.c.address == bindparam("to"),
        table.c.delivery_id == bindparam("before"),
    )
)
_STATES = Query(
    select(deliveries.c.id, deliveries.c.state, deliveries.c.maybe_accepted, deliveries.c.warnings).where(
        AnyOf(deliveries.c.id, "ids")
    )
)
_STATUSES = Query(
    select(delivery_recipients.c.delivery_id, delivery_recipients.c.address, delivery_recipients.c.status).where(
        AnyOf(delivery_recipients.c.delivery_id, "ids")
    )
)
_COUNT = Change(
    update(deliveries)
    .where(deliveries.c.id == bindparam("of"))
    .values(duplicates=func.coalesce(deliveries.c.duplicates, literal_column("0")) + literal_column("1"))
)
