"""Transactions of other programs on a PostgreSQL database, whichever library their connections are of.

What is to be done there is a generator that yields statements and takes their rows, so that the same steps run on
connections of SQLAlchemy and of psycopg, with and without `await`. It neither commits nor rolls back.
"""

import sys
from collections import namedtuple
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, Union

from sqlalchemy import Connection, Executable
from sqlalchemy.dialects import postgresql

from mailnode.errors import UsageError

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
    from sqlalchemy.orm import Session

T = TypeVar("T")
_PSYCOPG: Any = vars(postgresql.psycopg)["dialect"]()
Within = Union[Connection, "Session", "psycopg.Connection[Any]"]
WithinAsync = Union["AsyncConnection", "AsyncSession", "psycopg.AsyncConnection[Any]"]


class Statement(NamedTuple):
    """What is said, once for each of the parameters, or once without any."""

    what: Executable
    parameters: Sequence[Mapping[str, Any]] = ()


Rows = Sequence[Any]
# An error of the database is raised where the statement was yielded.
Steps = Generator[Statement, Rows, T]


def take_steps(steps: Steps[T], within: Within) -> T:
    """Take steps within a Connection or Session of SQLAlchemy, or a Connection of psycopg (3).

    Raises:
        UsageError: it is nothing of that, or on another kind of database.
    """
    say = _speaker(within)
    talk = _Talk(steps)
    while (statement := talk.statement) is not None:
        try:
            rows = say(statement)
        except Exception as error:  # noqa: BLE001 -- the steps raise it, when they have gone back
            talk.fail(error)
        else:
            talk.answer(rows)
    return talk.result


async def take_steps_async(steps: Steps[T], within: WithinAsync) -> T:
    """Take steps within an AsyncConnection or AsyncSession of SQLAlchemy, or an AsyncConnection of psycopg (3).

    Raises:
        UsageError: it is nothing of that, or on another kind of database.
    """
    if run_sync := getattr(within, "run_sync", None):
        result: T = await run_sync(partial(take_steps, steps))
        return result
    psycopg: Any = sys.modules.get("psycopg")
    if not psycopg or not isinstance(within, psycopg.AsyncConnection):
        raise _no_transaction(within, "an AsyncConnection or AsyncSession of SQLAlchemy, or psycopg's AsyncConnection")
    talk = _Talk(steps)
    async with psycopg.AsyncCursor(within, row_factory=psycopg.rows.tuple_row) as cursor:
        while (statement := talk.statement) is not None:
            try:
                for sql, parameters in _as_psycopg(statement):
                    await cursor.execute(sql, parameters)
                rows = _named_rows(cursor, await cursor.fetchall()) if cursor.description else []
            except Exception as error:  # noqa: BLE001 -- as above
                talk.fail(error)
            else:
                talk.answer(rows)
    return talk.result


def state_of(error: BaseException) -> str:
    """Give the SQLSTATE that a driver tells, whichever it is."""
    said = getattr(error, "orig", None) or error
    for one in (said, said.__cause__):
        state = getattr(one, "sqlstate", None) or getattr(one, "pgcode", None)
        if state:
            return str(state)
    return ""


class _Talk(Generic[T]):
    """What the steps say next, None at their end, and what has come of them."""

    def __init__(self, steps: Steps[T]) -> None:
        self._steps = steps
        self.result: T
        self.statement: Statement | None = None
        self._go(lambda: next(steps))

    def answer(self, rows: Rows) -> None:
        self._go(lambda: self._steps.send(rows))

    def fail(self, error: Exception) -> None:
        self._go(lambda: self._steps.throw(error))

    def _go(self, step: Callable[[], Statement]) -> None:
        try:
            self.statement = step()
        except StopIteration as end:
            self.result, self.statement = end.value, None


def _speaker(within: Within) -> Callable[[Statement], Rows]:
    psycopg: Any = sys.modules.get("psycopg")
    if psycopg and isinstance(within, psycopg.Connection):
        return partial(_say_to_psycopg, psycopg.Cursor(within, row_factory=psycopg.rows.tuple_row))
    orm: Any = sys.modules.get("sqlalchemy.orm")
    if orm and isinstance(within, orm.Session | orm.scoped_session):
        within = within.connection()
    if not isinstance(within, Connection):
        raise _no_transaction(within, "a Connection or Session of SQLAlchemy, or a Connection of psycopg (3)")
    if within.dialect.name != "postgresql":
        raise UsageError(
            f"the transaction is one of {within.dialect.name}: enqueue needs mailnode's own PostgreSQL database",
            hint="set MAILNODE_DATABASE_URL, or send by Mailnode.send once the transaction is committed",
        )
    return partial(_say_to_sqlalchemy, within)


def _no_transaction(within: object, wanted: str) -> UsageError:
    kind = type(within)
    return UsageError(
        f"`within` is a {kind.__module__}.{kind.__qualname__}",
        hint=f"give {wanted}; enqueue_async takes those with `await`, enqueue the others",
    )


def _say_to_sqlalchemy(db: Connection, statement: Statement) -> Rows:
    result = db.execute(statement.what, [dict(one) for one in statement.parameters] or None)
    return result.all() if result.returns_rows else []


def _say_to_psycopg(cursor: Any, statement: Statement) -> Rows:
    for sql, parameters in _as_psycopg(statement):
        cursor.execute(sql, parameters)
    return _named_rows(cursor, cursor.fetchall()) if cursor.description else []


def _as_psycopg(statement: Statement) -> Iterator[tuple[str, Mapping[str, Any] | None]]:
    rows = statement.parameters or ({},)
    for row in rows:
        yield _sql(statement.what, tuple(row)), row or None


@lru_cache(maxsize=64)
def _sql(what: Any, names: tuple[str, ...]) -> str:
    return str(what.compile(dialect=_PSYCOPG, column_keys=[*names] or None))


def _named_rows(cursor: Any, rows: Sequence[tuple[Any, ...]]) -> Rows:
    row = namedtuple("row", [column.name for column in cursor.description])  # type: ignore[misc]  # noqa: PYI024
    return [row(*one) for one in rows]
