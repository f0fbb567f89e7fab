"""A PostgreSQL database: for the processes of many machines."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DataError, DBAPIError, OperationalError, SQLAlchemyError

from mailnode.errors import CommitUnknown, StoreError, install_hint
from mailnode.store.asking import Told, ask_along, telling
from mailnode.store.backend import Extend, migrate, newer_schema, unstorable_value
from mailnode.store.clock import AHEAD, NOW_US
from mailnode.store.held import HeldConnection
from mailnode.store.process_lease import ProcessLease
from mailnode.store.tables import SCHEMA_NUMBER

# A process that was stopped in the middle of a transaction must not hold up the others for ever.
SESSION = {
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "10s",
    "statement_timeout": "60s",
    "timezone": "UTC",
    "jit": "off",  # no statement is worth compiling
}
# A machine that went away silently is noticed within half a minute, idle or with data under way.
TCP = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
# How long it is asked what came of a commit whose answer was lost; a restart takes a few seconds.
ASK_SECONDS = 30.0
_ASK_EACH_SECONDS = 0.25
# The number of a transaction, if it has changed anything, and the life of the server: a crash resets its statistics.
_LIFE = "(SELECT stats_reset::text FROM pg_stat_bgwriter) AS life"
_SIGN = f"SELECT pg_current_xact_id_if_assigned()::text AS number, {_LIFE}"
_WHAT_CAME = text(f"SELECT pg_xact_status(CAST(:number AS xid8)) AS status, {_LIFE}")
_BEGIN = f"BEGIN ISOLATION LEVEL READ COMMITTED; {NOW_US}"
_IN_THE_FUTURE = "22023"
# Of all that may lock something here this is the schema (the letters "mailnode").
_SCHEMA_LOCK = 0x6D61696C6E6F6465
_DEADLOCK, _SERIALIZATION = "40P01", "40001"
# By its words alone, as it has no SQLSTATE, a connection that can't be made: the server is not there, or not quite yet.
_ABSENT = (
    "connection refused",
    "no such file or directory",
    "timeout expired",
    "timed out",
    "no route to host",
    "network is unreachable",
    "temporary failure in name resolution",
    "server closed the connection",
    "connection reset",
    "terminating connection",
    "the database system is",
    "too many clients",
    "too many connections",
    "remaining connection slots",
)
# What passes by itself, by SQLSTATE or its class: a connection that broke (08), a server that is going down or coming
# up (57), or for a while only reads (25006), too few means (53), a disk that fails (58), a lock or a transaction that
# took too long.
_TRANSIENT = ("08", "53", "57", "58", "25006", "55P03", "25P03", "25P04", _DEADLOCK, _SERIALIZATION)


class _Sign(NamedTuple):
    """What a transaction is known by after its connection is lost; one that has changed nothing has no number."""

    number: str | None
    life: str


class PostgresDatabase:
    """A database on a server: rows are locked, and transactions run beside each other (READ COMMITTED)."""

    log = None
    takes_turns = False

    def __init__(self, url: URL, readers: int = 1) -> None:
        """Work on a database, which so many threads read; nothing is opened yet.

        Raises:
            StoreError: the driver is not installed.
        """
        self._url = url
        self.name = f"the database {url.database!r} at {url.host or 'this machine'}"
        # It finds rows by keys; a plan that is made while a table is small would read the whole of it, and is kept.
        self._write_engine = _engine(url, enable_seqscan="off")
        event.listen(self._write_engine, "connect", _set_up_writing)
        event.listen(self._write_engine, "begin", _begin_with_clock)
        self._held = HeldConnection(self._write_engine)
        self._read_engine = _engine(url, "REPEATABLE READ", pool_size=readers, default_transaction_read_only="on")

    def bring_up_to_date(self, extend: Extend) -> None:
        """See to it that the database has the schema of this version, and what `extend` adds; one process does it.

        Raises:
            StoreError: the database has a newer schema, or another program's.
        """
        with self._write_engine.begin() as connection:
            if self._read_number(connection) == SCHEMA_NUMBER:
                return
        with self._write_engine.begin() as connection:
            connection.exec_driver_sql("SET LOCAL lock_timeout = '60s'")
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")  # a step may rewrite many rows
            connection.exec_driver_sql("SET LOCAL enable_seqscan = on")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})")
            number = self._read_number(connection)
            if number < SCHEMA_NUMBER:
                migrate(connection)
                extend(connection)
            elif number > SCHEMA_NUMBER:
                raise newer_schema(self.name, number, "use the newer mailnode that wrote it, or another database")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Open a transaction that writes; where the answer to its commit is lost, the server is asked what came of it.

        Raises:
            CommitUnknown: that could not be found out either.
        """
        with self._held.begin() as (connection, transaction):
            along = ask_along(connection, _SIGN)
            yield connection
            # The server would answer the commit with a rollback, which would go unnoticed.
            if _status(connection) == "INERROR":
                raise StoreError("the transaction can't be committed: an error in it was suppressed")
            sign = _Sign(*along.row) if along.row else _Sign(None, "")
            if sign.number is None:  # nothing was asked along, or nothing was changed by then
                with telling(connection, Told(_SIGN)) as cursor:
                    sign = _Sign(*cursor.fetchone())
            try:
                transaction.commit()
            except DBAPIError as error:
                if not error.connection_invalidated or (sign.number and not self._is_committed(sign)):
                    raise

    def reading(self) -> AbstractContextManager[Connection]:
        """Open a transaction that can't write, on one state of the database."""
        return self._read_engine.begin()

    def has_transaction(self, connection: Connection) -> bool:
        """Tell whether an error has left the transaction open."""
        return _status(connection) in {"INTRANS", "INERROR"}

    def is_passing(self, error: BaseException) -> bool:
        """Tell that a transaction lost against others, which have gone on."""
        return _state_of(error) in {_DEADLOCK, _SERIALIZATION}

    def translate(self, error: BaseException) -> BaseException:
        """Give an error of SQLAlchemy's as one of ours; any other as it is."""
        if isinstance(error, UnicodeEncodeError):
            return unstorable_value(error)
        if not isinstance(error, SQLAlchemyError | MemoryError):
            return error
        if isinstance(error, DataError):
            return unstorable_value(error)
        state = _state_of(error)
        passes = state.startswith(_TRANSIENT) if state else isinstance(error, MemoryError) or _is_lost(error)
        failure = StoreError(
            f"the database can't be used: {_words(error) or 'out of memory'}",
            hint="check that the PostgreSQL server is running, has room on its disk and can be reached"
            if passes
            else "",
            transient=passes,
        )
        failure.__cause__ = error
        return failure

    def cannot_open(self, error: Exception) -> StoreError:
        """Say why the database can't be opened."""
        said = str(getattr(error, "orig", None) or error).lower()
        state = _state_of(error)
        return StoreError(
            f"{self.name} can't be opened: {_words(error)}",
            hint="check that the server is running and that MAILNODE_DATABASE_URL names a database, a user and the"
            " user's password",
            transient=state.startswith(_TRANSIENT) if state else any(words in said for words in _ABSENT),
        )

    def register(self, earlier: Path, *, earlier_are_stopped: bool = False) -> ProcessLease:  # noqa: ARG002 -- for files
        """Give this process an id with a lease."""
        return ProcessLease(_engine(self._url, statement_timeout="4s", lock_timeout="4s"))

    def close(self) -> None:
        """Close every connection."""
        self._held.close()
        self._write_engine.dispose()
        self._read_engine.dispose()

    def _is_committed(self, sign: _Sign) -> bool:
        """Ask for the outcome of a transaction until the server can tell."""
        ends_at = time.monotonic() + ASK_SECONDS
        while time.monotonic() < ends_at:
            try:
                with self._read_engine.connect() as connection:
                    said = connection.execute(_WHAT_CAME, {"number": sign.number}).one()
            except SQLAlchemyError as error:
                if _state_of(error) == _IN_THE_FUTURE:  # a crash came before anything of it was on the disk
                    return False
            else:
                if said.status == "aborted":
                    return False
                if said.status == "committed":
                    # After a crash another transaction may have got the same number.
                    if said.life == sign.life:
                        return True
                    break
            time.sleep(_ASK_EACH_SECONDS)
        raise CommitUnknown(
            "the connection to the database was lost during a commit, whose outcome is unknown",
            hint="check that the PostgreSQL server is running and can be reached",
            transient=True,
        )

    def _read_number(self, connection: Connection) -> int:
        if connection.exec_driver_sql("SELECT to_regclass('alembic_version')").scalar() is None:
            return 0
        said = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        if said is None or not said.isdecimal():
            raise StoreError(f"{self.name} is used by another program", hint="give mailnode a database of its own")
        return int(said)


def _engine(url: URL, isolation_level: Any = "READ COMMITTED", pool_size: int = 1, **session: str) -> Engine:
    try:
        # Parameters may be secrets; an error must not print them.
        engine = create_engine(
            url,
            hide_parameters=True,
            isolation_level=isolation_level,
            pool_size=pool_size,
            max_overflow=1,  # for who asks about a commit
            pool_pre_ping=True,
            connect_args={"application_name": "mailnode", **TCP} | dict(url.query),
        )
    except ModuleNotFoundError:
        raise StoreError("PostgreSQL needs libraries that are not installed", hint=install_hint("postgres")) from None
    settings = {**SESSION, **session}

    def set_up(connection: Any, _: object) -> None:
        connection.autocommit = True
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        connection.autocommit = False

    event.listen(engine, "connect", set_up)
    event.listen(engine, "do_connect", lambda _dialect, _record, arguments, settings: _watched(arguments, settings))
    return engine


def _set_up_writing(connection: Any, _: object) -> None:
    """Have the driver begin no transaction, as `_begin_with_clock` does, and write no bytes as hexadecimal digits."""
    from psycopg.types.string import BytesBinaryDumper

    connection.autocommit = True
    connection.adapters.register_dumper(bytes, BytesBinaryDumper)


def _begin_with_clock(connection: Connection) -> None:
    """Begin a transaction and ask the server for its time, in one trip."""
    with telling(connection, Told(_BEGIN)) as cursor:
        cursor.nextset()
        (now,) = cursor.fetchone()
    connection.info[AHEAD] = now - time.monotonic_ns() // 1000


def _watched(arguments: Any, settings: Any) -> Any:
    from mailnode.store.watched import WatchedConnection

    return WatchedConnection.opened(*arguments, **settings)


def _status(connection: Connection) -> str:
    """Give where the server says that the transaction is; UNKNOWN where the connection is lost."""
    if connection.invalidated:
        return "UNKNOWN"
    driver_connection: Any = connection.connection.driver_connection
    return str(driver_connection.info.transaction_status.name)


def _state_of(error: BaseException) -> str:
    return getattr(getattr(error, "orig", None), "sqlstate", None) or ""


def _is_lost(error: BaseException) -> bool:
    """Tell whether the connection broke, or none could be made: then there is no SQLSTATE."""
    return isinstance(error, DBAPIError) and (error.connection_invalidated or isinstance(error, OperationalError))


def _words(error: BaseException) -> str:
    """Give the first line of what the server said: the others may quote values."""
    said = str(getattr(error, "orig", None) or error).strip()
    return said.partition("\n")[0]
