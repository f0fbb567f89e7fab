"""The settings in the environment (MAILNODE_ variables), and opening the database of the home."""

import logging
import math
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self, TypeVar

import platformdirs

from mailnode.errors import ErrorCode, MailboxError, SettingsError, StoreError, UsageError
from mailnode.message.mailbox import parse_mailbox
from mailnode.printable import quoted
from mailnode.smtp.proxy import Proxy, parse_proxy
from mailnode.smtp.server import check_ehlo_name

if TYPE_CHECKING:
    from sqlalchemy import Connection as Transaction

    from mailnode.connections.connection import Connection
    from mailnode.connections.repository import ConnectionRepository
    from mailnode.connections.secrets.cipher import Cipher
    from mailnode.store.backend import ThisProcess
    from mailnode.store.database import Database

T = TypeVar("T")

_MOST_DAYS = 100_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Environment:
    """The settings of the MAILNODE_ variables."""

    home: Path
    secret_key: str | None = field(default=None, repr=False)
    database_url: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    fetch_allow: str = ""
    webhook_allow: str = ""
    redirect_all_to: str | None = None
    ehlo_name: str | None = None
    smtp_proxy: Proxy | None = None
    keep_days: float = 30.0
    keep_keys_days: float = 400.0
    earlier_workers_stopped: bool = False
    notification: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> Self:
        """Read the MAILNODE_ variables, without surrounding white space; an empty one counts as not set.

        Raises:
            UsageError: a variable has an invalid value.
        """
        stripped = {name: text.strip() for name, text in variables.items() if name.startswith("MAILNODE_")}
        given = {name: text for name, text in stripped.items() if text}
        home = given.get("MAILNODE_HOME")
        return cls(
            home=Path(home) if home else platformdirs.user_data_path("mailnode"),
            secret_key=given.get("MAILNODE_SECRET_KEY"),
            database_url=given.get("MAILNODE_DATABASE_URL"),
            token=given.get("MAILNODE_TOKEN"),
            fetch_allow=given.get("MAILNODE_FETCH_ALLOW", ""),
            webhook_allow=given.get("MAILNODE_WEBHOOK_ALLOW", ""),
            redirect_all_to=_checked(given, "MAILNODE_REDIRECT_ALL_TO", lambda text: parse_mailbox(text).addr_spec),
            ehlo_name=_checked(given, "MAILNODE_EHLO_NAME", check_ehlo_name),
            smtp_proxy=_checked(given, "MAILNODE_SMTP_PROXY", parse_proxy),
            keep_days=_checked(given, "MAILNODE_KEEP_DAYS", _to_days) or 30.0,
            keep_keys_days=_checked(given, "MAILNODE_KEEP_KEYS_DAYS", _to_days) or 400.0,
            earlier_workers_stopped=_checked(given, "MAILNODE_EARLIER_WORKERS", _to_stopped) or False,
            notification={name: text for name, text in given.items() if name.startswith("MAILNODE_NOTIFICATION_")},
        )


class OpenHome(NamedTuple):
    """An open home: its database, the cipher of its secrets, its connections, and this process in the database."""

    database: "Database"
    cipher: "Cipher"
    connections: "ConnectionRepository"
    process: "ThisProcess"


def open_database(environment: Environment) -> "Database":
    """Open the database of MAILNODE_DATABASE_URL, or else the file in the home.

    Raises:
        StoreError: it can't be opened, or it is shared by machines and MAILNODE_SECRET_KEY is not set.
    """
    from mailnode.store.database import Database

    where = environment.database_url or environment.home / "mailnode.db"
    database = Database.open(where, _add_engine)
    if database.is_shared and not environment.secret_key:
        database.close()
        raise StoreError(
            "MAILNODE_SECRET_KEY is not set, but is required with PostgreSQL",
            code=ErrorCode.WRONG_SECRET_KEY,
            hint="create a key with `openssl rand -base64 32`, and give the same one to all processes",
        )
    return database


def _add_engine(db: "Transaction") -> None:
    from mailnode.engine.procrastinate import make_schema

    make_schema(db)


def _open_at_work(environment: Environment) -> "tuple[Database, ThisProcess]":
    """Open the database, and register this process in it."""
    database = open_database(environment)
    try:
        earlier, are_stopped = environment.home / "workers", environment.earlier_workers_stopped
        return database, database.register(earlier, earlier_are_stopped=are_stopped)
    except BaseException:
        database.close()
        raise


@asynccontextmanager
async def open_connections(environment: Environment, *, seconds: float | None = 0.0) -> AsyncIterator[OpenHome]:
    """Open the database of the home and its connections; the libraries for that are loaded only now.

    A database that is down is waited for `seconds`; None is the usual time.

    Raises:
        StoreError: the database can't be opened, or the secret key is not the one of this database.
    """
    from mailnode.connections.repository import ConnectionRepository
    from mailnode.connections.secrets.cipher import Cipher
    from mailnode.connections.tokens import TokenKeeper
    from mailnode.store.retry import retry_transient

    said: list[StoreError] = []

    async def opened() -> "tuple[Database, ThisProcess]":
        try:
            return _open_at_work(environment)
        except StoreError as error:
            if error.transient and seconds != 0.0 and not said:
                said.append(error)
                _log.warning("%s; retrying", error)
            raise

    database, process = await retry_transient(opened, seconds=seconds)
    try:
        with process:
            cipher = Cipher.open(environment.home, environment.secret_key)
            keeper = TokenKeeper(database, cipher, process)
            try:
                yield OpenHome(database, cipher, ConnectionRepository(database, cipher, keeper), process)
            finally:
                await keeper.close()
    finally:
        database.close()


@asynccontextmanager
async def open_connection(environment: Environment, name: str | None) -> "AsyncIterator[Connection | None]":
    """Open a connection by its name; without a name it is None, and no database is opened.

    Raises:
        ConnectionsError: no connection has this name.
        StoreError: as `open_connections` does.
    """
    if name is None:
        yield None
    else:
        async with open_connections(environment) as opened:
            yield await opened.connections.get(name)


def _to_stopped(text: str) -> bool:
    if text != "stopped":
        raise SettingsError(
            f"{quoted(text)} must be `stopped`", hint="leave it out, or set it to stopped when they are"
        )
    return True


def _to_days(text: str) -> float:
    try:
        days = float(text)
    except ValueError:
        days = math.nan
    if not 0 < days <= _MOST_DAYS:
        raise SettingsError(f"{quoted(text)} is not a number of days", hint="give a number such as 30")
    return days


def _checked(given: Mapping[str, str], name: str, read: Callable[[str], T]) -> T | None:
    if name not in given:
        return None
    try:
        return read(given[name])
    except (MailboxError, SettingsError) as error:
        raise UsageError(f"{name}: {error.message}", hint=error.hint) from None
