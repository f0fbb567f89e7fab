"""Statements that are said to the driver directly; what is asked together goes to PostgreSQL in one trip."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from types import SimpleNamespace
from typing import Any, Generic, NamedTuple, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")
# Content would arrive in hexadecimal digits.
_AS_BYTES = {"postgresql": {"binary": True}}
_ALONG = "mailnode.along"


class Told(NamedTuple):
    """What the driver is told; with `is_many` its parameters are a list, for one time each."""

    sql: str
    said: Any = None
    is_many: bool = False


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """What the database is asked, in none, one or several statements.

    `answer` takes the driver's cursors, in the order of the statements, each only for a moment; it must take them all.
    """

    statements: Callable[[Connection], Sequence[Told]]
    answer: Callable[[Connection, Iterator[Any]], T]
    gives_rows: bool = False

    def options(self, db: Connection) -> dict[str, Any]:
        """Give how a cursor is made for it."""
        return _AS_BYTES.get(db.dialect.name, {}) if self.gives_rows else {}


def ask(db: Connection, one: Ask[T]) -> T:
    """Ask it, and give the answer."""
    statements = one.statements(db)
    with _errors_of(db, statements), closing(_tell_each(db, one, statements)) as cursors:
        return one.answer(db, cursors)


def _tell_each(db: Connection, one: Ask[Any], statements: Sequence[Told]) -> Generator[Any, None, None]:
    for statement in statements:
        with closing(db.connection.cursor(**one.options(db))) as cursor:
            _tell(db, cursor, statement)
            yield cursor


def ask_all(db: Connection, asked: Sequence[Ask[Any]]) -> list[Any]:
    """Ask all of these, in their order, and give their answers: PostgreSQL is asked in one trip.

    An error of one of them undoes them all. SQLite is asked one by one: there is no way to it that takes time.
    """
    if db.dialect.name == "sqlite":
        return [ask(db, one) for one in asked]
    said = [(one, one.statements(db)) for one in asked]
    statements = [*chain.from_iterable(its for _, its in said)]
    with ExitStack() as held, _errors_of(db, statements):

        def opened(**options: Any) -> Any:
            return held.enter_context(closing(db.connection.cursor(**options)))

        cursors = [[opened(**one.options(db)) for _ in its] for one, its in said]
        if statements:
            along: Along | None = None if all(one.gives_rows for one in asked) else db.info.get(_ALONG)
            beside = opened() if along and along.is_wanted else None
            with _one_trip(db.connection.driver_connection):
                for statement, cursor in zip(statements, chain.from_iterable(cursors), strict=True):
                    _tell(db, cursor, statement)
                if along and beside:
                    beside.execute(along.sql)
            if along and beside:
                along.row = beside.fetchone()
        return [one.answer(db, iter(its)) for one, its in zip(asked, cursors, strict=True)]


@contextmanager
def _one_trip(driver: Any) -> Iterator[None]:
    """Send what is said within to PostgreSQL, and wait for the answers at the end."""
    failure: BaseException | None = None
    try:
        with driver.pipeline():
            try:
                yield
            except BaseException as error:  # noqa: BLE001 -- raised below: the driver logs what ends its pipeline early
                failure = error
    except Exception:
        if failure is None:
            raise
    if failure:
        raise failure


@dataclass(slots=True)
class Along:
    """What PostgreSQL is asked in one trip with changes, and the last answer: a row, which counts if it has no null."""

    sql: str
    row: Any = None

    @property
    def is_wanted(self) -> bool:
        """Whether there is no answer yet that counts."""
        return self.row is None or None in self.row


def ask_along(db: Connection, sql: str) -> Along:
    """Have something asked along with the changes of this transaction, if any are asked together."""
    along = db.info[_ALONG] = Along(sql)
    return along


@contextmanager
def telling(db: Connection, statement: Told) -> Iterator[Any]:
    """Give a cursor of the driver that has been told this."""
    with _errors_of(db, [statement]), closing(db.connection.cursor()) as cursor:
        _tell(db, cursor, statement)
        yield cursor


def _tell(db: Connection, cursor: Any, statement: Told) -> None:
    """Tell a cursor of the driver; who listens to what SQLAlchemy says to the database hears this too."""
    sql, said, is_many = statement
    context = SimpleNamespace()
    for hear in db.dispatch.before_cursor_execute:
        hear(db, cursor, sql, said, context, is_many)
    if is_many:
        cursor.executemany(sql, said)
    else:
        cursor.execute(sql, said)
    for hear in db.dispatch.after_cursor_execute:
        hear(db, cursor, sql, said, context, is_many)


@contextmanager
def _errors_of(db: Connection, statements: Sequence[Told]) -> Iterator[None]:
    """Raise errors of the driver as SQLAlchemy does, which gives up what is broken."""
    try:
        yield
    except db.dialect.loaded_dbapi.Error as error:
        sql = statements[0].sql if statements else ""
        db._handle_dbapi_exception(error, sql, None, None, None)  # noqa: SLF001 -- nothing public does it for us
