"""Connections to a SQLite file, and how their transactions begin."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, ExceptionContext, create_engine, event

from mailnode.store.kinds import readable

# How long another process may hold the file before it counts as locked.
BUSY_MILLISECONDS = 10_000
# How often a writer looks whether its turn has come. SQLite itself waits longer each time, up to 100 ms, and misses the
# moments between the transactions of a process that writes all the time.
TURN_SECONDS = 0.0002
# Who holds the file for longer than this is no other writer, and a turn matters less.
SOON_SECONDS, LATER_TURN_SECONDS = 0.1, 0.002
# Troubles of the disk, of rights and of memory, after which a new connection may do what this one can't.
SYSTEM = {
    sqlite3.SQLITE_IOERR,  # EDQUOT too, which SQLite does not tell from a broken disk
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PROTOCOL,
}


def writing_engine(path: Path) -> Engine:
    """Make an engine whose transactions write, each from its beginning."""
    return _engine(path, _begin_in_turn)


def reading_engine(path: Path, pool_size: int) -> Engine:
    """Make an engine whose transactions can't write, each on one state of the file."""
    return _engine(path, _begin_to_read, "query_only = ON", pool_size=pool_size)


def code_of(error: BaseException) -> int:
    """Give the primary code, which an extended one holds in its low byte; 0 if it is no error of SQLite's."""
    code: int = getattr(getattr(error, "orig", error), "sqlite_errorcode", 0) & 0xFF
    return code


def _engine(path: Path, begin: Callable[[Connection], object], *pragmas: str, pool_size: int = 1) -> Engine:
    # Parameters may be secrets; an error must not print them.
    url = URL.create("sqlite+pysqlite", database=str(path))
    engine = create_engine(url, hide_parameters=True, pool_size=pool_size, max_overflow=0)

    def set_up(connection: sqlite3.Connection, _: object) -> None:
        # The driver's own idea of when a transaction begins leaves savepoints and DDL outside of it.
        connection.isolation_level = None
        connection.text_factory = readable
        connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
        for pragma in ("synchronous = FULL", "foreign_keys = ON", *pragmas):
            connection.execute(f"PRAGMA {pragma}")

    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", begin)
    event.listen(engine, "handle_error", _leave_what_is_broken)
    event.listen(engine, "invalidate", _let_go)
    return engine


def _begin_to_read(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_in_turn(connection: Connection) -> None:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.execute("PRAGMA busy_timeout = 0")
    if not _has_begun(driver):
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # once more, so that SQLAlchemy hears of the error
    driver.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")


def _has_begun(driver: sqlite3.Connection) -> bool:
    """Begin a transaction that writes once no other process does; tell if that took too long or met another trouble."""
    began_at = time.monotonic()
    while True:
        try:
            driver.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            waited = time.monotonic() - began_at
            if code_of(error) != sqlite3.SQLITE_BUSY or waited * 1000 > BUSY_MILLISECONDS:
                return False
            time.sleep(TURN_SECONDS if waited < SOON_SECONDS else LATER_TURN_SECONDS)
        else:
            return True


def _leave_what_is_broken(context: ExceptionContext) -> None:
    """Have the next transaction open the file again after errors that the open connection may cause."""
    original = context.original_exception
    if context.connection and code_of(original) in SYSTEM:
        context.is_disconnect = True


def _let_go(connection: sqlite3.Connection, *_: object) -> None:
    """End the transaction of a connection that is given up: closing it may not, while a statement of it is at hand."""
    with suppress(sqlite3.Error):
        connection.rollback()
