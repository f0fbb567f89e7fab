"""The schema of a database file: read its number, and bring an older one up to date."""

import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Engine

from mailnode.errors import StoreError
from mailnode.store.tables import SCHEMA_NUMBER


def make_file(path: Path) -> None:
    """Make an empty database file for its owner alone, in a folder for its owner alone; what is there stays.

    Raises:
        OSError: it can't be made; where a folder is a file, or the file a folder, with words for that.
    """
    if path.parent.exists() and not path.parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{str(path.parent)!r} is no folder")
    if path.is_dir():  # whose mode is not ours to change
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        # Not opened to be checked: closing any descriptor of a file drops the POSIX locks that SQLite holds on it.
        path.chmod(0o600)


def bring_up_to_date(path: Path, engine: Engine) -> None:
    """See to it that the file has the schema of this version; Alembic is loaded only when it has not.

    Raises:
        StoreError: the file has a newer schema.
        sqlite3.Error: the file is no database, or can't be read.
    """
    if _read_number(path) == SCHEMA_NUMBER:
        return
    with _alone(path):
        number = _read_number(path)
        if number < SCHEMA_NUMBER:
            _migrate(path, engine)
        elif number > SCHEMA_NUMBER:
            raise StoreError(
                f"the database {str(path)!r} has schema {number}, and this version of mailnode knows {SCHEMA_NUMBER}",
                hint="use the newer mailnode that wrote it, or set MAILNODE_HOME to another folder",
            )


def _read_number(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        number: int = database.execute("PRAGMA user_version").fetchone()[0]
    return number


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    # SQLite's own locks don't reach over the change to WAL, where a second process would get "database is locked".
    file = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _migrate(path: Path, engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_NUMBER}")
