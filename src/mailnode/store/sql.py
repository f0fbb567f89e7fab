"""Statements and conditions that SQLAlchemy lacks, in the one form that SQLite and PostgreSQL both understand."""

import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from heapq import merge
from typing import Any, NamedTuple, Self

from sqlalchemy import ColumnElement, Connection, Insert, Row, Select, Table, literal, tuple_
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.compiler import compiles

from mailnode.errors import UsageError
from mailnode.printable import quoted

# A NUL is no text to PostgreSQL.
CURSOR_PATTERN = r"^[0-9]{1,15}-[^\x00]{1,200}$"
_CURSOR = re.compile(r"([0-9]{1,15})-([^\x00]{1,200})")
_LOCK_CLASS = 0x6D61696C


class Cursor(NamedTuple):
    """The last row of a page, newest rows first: when it was created (Unix ms), and its id.

    The next page begins after it, though rows are added and deleted meanwhile.
    """

    created_at: int
    id: str

    def __str__(self) -> str:
        """Give the text that `parse` reads."""
        return f"{self.created_at}-{self.id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` gave.

        Raises:
            UsageError: it is some other text.
        """
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise UsageError(
                f"{quoted(text)} is not a page cursor", hint="pass the cursor that the previous page returned, or none"
            )
        return cls(int(found[1]), found[2])

    def condition(self, order: "Order") -> ColumnElement[bool]:
        """Give the condition for the rows after it."""
        return tuple_(*order) < tuple_(literal(self.created_at), literal(self.id))


# The columns that lists are ordered by, both descending: when a row was created, and its id.
Order = tuple[ColumnElement[int], ColumnElement[str]]


def newest_first(
    db: Connection, query: Select[Any], order: Order, after: Cursor | None, batch: int
) -> Iterator[Row[Any]]:
    """Give the rows of a query in their order, reading no more of them than is taken, `batch` at a time.

    The first columns that it selects are those of `order`. An index has to begin with what the query compares with one
    value, and go on with those: then it is quick, however many rows there are.
    """
    query = query.order_by(*(column.desc() for column in order)).limit(batch)
    while True:
        rows = db.execute(query.where(after.condition(order)) if after else query).all()
        yield from rows
        if len(rows) < batch:
            return
        after = Cursor(*rows[-1][:2])


def merged(sources: Iterable[Iterable[Row[Any]]]) -> Iterator[Row[Any]]:
    """Give the rows of several, each with the newest first, as one such."""
    return merge(*sources, key=lambda row: row[:2], reverse=True)


class _InsertNew(Insert):
    inherit_cache = True


@compiles(_InsertNew)
def _compiled(insert: _InsertNew, compiler: Any, **options: Any) -> str:
    return f"{compiler.visit_insert(insert, **options)} ON CONFLICT DO NOTHING"


def insert_new(table: Table) -> Insert:
    """Insert rows into a table, except those whose primary key, or other unique value, is there already.

    A row that another transaction has just inserted is waited for. The result's `rowcount` counts the inserted rows.
    """
    return _InsertNew(table).execution_options(preserve_rowcount=True)


@contextmanager
def savepoint(db: Connection) -> Iterator[None]:
    """Undo what is done within it, and nothing else of the transaction, if it raises.

    An error that has ended the whole transaction, such as a full disk in SQLite, leaves nothing to go back to.
    """
    # Sent to the driver: SQLAlchemy's bookkeeping of a nested transaction takes longer than a short one itself.
    db.exec_driver_sql("SAVEPOINT part")
    try:
        yield
    except BaseException:
        with suppress(SQLAlchemyError):
            db.exec_driver_sql("ROLLBACK TO SAVEPOINT part")
            db.exec_driver_sql("RELEASE SAVEPOINT part")
        raise
    db.exec_driver_sql("RELEASE SAVEPOINT part")


def take_advisory_lock(db: Connection, name: str) -> None:
    """Wait until no other transaction holds the lock of this name, and hold it until the end of this one.

    Call it first in a transaction: what is read after it is as the previous holder left it. In SQLite each transaction
    that writes is alone anyway.
    """
    if db.dialect.name == "postgresql":
        # Two numbers, so that it is never the lock of the schema, which is one.
        db.exec_driver_sql(
            "SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK_CLASS, zlib.crc32(name.encode()) & 0x7FFFFFFF)
        )
