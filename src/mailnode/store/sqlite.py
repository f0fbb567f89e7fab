"""A SQLite file: for the processes of one machine."""

import errno
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from mailnode.errors import StoreError
from mailnode.store.backend import Extend, migrate, newer_schema, unstorable_value
from mailnode.store.files import NO_LOCKS, NO_LOCKS_HINT, locked
from mailnode.store.held import HeldConnection
from mailnode.store.process_lock import ProcessLock, held_by_earlier, maybe_running, release
from mailnode.store.sqlite_engine import SYSTEM, code_of, reading_engine, writing_engine
from mailnode.store.tables import SCHEMA_NUMBER

# What passes by itself, or once a person has seen to it: another process holds the file, the disk is full or fails.
_TRANSIENT = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, *SYSTEM}
# The first with UPDATE ... FROM.
OLDEST_SQLITE = (3, 33)
# Stands in the lock file once there is a database.
_MADE = b"a database was made here\n"
# The folder of the locks of processes, beside the file.
_LOCKS = "workers"
# How long a migration waits for others to close the file.
ALONE_SECONDS = 5.0
_HINT = "check that its disk has room and works, that this user may write there, and that no other program locks it"


class SqliteFile:
    """A database file: one transaction writes at a time, in all processes together."""

    takes_turns = True

    def __init__(self, path: Path, readers: int = 1) -> None:
        """Work on a file, which so many threads read; nothing is opened yet."""
        # The files beside it must be the same whichever path leads here.
        self._path = path = Path(os.path.realpath(path))
        self.log = path.with_name(f"{path.name}-wal")
        self._write_engine = writing_engine(path)
        self._held = HeldConnection(self._write_engine)
        self._read_engine = reading_engine(path, readers)

    def bring_up_to_date(self, _extend: Extend) -> None:
        """Make the file (0600) if need be, and see to it that it has the schema of this version.

        Raises:
            StoreError: the file has a newer schema, is empty where a database was, has a second name, or must be
                migrated while another process has it open.
            OSError: it can't be made.
            sqlite3.Error: it is no database, or can't be read.
        """
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise StoreError(
                f"the SQLite of this Python is too old: it is {sqlite3.sqlite_version}, and 3.33 is needed",
                hint="use another Python, or a newer libsqlite3; or a PostgreSQL database (MAILNODE_DATABASE_URL)",
            )
        _check_place(self._path)
        if not _has_content(self._path):
            with locked(_lock_of(self._path)) as lock:
                _make_file(self._path, lock)
        # Not opened to be checked: closing any descriptor of a file drops the POSIX locks that SQLite holds on it.
        self._path.chmod(0o600)
        if _read_number(self._path) == SCHEMA_NUMBER and _has_content(_lock_of(self._path)):
            return
        # SQLite's own locks don't reach over the change to WAL, where a second process would get "database is locked".
        with locked(_lock_of(self._path)) as lock:
            number = _read_number(self._path)
            if number < SCHEMA_NUMBER:
                self._migrate(number)
            elif number > SCHEMA_NUMBER:
                hint = "use the newer mailnode that wrote it, or set MAILNODE_HOME to another folder"
                raise newer_schema(f"the database {str(self._path)!r}", number, hint)
            os.pwrite(lock, _MADE, 0)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that writes."""
        with self._held.begin() as (connection, _):
            yield connection

    def reading(self) -> AbstractContextManager[Connection]:
        """Open a transaction that can't write, on one state of the database."""
        return self._read_engine.begin()

    def has_transaction(self, connection: Connection) -> bool:
        """Tell whether an error has left the transaction open."""
        if connection.invalidated:
            return False
        driver_connection = connection.connection.driver_connection
        assert isinstance(driver_connection, sqlite3.Connection)
        return driver_connection.in_transaction

    def is_passing(self, _error: BaseException) -> bool:
        """Tell that there is nothing to run again: who has the file has it alone."""
        return False

    def translate(self, error: BaseException) -> BaseException:
        """Give an error of SQLAlchemy's as one of ours; any other as it is."""
        if isinstance(error, UnicodeEncodeError):
            return unstorable_value(error)
        if not isinstance(error, SQLAlchemyError | MemoryError):
            return error
        # The driver raises Python's own MemoryError for SQLITE_NOMEM, without a message.
        passes = isinstance(error, MemoryError) or code_of(error) in _TRANSIENT
        words = "out of memory" if isinstance(error, MemoryError) else getattr(error, "orig", None) or error
        failure = StoreError(f"the database can't be used: {words}", hint=_HINT if passes else "", transient=passes)
        failure.__cause__ = error
        return failure

    def cannot_open(self, error: Exception) -> StoreError:
        """Say why the file can't be opened."""
        reason = error.strerror if isinstance(error, OSError) else getattr(error, "orig", error)
        hint = "check that MAILNODE_HOME is your folder and that the file is a mailnode database"
        if isinstance(error, OSError) and error.errno in NO_LOCKS:
            hint = NO_LOCKS_HINT
        elif code_of(error) in _TRANSIENT:
            hint = _HINT
        is_held = code_of(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
        return StoreError(f"the database {str(self._path)!r} can't be opened: {reason}", hint=hint, transient=is_held)

    def register(self, earlier: Path, *, earlier_are_stopped: bool = False) -> ProcessLock:
        """Give this process an id with a lock beside the file; see that no process of an earlier version is at work."""
        process = ProcessLock(self._path.with_name(_LOCKS), earlier)
        try:
            self._settle_earlier(process, are_stopped=earlier_are_stopped)
        except SQLAlchemyError as error:
            process.close()
            raise self.translate(error) from error
        except BaseException:
            process.close()
            raise
        return process

    def _settle_earlier(self, process: ProcessLock, *, are_stopped: bool) -> None:
        with self.reading() as db:
            held = {one: what for one, what in held_by_earlier(db).items() if process.is_proven(one) is not False}
        if not held:
            return
        if not are_stopped or any(process.is_proven(one) for one in held):
            raise maybe_running(f"the database {str(self._path)!r}", held)
        with self.writing() as db:
            release(db, list(held))

    def close(self) -> None:
        """Close the file."""
        self._held.close()
        self._write_engine.dispose()
        self._read_engine.dispose()

    def _migrate(self, number: int) -> None:
        if number > 0:
            _check_alone(self._path)
        with closing(sqlite3.connect(self._path)) as database:
            database.execute("PRAGMA journal_mode = WAL")
        with self._write_engine.begin() as connection:
            migrate(connection)
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_NUMBER}")


def _check_place(path: Path) -> None:
    """See that a file can stand there, in a folder for its owner alone, which is made if need be.

    Raises:
        OSError: it can't; where a folder is a file, or the file a folder, with words for that.
    """
    if path.parent.exists() and not path.parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, f"{str(path.parent)!r} is not a folder")
    if path.is_dir():  # whose mode is not ours to change
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if path.is_file() and path.stat().st_nlink > 1:
        raise StoreError(
            f"the database {str(path)!r} has a second name (a hard link)",
            hint="SQLite keeps a log of changes beside each name, and damages a file that is used under two: delete one"
            " of them (`find -samefile` finds them), or make it a symbolic link",
        )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _check_alone(path: Path) -> None:
    """See that no other process has the file open: one of an earlier version would go on, blind to this one.

    Raises:
        StoreError: one has.
    """
    ends_at = time.monotonic() + ALONE_SECONDS
    while True:
        with closing(sqlite3.connect(path, timeout=0)) as database:
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            try:
                database.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
            else:
                return
        if time.monotonic() >= ends_at:
            raise StoreError(
                f"the database {str(path)!r} was written by an earlier version, and another process has it open",
                hint="stop every worker, serve and run that uses it, and whatever else has it open; then try again",
            )
        time.sleep(0.05)


def _make_file(path: Path, lock: int) -> None:
    """Make an empty database file for its owner alone; one that a start left so before it could migrate will do.

    Raises:
        StoreError: the file is there and empty, and was not always so.
    """
    if not path.exists():
        os.ftruncate(lock, 0)  # first: from here on the empty file is new
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
    elif not _has_content(path) and _has_been_used(path, lock):
        raise StoreError(
            f"the database {str(path)!r} is empty, but was not before: its contents are lost",
            hint="restore a backup; or delete the empty file to start over, without connections, runs and any record"
            " of what was sent or queued",
        )


def _has_been_used(path: Path, lock: int) -> bool:
    """Tell whether an empty file was a database once; SQLite throws away a log of changes (WAL) whose file is empty."""
    log = path.with_name(f"{path.name}-wal")
    # Versions that left no mark in the lock file had a folder of locks beside the file that has this name.
    has_workers = path.name == "mailnode.db" and path.with_name(_LOCKS).is_dir()
    return os.fstat(lock).st_size > 0 or _has_content(log) or has_workers


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def _read_number(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        number: int = database.execute("PRAGMA user_version").fetchone()[0]
    return number


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")
