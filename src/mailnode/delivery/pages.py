"""Pages of deliveries, the newest first: found by indexes, so that a page takes as long however many there are."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Select, exists, select

from mailnode.delivery.delivery import FINAL_STATES, ShownState
from mailnode.delivery.rows import FINAL, QUEUED, UNDER_WAY
from mailnode.store.sql import Cursor, merged, newest_first
from mailnode.store.tables import deliveries, delivery_recipients

# A search that finds no more recipients than these is sorted by hand.
MOST_SORTED = 1_000
# No index knows the words of a subject: so many deliveries are looked at for one page, and the next page goes on there.
MOST_LOOKED_AT = 4_000
_LOOKED_AT_ONCE = 1_000
# A statement bears only so many parameters.
ASKED_AT_ONCE = 500
_UNDER_WAY_STATES: set[ShownState] = {"claimed", "handingOver", "interrupted"}
_BEHIND_ALL = "\U0010ffff"
_ALL = select(deliveries)
_ORDER = (deliveries.c.created_at, deliveries.c.id)
_COMPARED = ("state", "worker", "connection", "run_id", "flow", "app", "subject")
_KEYS = select(*_ORDER, *(deliveries.c[name] for name in _COMPARED))

_to = delivery_recipients.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a list is asked for; None, and no states, are all."""

    states: Sequence[ShownState] = ()
    ids: Sequence[str] | None = None
    connection: str | None = None
    recipient: str | None = None
    run: str | None = None
    flow: str | None = None
    app: str | None = None
    subject: str | None = None
    since: int | None = None
    until: int | None = None
    after: Cursor | None = None
    limit: int = 50

    @property
    def is_of_recipients(self) -> bool:
        """Whether nothing else is asked for than a recipient."""
        others = (self.connection, self.run, self.flow, self.app, self.subject)
        return not self.states and all(one is None for one in others)

    @property
    def begin(self) -> Cursor | None:
        """The place that the list goes on from: the page before, or the end of the time that is asked for."""
        # No id comes before "".
        ends = [*([self.after] if self.after else []), *([Cursor(self.until, "")] if self.until is not None else [])]
        return min(ends, default=None)


class Page(NamedTuple):
    """The rows of a page, each with its state; `next` is where the next page goes on, None if this is the last one."""

    rows: list[tuple[Row[Any], ShownState]]
    next: Cursor | None


def read_page(db: Connection, wanted: Filter, shown_state: Callable[[Row[Any]], ShownState]) -> Page:
    """Read the rows of a page, each with its state as `shown_state` tells it of `state` and `worker`."""
    keys, after = find_page(db, wanted, shown_state)
    rows = {row.id: row for row in read_by_id(db, [key.id for key in keys])}
    return Page([(rows[key.id], shown_state(rows[key.id])) for key in keys], after)


def find_page(
    db: Connection, wanted: Filter, shown_state: Callable[[Row[Any]], ShownState]
) -> tuple[list[Row[Any]], Cursor | None]:
    """Find what a page holds, `id` and `created_at` of each at least, and where the next one goes on."""
    found: list[Row[Any]] = []
    looked_at: Row[Any] | None = None
    candidates = takewhile(lambda row: wanted.since is None or row.created_at >= wanted.since, _candidates(db, wanted))
    for number, row in enumerate(candidates):
        if len(found) == wanted.limit or (number == MOST_LOOKED_AT and wanted.subject is not None):
            assert looked_at is not None
            return found, Cursor(looked_at.created_at, looked_at.id)
        looked_at = row
        if _fits(row, wanted, shown_state):
            found.append(row)
    return found, None


def _fits(row: Row[Any], wanted: Filter, shown_state: Callable[[Row[Any]], ShownState]) -> bool:
    return (
        (wanted.connection is None or row.connection == wanted.connection)
        and (wanted.run is None or row.run_id == wanted.run)
        and (wanted.flow is None or row.flow == wanted.flow)
        and (wanted.app is None or row.app == wanted.app)
        and (wanted.subject is None or wanted.subject.casefold() in (row.subject or "").casefold())
        and (not wanted.states or shown_state(row) in wanted.states)
    )


def read_by_id(db: Connection, ids: Sequence[str], columns: Select[Any] = _ALL) -> Iterator[Row[Any]]:
    """Read deliveries by their ids, in any order."""
    for at in range(0, len(ids), ASKED_AT_ONCE):
        yield from db.execute(columns.where(deliveries.c.id.in_(ids[at : at + ASKED_AT_ONCE])))


def _candidates(db: Connection, wanted: Filter) -> Iterable[Row[Any]]:
    """Give deliveries of which those that fit are the page, as few others as an index can tell."""
    if wanted.ids is not None:
        return sorted(read_by_id(db, wanted.ids, _KEYS), key=lambda row: row[:2], reverse=True)
    if wanted.recipient is None:
        return merged(_sources(db, wanted))
    is_it, is_one = _addressed(db, wanted.recipient.lower())
    few = db.execute(select(_to.created_at, _to.delivery_id).where(is_it).limit(MOST_SORTED + 1)).all()
    if len(few) <= MOST_SORTED:
        return _sorted(db, {(row.created_at, row.delivery_id) for row in few}, wanted)
    if wanted.is_of_recipients and is_one:
        query = select(_to.created_at, _to.delivery_id.label("id")).where(is_it).distinct()
        return newest_first(db, query, (_to.created_at, _to.delivery_id), wanted.begin, _batch(wanted))
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
    ids = [id_ for at, id_ in sorted(found, reverse=True) if wanted.begin is None or (at, id_) < wanted.begin]
    for at in range(0, len(ids), ASKED_AT_ONCE):
        rows = {row.id: row for row in read_by_id(db, ids[at : at + ASKED_AT_ONCE], _KEYS)}
        yield from (rows[id_] for id_ in ids[at : at + ASKED_AT_ONCE] if id_ in rows)


def _sources(db: Connection, wanted: Filter, *more: ColumnElement[bool]) -> Iterator[Iterable[Row[Any]]]:
    """Give what fits, and little more, as one list for each index, or part of one, that has it in order."""

    def source(*conditions: ColumnElement[bool]) -> Iterable[Row[Any]]:
        return newest_first(db, _KEYS.where(*conditions, *more), _ORDER, wanted.begin, _batch(wanted))

    if wanted.run is not None:
        yield source(deliveries.c.run_id == wanted.run)
        return
    if wanted.app is not None:
        yield source(deliveries.c.app == wanted.app)
        return
    if wanted.flow is wanted.connection is None and not wanted.states:
        yield source()
        return
    of_it = []
    if wanted.flow is not None:  # of both it is the one that has fewer, as a rule
        of_it = [deliveries.c.flow == wanted.flow]
    elif wanted.connection is not None:
        of_it = [deliveries.c.connection == wanted.connection]
    states: set[ShownState] = set(wanted.states or (*FINAL_STATES, "queued", *_UNDER_WAY_STATES))
    for state in sorted(states & FINAL_STATES):
        yield source(*of_it, FINAL, deliveries.c.state == state)
    if "queued" in states:
        yield source(*of_it, QUEUED)
    if states & _UNDER_WAY_STATES:  # no more than the workers have hands
        after = [wanted.begin.condition(_ORDER)] if wanted.begin else []
        found: Iterable[Row[Any]] = db.execute(_KEYS.where(UNDER_WAY, *of_it, *more, *after))
        yield sorted(found, key=lambda row: row[:2], reverse=True)


def _batch(wanted: Filter) -> int:
    """Give how many are read at once; one more than the page tells whether there is another."""
    return wanted.limit + 1 if wanted.subject is None else _LOOKED_AT_ONCE
