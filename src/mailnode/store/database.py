"""The way to the database: one thread that writes, a few that read, and a commit that many writers share."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Self, TypeVar

from sqlalchemy import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from mailnode.errors import StoreClosed, StoreError
from mailnode.store.backend import Backend, Extend, ThisProcess
from mailnode.store.sqlite import SqliteFile
from mailnode.store.unstored import Unstored
from mailnode.store.writer import GroupWriter, Item, WorkOnAll

T = TypeVar("T")
# How many reads run at once, each on a connection of its own; one more is for what takes no time.
READERS = 3
Work = Callable[[Connection], T]
_POSTGRES = {"postgresql", "postgres", "postgresql+psycopg"}
_URL_HINT = (
    "write it as postgresql://user:password@host:5432/database, with %40 for an @ within the password,"
    " or as sqlite:///path/to/file"
)


class Database:
    """A database, in a SQLite file or of a PostgreSQL server.

    What is to be done is a function of a SQLAlchemy connection, which must neither commit nor roll back. It runs in a
    thread of the database; what it raises reaches the caller, but an error of SQLAlchemy's arrives as a StoreError. A
    function that expects one, such as IntegrityError, catches it around a `savepoint` of its own. Where
    transactions run beside each other one may lose, and its functions are called once more: what they change must be
    in the database, or be set again by each call.

    `unstored` is what has happened and is not in it, because it can't be written now.
    """

    def __init__(self, backend: Backend, url: URL | None = None) -> None:
        """Work on a database that has the present schema; `open` is the way to get one."""
        self._backend = backend
        self.url = url
        self.unstored = Unstored()
        self._writer = GroupWriter(backend)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="mailnode-reader")
        self._glancer = ThreadPoolExecutor(1, thread_name_prefix="mailnode-glancer")

    @classmethod
    def open(cls, where: Path | str, extend: Extend = lambda _: None) -> Self:
        """Open a database and bring its schema up to date; a file is made (0600) if need be.

        `where` is the path of a SQLite file, or a URL (`postgresql://user:password@host/database`). On PostgreSQL
        `extend` adds tables of others, in the transaction of each migration.

        Raises:
            StoreError: it is no database, can't be read or written, or was written by a newer mailnode.
        """
        location = locate(where)
        backend: Backend = SqliteFile(location, READERS + 1) if isinstance(location, Path) else _postgres(location)
        database = cls(backend, None if isinstance(location, Path) else location)
        try:
            backend.bring_up_to_date(extend)
        except BaseException as error:
            database.close()
            if isinstance(error, (OSError, sqlite3.Error, SQLAlchemyError)):
                raise backend.cannot_open(error) from error
            raise
        return database

    @property
    def is_shared(self) -> bool:
        """Whether processes of other machines may work on it too."""
        return self.url is not None

    @property
    def log(self) -> Path | None:
        """SQLite's write-ahead log, which every process's commits are written to; it comes and goes."""
        return self._backend.log

    def register(self, earlier: Path, *, earlier_are_stopped: bool = False) -> ThisProcess:
        """Give this process an id that the others on this database see alive.

        Earlier versions kept their locks in the home, in the folder `earlier`: where the database holds what one of
        them has claimed, and no lock there or beside the file proves that it is dead, it may run in another home.
        `earlier_are_stopped` says that it is not.

        Raises:
            StoreError: no lock or lease can be had, or a process of an earlier version may be at work.
        """
        return self._backend.register(earlier, earlier_are_stopped=earlier_are_stopped)

    async def write(self, work: Work[T]) -> T:
        """Run a function in a transaction and give what it returns once that is on the disk.

        Functions that wait at the same time share one transaction (group commit); one that raises undoes only its own
        changes. If the caller is cancelled, its changes may be committed or not, but never in part.

        Raises:
            StoreError: the transaction failed, and with it all that shared it; `transient` if it may succeed later.
        """
        return await self.write_alike(lambda connection, _: [work(connection)], None)

    async def write_alike(self, work: WorkOnAll[Item, T], item: Item) -> T:
        """Run a function as `write` does, once for the items of all who wait with the same function.

        It gives an answer for each item, in their order; an exception is raised to the caller that gave that item.
        What it raises itself undoes the changes of them all. It may be a generator, which asks in steps (store/steps):
        those of a transaction run side by side, after the other functions.
        """
        return await self._writer.write(work, item)

    async def read(self, work: Work[T]) -> T:
        """Run a function that only reads, on one state of the database that has all commits up to now.

        Raises:
            StoreError: the database can't be read, or the function tried to write.
        """
        return await asyncio.wrap_future(_submit(self._readers, partial(self._read, work)))

    async def glance(self, work: Work[T]) -> T:
        """Run a function as `read` does that takes no time, and must not wait for those that take long.

        Raises:
            StoreError: as `read`.
        """
        return await asyncio.wrap_future(_submit(self._glancer, partial(self._read, work)))

    def close(self) -> None:
        """Commit what waits and let the database go; after that every read and write is a StoreError."""
        self._writer.close()
        self._readers.shutdown()
        self._glancer.shutdown()
        self._backend.close()

    def _read(self, work: Work[T]) -> T:
        try:
            with self._backend.reading() as connection:
                return work(connection)
        except (SQLAlchemyError, MemoryError, UnicodeEncodeError) as error:
            raise self._backend.translate(error) from error


def _submit(executor: ThreadPoolExecutor, function: Callable[[], T]) -> Future[T]:
    try:
        return executor.submit(function)
    except RuntimeError:
        raise StoreClosed("the database is closed") from None


def _postgres(url: URL) -> Backend:
    from mailnode.store.postgres import PostgresDatabase

    return PostgresDatabase(url, READERS + 1)


def locate(where: Path | str) -> Path | URL:
    """Give the path of a SQLite file, or the URL of a PostgreSQL database, whose password its `repr` hides.

    Raises:
        StoreError: it is neither; the text, which may hold a password, is not in it.
    """
    if "\0" in str(where):
        raise StoreError("the name of the database contains a NUL", hint=_URL_HINT)
    if isinstance(where, Path):
        return where
    try:
        url = make_url(where)
    except (ArgumentError, ValueError):
        raise StoreError("the database URL can't be read", hint=_URL_HINT) from None
    if url.drivername == "sqlite" and url.database and not url.host:
        return Path(url.database)
    if url.drivername not in _POSTGRES:
        raise StoreError("the database URL names neither PostgreSQL nor SQLite", hint=_URL_HINT)
    if "@" in f"{url.host}{url.database}":
        # What stands there is the rest of a password.
        raise StoreError("the database URL has more than one @", hint=_URL_HINT)
    # Given as a parameter a password would be shown.
    hidden = url.query.get("password", url.password)
    query = {key: value for key, value in url.query.items() if key != "password"}
    url = url.set(drivername="postgresql+psycopg", password=str(hidden) if hidden else None, query=query)
    try:
        url.get_dialect()().create_connect_args(url)  # where hosts and ports of the query are read
    except (ArgumentError, ValueError):
        raise StoreError("the database URL can't be read: its host or port is invalid", hint=_URL_HINT) from None
    return url
