"""Statements that every mail needs, compiled once from the tables and said to the driver directly.

SQLAlchemy compiles, binds and wraps each time, which takes longer than what a statement does. What it would convert on
the way is converted here, and errors of the driver become SQLAlchemy's, so that callers notice no difference.
"""

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import ARRAY, ClauseElement, ColumnElement, Connection, Delete, Insert, Select, Text, Update, bindparam
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles

from mailnode.store.asking import Ask, Told, ask
from mailnode.store.many_rows import in_postgres, in_sqlite, length_for

Parameters = Mapping[str, Any]
# Stands for a list of parameters, whose length is known when the statement is said; SQLite has no arrays.
_LIST = ":*"
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
    """A statement that changes rows, all of whose values are parameters; the answer is how many rows it changed."""

    def __init__(self, statement: Insert | Update | Delete) -> None:
        """Say this statement; it is compiled for the parameters that it is given first."""
        self._statement = statement
        self._of_rows: dict[str, tuple[str, Callable[[Parameters], Any] | None]] = {}
        self._of_one: dict[str, tuple[str, Parameters]] = {}
        self._of_arrays: str | None = None

    def each(self, rows: Sequence[Parameters]) -> Ask[int]:
        """Ask it with each of these parameters, which have the same names, one after the other."""
        return Ask(partial(self._each, rows), _count)

    def at_once(self, rows: Sequence[Parameters]) -> Ask[int]:
        """Ask it with each of these parameters as `each` does, sooner, and in any order.

        No two of an update's parameters may change the same row.
        """
        return Ask(partial(self._at_once, rows), _count)

    def once(self, **parameters: Any) -> Ask[int]:
        """Ask it a single time, where a parameter may be a list for `AnyOf`."""
        return Ask(partial(self._once, parameters), _count)

    def run(self, db: Connection, rows: Sequence[Parameters]) -> int:
        """Ask `each` by itself."""
        return ask(db, self.each(rows))

    def run_at_once(self, db: Connection, rows: Sequence[Parameters]) -> int:
        """Ask `at_once` by itself."""
        return ask(db, self.at_once(rows))

    def run_once(self, db: Connection, **parameters: Any) -> int:
        """Ask `once` by itself."""
        return ask(db, self.once(**parameters))

    def _each(self, rows: Sequence[Parameters], db: Connection) -> Sequence[Told]:
        if not rows:
            return ()
        sql, values = self._of_rows.get(db.dialect.name) or self._compile(db, rows[0])
        said = [*map(values, rows)] if values else rows
        # psycopg sends many before it waits for the first answer
        return (Told(sql, said[0]) if len(said) == 1 else Told(sql, said, is_many=True),)

    def _at_once(self, rows: Sequence[Parameters], db: Connection) -> Sequence[Told]:
        if len(rows) <= 1:
            return self._each(rows, db)
        sql, values = self._of_rows.get(db.dialect.name) or self._compile(db, rows[0])
        if values is None:
            return (self._arrays(db, sql, rows),)
        statements, said = [], [*map(values, rows)]
        while said:
            length = length_for(len(said))
            statements.append(Told(in_sqlite(sql, length), [*chain.from_iterable(said[:length])]))
            said = said[length:]
        return statements

    def _arrays(self, db: Connection, sql: str, rows: Sequence[Parameters]) -> Told:
        arrays = {name: [row[name] for row in rows] for name in rows[0]}
        if self._of_arrays is None:
            compiled: Any = self._statement.compile(dialect=db.dialect, column_keys=[*rows[0]])
            types = {name: compiled.binds[name].type.compile(db.dialect) for name in arrays}
            self._of_arrays = in_postgres(sql, types)
        return Told(self._of_arrays, arrays)

    def _once(self, parameters: Parameters, db: Connection) -> Sequence[Told]:
        if (compiled := self._of_one.get(db.dialect.name)) is None:
            compiled = self._of_one[db.dialect.name] = _with_constants(db, self._statement)
        return (_with_lists(*compiled, parameters),)

    def _compile(self, db: Connection, row: Parameters) -> tuple[str, Callable[[Parameters], Any] | None]:
        compiled: Any = self._statement.compile(dialect=db.dialect, column_keys=[*row])
        names: list[str] = compiled.positiontup or []
        # Of one name alone an itemgetter makes no tuple.
        values = itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
        made = self._of_rows[db.dialect.name] = compiled.string, values if names else None
        return made


class Query:
    """A statement that reads, all of whose values are parameters; the answer is its rows, which are as SQLAlchemy's."""

    def __init__(self, statement: Select[Any]) -> None:
        """Say this statement."""
        self._statement = statement
        self._row = _row_of(statement)
        self._compiled: dict[str, tuple[tuple[str, Parameters], Sequence[tuple[int, _Convert]]]] = {}

    def of(self, **parameters: Any) -> Ask[list[Any]]:
        """Ask it; a parameter may be a list for `AnyOf`."""
        return Ask(partial(self._said, parameters), self._rows, gives_rows=True)

    def all(self, db: Connection, **parameters: Any) -> list[Any]:
        """Ask `of` by itself."""
        return ask(db, self.of(**parameters))

    def _said(self, parameters: Parameters, db: Connection) -> Sequence[Told]:
        compiled, _ = self._compiled.get(db.dialect.name) or self._compile(db)
        return (_with_lists(*compiled, parameters),)

    def _rows(self, db: Connection, cursors: Iterator[Any]) -> list[Any]:
        (found,) = [cursor.fetchall() for cursor in cursors]
        _, converters = self._compiled[db.dialect.name]
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


def _count(_db: Connection, cursors: Iterator[Any]) -> int:
    return sum(int(cursor.rowcount) for cursor in cursors)


def _converted(row: Sequence[Any], converters: Sequence[tuple[int, Callable[[Any], Any]]]) -> list[Any]:
    cells = [*row]
    for number, convert in converters:
        cells[number] = convert(cells[number])
    return cells


def _with_constants(db: Connection, statement: ClauseElement) -> tuple[str, Parameters]:
    """Compile a statement whose parameters are named, and give the values that it has itself."""
    compiled: Any = statement.compile(dialect=_NAMED if db.dialect.name == "sqlite" else db.dialect)
    return compiled.string, {name: value for name, value in compiled.params.items() if value is not None}


def _with_lists(sql: str, constants: Parameters, parameters: Parameters) -> Told:
    """Write the lists of parameters out, where the database has no arrays."""
    said = {**constants, **parameters}
    if _LIST not in sql:
        return Told(sql, said)
    for name, values in parameters.items():
        if isinstance(values, list):
            del said[name]
            # Repeated up to a power of two, so that the driver keeps few statements of different lengths.
            length = 1 << (len(values) - 1).bit_length() if values else 0
            padded = values + values[-1:] * (length - len(values))
            said |= {f"{name}_{number}": value for number, value in enumerate(padded)}
            sql = _with_list(sql, name, length)
    return Told(sql, said)


@lru_cache(maxsize=256)
def _with_list(sql: str, name: str, length: int) -> str:
    return sql.replace(f"{_LIST}{name}", ", ".join(f":{name}_{number}" for number in range(length)))
