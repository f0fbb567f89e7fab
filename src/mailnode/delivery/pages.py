"""Pages of deliveries, the newest first: found by indexes, so that a page takes as long however many there are."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, exists, select

from mailnode.delivery.delivery import FINAL_STATES, ShownState
from mailnode.delivery.rows import FINAL, QUEUED, UNDER_WAY
from mailnode.store.sql import Cursor, merged, newest_first
from mailnode.store.tables import deliveries, delivery_recipients

# A search that finds no more recipients than these is sorted by hand.
MOST_SORTED = 1_000
# A statement bears only so many parameters.
ASKED_AT_ONCE = 500
_UNDER_WAY_STATES: set[ShownState] = {"claimed", "handingOver", "interrupted"}
_BEHIND_ALL = "\U0010ffff"
_ALL = select(deliveries)
_ORDER = (deliveries.c.created_at, deliveries.c.id)
_KEYS = select(*_ORDER, deliveries.c.state, deliveries.c.worker, deliveries.c.connection, deliveries.c.run_id)

_to = delivery_recipients.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a list is asked for; None, and no states, are all."""

    states: Sequence[ShownState]
    connection: str | None
    recipient: str | None
    run: str | None
    after: Cursor | None
    limit: int

    @property
    def is_of_recipients(self) -> bool:
        """Whether nothing else is asked for than a recipient."""
        return not self.states and self.connection is None and self.run is None


def read_page(
    db: Connection, wanted: Filter, shown_state: Callable[[Row[Any]], ShownState]
) -> list[tuple[Row[Any], ShownState]]:
    """Read the rows of a page, each with its state as `shown_state` tells it of `state` and `worker`."""

    def fits(row: Row[Any]) -> bool:
        return (
            (wanted.connection is None or row.connection == wanted.connection)
            and (wanted.run is None or row.run_id == wanted.run)
            and (not wanted.states or shown_state(row) in wanted.states)
        )

    ids = [row.id for row in islice(filter(fits, _candidates(db, wanted)), wanted.limit)]
    rows = {row.id: row for row in read_by_id(db, ids)}
    return [(rows[id_], shown_state(rows[id_])) for id_ in ids]


def read_by_id(db: Connection, ids: Sequence[str], columns: Select[Any] = _ALL) -> Iterator[Row[Any]]:
    """Read deliveries by their ids, in any order."""
    for at in range(0, len(ids), ASKED_AT_ONCE):
        yield from db.execute(columns.where(deliveries.c.id.in_(ids[at : at + ASKED_AT_ONCE])))


def _candidates(db: Connection, wanted: Filter) -> Iterable[Row[Any]]:
    """Give deliveries of which those that fit are the page, as few others as an index can tell."""
    if wanted.recipient is None:
        return merged(_sources(db, wanted))
    is_it, is_one = _addressed(db, wanted.recipient.lower())
    few = db.execute(select(_to.created_at, _to.delivery_id).where(is_it).limit(MOST_SORTED + 1)).all()
    if len(few) <= MOST_SORTED:
        return _sorted(db, {(row.created_at, row.delivery_id) for row in few}, wanted)
    if wanted.is_of_recipients and is_one:
        query = select(_to.created_at, _to.delivery_id.label("id")).where(is_it).distinct()
        return newest_first(db, query, (_to.created_at, _to.delivery_id), wanted.after, wanted.limit)
    # The time is said twice, for the index has it before the id.
    of_it = (_to.delivery_id == deliveries.c.id) & (_to.created_at == deliveries.c.created_at)
    return merged(_sources(db, wanted, exists().where(of_it, is_it)))


def _addressed(db: Connection, text: str) -> tuple[ColumnElement[bool], bool]:
    """Give the condition for recipients, and whether it compares with one value.

    They are those of a domain (`@example.org`), of an address, or, where nobody has that one, of all that begin so.
    """
    if text.startswith("@"):
        return _to.domain == text[1:], True
    if db.execute(select(_to.delivery_id).where(_to.mailbox == text).limit(1)).first():
        return _to.mailbox == text, True
    return (_to.mailbox >= text) & (_to.mailbox < text + _BEHIND_ALL), False


def _sorted(db: Connection, found: Iterable[tuple[int, str]], wanted: Filter) -> Iterator[Row[Any]]:
    """Read those that were found, the newest first."""
    ids = [id_ for at, id_ in sorted(found, reverse=True) if wanted.after is None or (at, id_) < wanted.after]
    for at in range(0, len(ids), ASKED_AT_ONCE):
        rows = {row.id: row for row in read_by_id(db, ids[at : at + ASKED_AT_ONCE], _KEYS)}
        yield from (rows[id_] for id_ in ids[at : at + ASKED_AT_ONCE] if id_ in rows)


def _sources(db: Connection, wanted: Filter, *more: ColumnElement[bool]) -> Iterator[Iterable[Row[Any]]]:
    """Give what fits, and little more, as one list for each index, or part of one, that has it in order."""

    def source(*conditions: ColumnElement[bool]) -> Iterable[Row[Any]]:
        return newest_first(db, _KEYS.where(*conditions, *more), _ORDER, wanted.after, wanted.limit)

    if wanted.run is not None:
        yield source(deliveries.c.run_id == wanted.run)
        return
    if wanted.connection is None and not wanted.states:
        yield source()
        return
    of_it = [] if wanted.connection is None else [deliveries.c.connection == wanted.connection]
    states: set[ShownState] = set(wanted.states or (*FINAL_STATES, "queued", *_UNDER_WAY_STATES))
    for state in sorted(states & FINAL_STATES):
        yield source(*of_it, FINAL, deliveries.c.state == state)
    if "queued" in states:
        yield source(*of_it, QUEUED)
    if states & _UNDER_WAY_STATES:  # no more than the workers have hands
        after = [wanted.after.condition(_ORDER)] if wanted.after else []
        found: Iterable[Row[Any]] = db.execute(_KEYS.where(UNDER_WAY, *of_it, *more, *after))
        yield sorted(found, key=lambda row: row[:2], reverse=True)
