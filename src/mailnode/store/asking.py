"""Statements that are said to the driver directly; what is asked together goes to PostgreSQL in one trip."""

from collections.abc import Callable, Iterable, Iterator, Sequence
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


class Statement(NamedTuple):
    """What the driver is told; with `is_many` its parameters are a list, for one time each."""

    sql: str
    said: Any = None
    is_many: bool = False

    def say(self, cursor: Any) -> None:
        """Tell a cursor of the driver."""
        if self.is_many:
            cursor.executemany(self.sql, self.said)
        else:
            cursor.execute(self.sql, self.said)


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """What the database is asked, in none, one or several statements.

    `answer` takes the driver's cursors once they have been told, each only for a moment.
    """

    statements: Callable[[Connection], Sequence[Statement]]
    answer: Callable[[Connection, Iterator[Any]], T]
    gives_rows: bool = False

    def options(self, db: Connection) -> dict[str, Any]:
        """Give how a cursor is made for it."""
        return _AS_BYTES.get(db.dialect.name, {}) if self.gives_rows else {}


def ask(db: Connection, one: Ask[T]) -> T:
    """Ask it, and give the answer."""
    return one.answer(db, _told(db, one))


def _told(db: Connection, one: Ask[Any]) -> Iterator[Any]:
    for statement in one.statements(db):
        with driver_cursor(db, statement, **one.options(db)) as cursor:
            statement.say(cursor)
            yield cursor


def ask_all(db: Connection, asked: Sequence[Ask[Any]]) -> list[Any]:
    """Ask all of these, in their order, and give their answers: PostgreSQL is asked in one trip.

    An error of one of them undoes them all. SQLite is asked one by one: there is no way to it that takes time.
    """
    if db.dialect.name == "sqlite":
        return [ask(db, one) for one in asked]
    along: Along | None = None if all(one.gives_rows for one in asked) else db.info.get(_ALONG)
    along = along if along and along.is_wanted else None
    with ExitStack() as held, _errors_of(db, ""):

        def opened(**options: Any) -> Any:
            return held.enter_context(closing(db.connection.cursor(**options)))

        told = [(one, [(each, opened(**one.options(db))) for each in one.statements(db)]) for one in asked]
        sign = opened()
        if any(its for _, its in told):
            with _one_trip(db.connection.driver_connection):
                for statement, cursor in chain.from_iterable(its for _, its in told):
                    _tell(db.dispatch.before_cursor_execute, db, cursor, statement)
                    statement.say(cursor)
                    _tell(db.dispatch.after_cursor_execute, db, cursor, statement)
                if along:
                    sign.execute(along.sql)
            if along:
                along.row = sign.fetchone()
        return [one.answer(db, (cursor for _, cursor in its)) for one, its in told]


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
    """What PostgreSQL is asked in one trip with changes, until there is an answer in full."""

    sql: str
    row: Any = None

    @property
    def is_wanted(self) -> bool:
        """Whether there is no such answer yet."""
        return self.row is None or None in self.row


def ask_along(db: Connection, sql: str) -> Along:
    """Have something asked along with the changes of this transaction, if any are asked together."""
    along = db.info[_ALONG] = Along(sql)
    return along


@contextmanager
def driver_cursor(db: Connection, statement: Statement, **options: Any) -> Iterator[Any]:
    """Give a cursor of the driver; its errors are raised as SQLAlchemy does, which gives up what is broken.

    Who listens to what SQLAlchemy says to the database hears this too.
    """
    with _errors_of(db, statement.sql), closing(db.connection.cursor(**options)) as cursor:
        _tell(db.dispatch.before_cursor_execute, db, cursor, statement)
        yield cursor
        _tell(db.dispatch.after_cursor_execute, db, cursor, statement)


def _tell(listeners: Iterable[Any], db: Connection, cursor: Any, statement: Statement) -> None:
    for hear in listeners:
        hear(db, cursor, statement.sql, statement.said, SimpleNamespace(), statement.is_many)


@contextmanager
def _errors_of(db: Connection, sql: str) -> Iterator[None]:
    try:
        yield
    except db.dialect.loaded_dbapi.Error as error:
        db._handle_dbapi_exception(error, sql, None, None, None)  # noqa: SLF001 -- nothing public does it for us
