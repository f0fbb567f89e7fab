"""Statements that every mail needs, compiled once from the tables and said to the driver directly.

SQLAlchemy compiles, binds and wraps each time, which takes longer than what a statement does. What it would convert on
the way is converted here, and errors of the driver become SQLAlchemy's, so that callers notice no difference.
"""

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from types import SimpleNamespace
from typing import Any

from sqlalchemy import ARRAY, ClauseElement, ColumnElement, Connection, Delete, Insert, Select, Text, Update, bindparam
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.compiler import compiles

from mailnode.store.many_rows import in_postgres, in_sqlite, length_for

Parameters = Mapping[str, Any]
# Stands for a list of parameters, whose length is known when the statement is said; SQLite has no arrays.
_LIST = ":*"
_TOGETHER, _ALONG = "mailnode.together", "mailnode.along"
# Content would arrive in hexadecimal digits.
_AS_BYTES = {"postgresql": {"binary": True}}
_NAMED = sqlite.dialect(paramstyle="named")


class AnyOf(ColumnElement[bool]):
    """The condition that a text is one of a list that a parameter gives: both databases use an index for it."""

    inherit_cache = False

    def __init__(self, column: ColumnElement[str], name: str) -> None:
        """Compare a column with the parameter of this name."""
        self.column = column
        self.name = name


@compiles(AnyOf)
def _among_parameters(one: AnyOf, compiler: Any, **options: Any) -> str:
    return f"{compiler.process(one.column, **options)} IN ({_LIST}{one.name})"


@compiles(AnyOf, "postgresql")
def _among_elements(one: AnyOf, compiler: Any, **options: Any) -> str:
    values: Any = bindparam(one.name, type_=ARRAY(Text))
    return f"{compiler.process(one.column, **options)} = ANY({compiler.process(values, **options)})"


class Change:
    """A statement that changes rows, all of whose values are parameters."""

    def __init__(self, statement: Insert | Update | Delete) -> None:
        """Say this statement; it is compiled for the parameters that it is given first."""
        self._statement = statement
        self._of_rows: dict[str, tuple[str, Callable[[Parameters], Any] | None]] = {}
        self._of_one: dict[str, tuple[str, Parameters]] = {}
        self._of_arrays: str | None = None

    def run(self, db: Connection, rows: Sequence[Parameters]) -> int:
        """Run it with each of these parameters, which have the same names, and tell how many rows were changed.

        Within `together` that is not known yet, and 0 is told.
        """
        if not rows:
            return 0
        sql, values = self._of_rows.get(db.dialect.name) or self._compile(db, rows[0])
        said = [*map(values, rows)] if values else rows
        with driver_cursor(db, sql, said, many=True) as cursor:
            if is_together(db):
                for one in said:
                    cursor.execute(sql, one)
                return 0
            if len(said) == 1:
                cursor.execute(sql, said[0])
            else:  # psycopg sends them all before it waits for the first answer
                cursor.executemany(sql, said)
            return int(cursor.rowcount)

    def run_at_once(self, db: Connection, rows: Sequence[Parameters]) -> int:
        """Run it with each of these parameters as `run` does, sooner, and in any order.

        No two of an update's parameters may change the same row.
        """
        if len(rows) <= 1:
            return self.run(db, rows)
        sql, values = self._of_rows.get(db.dialect.name) or self._compile(db, rows[0])
        if values is None:  # psycopg: rows take longer to insert as arrays than one after the other
            return self._run_arrays(db, sql, rows) if isinstance(self._statement, Update) else self.run(db, rows)
        changed, said = 0, [*map(values, rows)]
        while said:
            length = length_for(len(said))
            of_many, of_all = in_sqlite(sql, length), [*chain.from_iterable(said[:length])]
            with driver_cursor(db, of_many, of_all) as cursor:
                changed += cursor.execute(of_many, of_all).rowcount
            said = said[length:]
        return changed

    def _run_arrays(self, db: Connection, sql: str, rows: Sequence[Parameters]) -> int:
        arrays = {name: [row[name] for row in rows] for name in rows[0]}
        if self._of_arrays is None:
            compiled: Any = self._statement.compile(dialect=db.dialect, column_keys=[*rows[0]])
            types = {name: compiled.binds[name].type.compile(db.dialect) for name in arrays}
            self._of_arrays = in_postgres(sql, types)
        with driver_cursor(db, self._of_arrays, arrays) as cursor:
            cursor.execute(self._of_arrays, arrays)
            return 0 if is_together(db) else int(cursor.rowcount)

    def run_once(self, db: Connection, **parameters: Any) -> int:
        """Run it a single time, where a parameter may be a list for `AnyOf`, and tell how many rows were changed."""
        if (compiled := self._of_one.get(db.dialect.name)) is None:
            compiled = self._of_one[db.dialect.name] = _with_constants(db, self._statement)
        sql, said = _with_lists(*compiled, parameters)
        with driver_cursor(db, sql, said) as cursor:
            cursor.execute(sql, said)
            return 0 if is_together(db) else int(cursor.rowcount)

    def _compile(self, db: Connection, row: Parameters) -> tuple[str, Callable[[Parameters], Any] | None]:
        compiled: Any = self._statement.compile(dialect=db.dialect, column_keys=[*row])
        names: list[str] = compiled.positiontup or []
        # Of one name alone an itemgetter makes no tuple.
        values = itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
        made = self._of_rows[db.dialect.name] = compiled.string, values if names else None
        return made


class Query:
    """A statement that reads, all of whose values are parameters."""

    def __init__(self, statement: Select[Any]) -> None:
        """Say this statement."""
        self._statement = statement
        self._row = _row_of(statement)
        self._compiled: dict[str, tuple[tuple[str, Parameters], Sequence[tuple[int, _Convert]]]] = {}

    def all(self, db: Connection, **parameters: Any) -> list[Any]:
        """Give the rows, which are as SQLAlchemy's; a parameter may be a list for `AnyOf`."""
        compiled, converters = self._compiled.get(db.dialect.name) or self._compile(db)
        sql, said = _with_lists(*compiled, parameters)
        with driver_cursor(db, sql, said, **_AS_BYTES.get(db.dialect.name, {})) as cursor:
            found = cursor.execute(sql, said).fetchall()
        if not converters:
            return [*map(self._row._make, found)]
        return [self._row._make(_converted(row, converters)) for row in found]

    def _compile(self, db: Connection) -> tuple[tuple[str, Parameters], Sequence[tuple[int, "_Convert"]]]:
        # What another hand has put into a column is made of its kind here, too (see store/kinds).
        found = [column.type.result_processor(db.dialect, None) for column in self._statement.selected_columns]
        converters = [(number, convert) for number, convert in enumerate(found) if convert]
        made = self._compiled[db.dialect.name] = _with_constants(db, self._statement), converters
        return made


_Convert = Callable[[Any], Any]


def _row_of(statement: Select[Any]) -> Any:
    return namedtuple("Row", statement.selected_columns.keys())  # noqa: PYI024 -- the columns are not known here


@contextmanager
def together(db: Connection) -> Iterator[None]:
    """Send the changes that are run within to PostgreSQL in one trip, and wait for their answers at the end.

    An error of one of them is raised there. SQLite is asked as ever: there is no way to it that takes time.
    """
    driver: Any = db.connection.driver_connection
    if db.dialect.name == "sqlite":
        yield
        return
    info, failure = db.info, None  # a connection that breaks within gives no `info` any more
    info[_TOGETHER] = True
    along: Along | None = info.get(_ALONG)
    try:
        with _errors_of(db, ""), driver.pipeline():
            try:
                yield
                if along:
                    with _errors_of(db, along.sql):
                        cursor = driver.execute(along.sql)
            except BaseException as error:  # noqa: BLE001 -- raised below: the driver logs what ends its pipeline early
                failure = error
        if along and not failure:
            along.row = cursor.fetchone()
    except SQLAlchemyError:
        if failure is None:
            raise
    finally:
        info.pop(_TOGETHER, None)
    if failure:
        raise failure


@dataclass(slots=True)
class Along:
    """What PostgreSQL is asked in one trip with the changes of each `together`, and the last answer."""

    sql: str
    row: Any = None


def ask_along(db: Connection, sql: str) -> Along:
    """Have something asked along with the changes of this transaction, if any are sent together."""
    along = db.info[_ALONG] = Along(sql)
    return along


def is_together(db: Connection) -> bool:
    """Tell whether changes are being sent together."""
    return _TOGETHER in db.info


@contextmanager
def driver_cursor(
    db: Connection, sql: str, said: object = None, *, many: bool = False, **options: Any
) -> Iterator[Any]:
    """Give a cursor of the driver; its errors are raised as SQLAlchemy does, which gives up what is broken.

    Who listens to what SQLAlchemy says to the database hears this too.
    """
    context = SimpleNamespace()
    with _errors_of(db, sql), closing(db.connection.cursor(**options)) as cursor:
        for hear in db.dispatch.before_cursor_execute:
            hear(db, cursor, sql, said, context, many)
        yield cursor
        for hear in db.dispatch.after_cursor_execute:
            hear(db, cursor, sql, said, context, many)


@contextmanager
def _errors_of(db: Connection, sql: str) -> Iterator[None]:
    try:
        yield
    except db.dialect.loaded_dbapi.Error as error:
        db._handle_dbapi_exception(error, sql, None, None, None)  # noqa: SLF001 -- nothing public does it for us


def _converted(row: Sequence[Any], converters: Sequence[tuple[int, Callable[[Any], Any]]]) -> list[Any]:
    cells = [*row]
    for number, convert in converters:
        cells[number] = convert(cells[number])
    return cells


def _with_constants(db: Connection, statement: ClauseElement) -> tuple[str, Parameters]:
    """Compile a statement whose parameters are named, and give the values that it has itself."""
    compiled: Any = statement.compile(dialect=_NAMED if db.dialect.name == "sqlite" else db.dialect)
    return compiled.string, {name: value for name, value in compiled.params.items() if value is not None}


def _with_lists(sql: str, constants: Parameters, parameters: Parameters) -> tuple[str, Parameters]:
    """Write the lists of parameters out, where the database has no arrays."""
    said = {**constants, **parameters}
    if _LIST not in sql:
        return sql, said
    for name, values in parameters.items():
        if isinstance(values, list):
            del said[name]
            # Repeated up to a power of two, so that the driver keeps few statements of different lengths.
            length = 1 << (len(values) - 1).bit_length() if values else 0
            padded = values + values[-1:] * (length - len(values))
            said |= {f"{name}_{number}": value for number, value in enumerate(padded)}
            sql = _with_list(sql, name, length)
    return sql, said


@lru_cache(maxsize=256)
def _with_list(sql: str, name: str, length: int) -> str:
    return sql.replace(f"{_LIST}{name}", ", ".join(f":{name}_{number}" for number in range(length)))
