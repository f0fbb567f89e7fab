"""One statement for many rows, made of the compiled one that changes a single row.

A driver that runs a statement for each row lets go of Python's lock, or waits for the server, each time; whoever else
has work then goes first. Both databases find each row by its key, as they do for a single one.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

# Its statements are as many as there are lengths, so they are powers of two: 5 rows are 4 and 1. SQLite takes 32,766
# parameters; no table has 100 columns.
MOST_ROWS = 64


def length_for(rows: int) -> int:
    """Give how many of these rows the next statement changes in SQLite."""
    return min(MOST_ROWS, 1 << rows.bit_length() - 1)


@lru_cache(maxsize=256)
def in_sqlite(sql: str, rows: int) -> str:
    """Give the INSERT or UPDATE for so many rows, whose parameters are those of each row, in their order."""
    if rows == 1:
        return sql
    columns = sql.count("?")
    row = f"({', '.join('?' * columns)})"
    values = ", ".join([row] * rows)
    if sql.startswith("INSERT"):
        return sql.replace(row, values)
    numbers = iter(range(1, columns + 1))
    of_row = re.sub(r"\?", lambda _: f"said.column{next(numbers)}", sql)
    changes, _, condition = of_row.partition(" WHERE ")
    return f"{changes} FROM (VALUES {values}) AS said WHERE {condition}"  # a WITH would give no count of rows


def in_postgres(sql: str, types: Mapping[str, str]) -> str:
    """Give the INSERT or UPDATE for any number of rows, whose parameters are an array for each column."""
    # In binary: psycopg looks at every character of a text otherwise.
    arrays = ", ".join(f"%({name})b::{kind}[]" for name, kind in types.items())
    said = f"unnest({arrays}) AS said({', '.join(map(_quoted, types))})"
    of_row = re.sub(r"%\((\w+)\)s(::\w+)?", lambda found: f"said.{_quoted(found[1])}", sql)
    if sql.startswith("INSERT"):
        before, values, after = re.split(r" VALUES \(([^()]*)\)", of_row)
        return f"{before} SELECT {values} FROM {said}{after}"  # noqa: S608 -- of a statement that was compiled
    changes, _, condition = of_row.partition(" WHERE ")
    return f"{changes} FROM {said} WHERE {condition}"


def _quoted(name: str) -> str:
    return f'"{name}"'
