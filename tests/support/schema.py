"""The schema of a new SQLite file, made by the statements that the migrations themselves have said before.

To find out what to say takes Alembic longer than most tests, and the suite makes thousands of files. The first file of
each process is migrated by Alembic; so is one that has tables, and each file of `tests/store`.
"""

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, event

from mailnode.store import backend, sqlite

_SAID: list[tuple[str, Any]] = []


def migrate(connection: Connection, to: str = "head") -> None:
    """Migrate as the product does; an empty file by heart, once it is known by heart."""
    is_new = to == "head" and not connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
    if is_new and _SAID:
        for statement, parameters in _SAID:
            connection.exec_driver_sql(statement, parameters)
        return
    said: list[tuple[str, Any]] = []

    def hear(_: object, __: object, statement: str, parameters: Any, ___: object, ____: object) -> None:
        said.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", hear)
    backend.migrate(connection, to)
    event.remove(connection, "before_cursor_execute", hear)
    if is_new:
        _SAID.extend(said)


def learn() -> None:
    """Make the first file of this process now, for those that are forked from it."""
    with tempfile.TemporaryDirectory() as folder, closing(sqlite.SqliteFile(Path(folder) / "mailnode.db")) as file:
        file.bring_up_to_date(lambda _: None)


def know_by_heart() -> None:
    """Have all files of this process made so."""
    vars(sqlite)["migrate"] = migrate
