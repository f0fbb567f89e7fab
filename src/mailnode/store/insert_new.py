"""Rows that are written where there is none yet, in the one way that both databases know."""

from typing import Any

from sqlalchemy import Insert, Table
from sqlalchemy.ext.compiler import compiles


class _InsertNew(Insert):
    inherit_cache = True


@compiles(_InsertNew)
def _compiled(insert: _InsertNew, compiler: Any, **how: Any) -> str:
    return f"{compiler.visit_insert(insert, **how)} ON CONFLICT DO NOTHING"


def insert_new(table: Table) -> Insert:
    """Insert rows into a table but for those whose primary key, or other unique value, is there already.

    One that another transaction has just written is waited for. The result's `rowcount` counts those that were new.
    """
    return _InsertNew(table).execution_options(preserve_rowcount=True)
