"""The way to the database: one thread that writes, one that reads, and a commit that many writers share."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from mailnode.errors import StoreError
from mailnode.store.schema import bring_up_to_date, make_file
from mailnode.store.writer import Dialect, GroupWriter, Item, WorkOnAll

T = TypeVar("T")
Work = Callable[[Connection], T]

# How long another process may hold the file before it counts as locked.
BUSY_MILLISECONDS = 10_000
# What passes by itself: another process holds the file, or the disk is full.
_TRANSIENT = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL}


class Database:
    """A SQLite database.

    What is to be done is a function of a SQLAlchemy connection, which must neither commit nor roll back. It runs in a
    thread of the database; what it raises reaches the caller, but an error of SQLAlchemy's arrives as a StoreError. A
    function that expects one, such as IntegrityError, catches it inside.
    """

    def __init__(self, path: Path) -> None:
        """Work on a file that has the present schema; `open` is the way to get one."""
        self._write_engine = _engine(path, "BEGIN IMMEDIATE")
        self._read_engine = _engine(path, "BEGIN", "PRAGMA query_only = ON")
        self._writer = GroupWriter(Dialect(self._write_engine.begin, _has_transaction, _translate))
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mailnode-reader")

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a database file, making it (0600) if need be, and bring its schema up to date.

        Raises:
            StoreError: the file is no database, can't be read or written, or was written by a newer mailnode.
        """
        database = cls(path)
        try:
            make_file(path)
            bring_up_to_date(path, database._write_engine)
        except BaseException as error:
            database.close()
            if isinstance(error, (OSError, sqlite3.Error, SQLAlchemyError)):
                raise _cannot_open(path, error) from error
            raise
        return database

    async def write(self, work: Work[T]) -> T:
        """Run a function in a transaction and give what it returns once that is on the disk.

        Functions that wait at the same time share one transaction (group commit); one that raises undoes only its own
        changes. If the caller is cancelled, its changes may be committed or not, but never in part.

        Raises:
            StoreError: the transaction failed, and with it all that shared it; `transient` if the file was locked.
        """
        return await self.write_alike(lambda connection, _: [work(connection)], None)

    async def write_alike(self, work: WorkOnAll[Item, T], item: Item) -> T:
        """Run a function as `write` does, once for the items of all who wait with the same function.

        It gives an answer for each item, in their order; one that is an exception is raised to whoever gave that item.
        What it raises itself undoes the changes of them all.
        """
        return await self._writer.write(work, item)

    async def read(self, work: Work[T]) -> T:
        """Run a function that only reads, on one state of the database that has all commits up to now.

        Raises:
            StoreError: the database can't be read, or the function tried to write.
        """
        return await asyncio.wrap_future(_submit(self._reader, partial(self._read, work)))

    def close(self) -> None:
        """Commit what waits and close the file; after that every read and write is a StoreError."""
        self._writer.close()
        self._reader.shutdown()
        self._write_engine.dispose()
        self._read_engine.dispose()

    def _read(self, work: Work[T]) -> T:
        try:
            with self._read_engine.begin() as connection:
                return work(connection)
        except SQLAlchemyError as error:
            raise _translate(error) from error


def _has_transaction(connection: Connection) -> bool:
    driver_connection = connection.connection.driver_connection
    assert isinstance(driver_connection, sqlite3.Connection)
    return driver_connection.in_transaction


def _submit(executor: ThreadPoolExecutor, function: Callable[[], T]) -> Future[T]:
    try:
        return executor.submit(function)
    except RuntimeError:
        raise StoreError("the database is closed") from None


def _engine(path: Path, begin: str, *pragmas: str) -> Engine:
    # Parameters may be secrets; an error must not print them.
    url = URL.create("sqlite+pysqlite", database=str(path))
    engine = create_engine(url, hide_parameters=True, pool_size=1, max_overflow=0)

    def set_up(connection: sqlite3.Connection, _: object) -> None:
        # The driver's own idea of when a transaction begins leaves savepoints and DDL outside of it.
        connection.isolation_level = None
        for pragma in (f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}", "PRAGMA synchronous = FULL", *pragmas):
            connection.execute(pragma)
        connection.execute("PRAGMA foreign_keys = ON")

    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _translate(error: BaseException) -> BaseException:
    if not isinstance(error, SQLAlchemyError):
        return error
    original = error.orig if isinstance(error, DBAPIError) else error
    # An extended code holds the primary one in its low octet.
    code = getattr(original, "sqlite_errorcode", 0) & 0xFF
    failure = StoreError(
        f"the database can't be used: {original}",
        hint="see that its disk has room and that no other program holds it" if code in _TRANSIENT else "",
        transient=code in _TRANSIENT,
    )
    failure.__cause__ = error
    return failure


def _cannot_open(path: Path, error: Exception) -> StoreError:
    reason = error.strerror if isinstance(error, OSError) else getattr(error, "orig", error)
    return StoreError(
        f"the database {str(path)!r} can't be opened: {reason}",
        hint="see that MAILNODE_HOME is a folder of yours, and that the file is a mailnode database",
    )
