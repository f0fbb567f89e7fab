"""What processes of earlier versions hold in a SQLite file: their locks lay in their homes, where not all see them."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, TextClause, func, select, text, update

from mailnode.errors import StoreError
from mailnode.store.clock import now_ms
from mailnode.store.flock_worker import is_earlier
from mailnode.store.tables import deliveries, runs, tokens

# An id that nobody has, so that whoever meets it finds its process dead.
_NOBODY = "nobody"


def held_by_earlier(db: Connection) -> dict[str, Counter[str]]:
    """Count what each process of an earlier version holds, by its id and what it is."""
    held: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for what, column, is_held in _held(db):
        for row in db.execute(select(column, func.count().label("number")).where(is_held).group_by(column)):
            if row[0] and is_earlier(row[0]):
                held[row[0]][what] += row.number
    return dict(held)


def leave(db: Connection, worker_ids: Sequence[str]) -> None:
    """Say of what these hold that nobody holds it, so that it is taken up as after the end of any process."""
    for _, column, is_held in _held(db):
        db.execute(update(column.table).where(is_held, column.in_(worker_ids)).values({column.name: _NOBODY}))


def maybe_at_work(database: str, held: Mapping[str, Counter[str]]) -> StoreError:
    """Say what may still be in hands that can't be seen from here."""
    counts = sum(held.values(), Counter[str]())
    told = ", ".join(f"{count} {what if count > 1 else what[:-1]}" for what, count in sorted(counts.items()))
    return StoreError(
        f"{database} has work in the hands of a process of an earlier version ({told})",
        hint="stop every worker, serve and run of the earlier version that uses it. If one was killed, and this is told"
        " still, start once with MAILNODE_EARLIER_WORKERS=stopped; what it was sending is then in doubt, as after any"
        " crash",
    )


def _held(db: Connection) -> list[tuple[str, Column[Any], ColumnElement[bool] | TextClause]]:
    return [
        ("emails", deliveries.c.worker, text("state IN ('claimed', 'handingOver')")),
        ("runs", runs.c.worker, text("status = 'running'")),
        ("token renewals", tokens.c.refreshing_by, tokens.c.refreshing_until > now_ms(db)),
    ]
