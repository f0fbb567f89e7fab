"""What SQLite and PostgreSQL each do in their own way, and the steps that bring either to this version's schema."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, Self

from sqlalchemy import Connection

from mailnode.errors import StoreError, UsageError
from mailnode.store.tables import SCHEMA_NUMBER

Extend = Callable[[Connection], None]


class ThisProcess(Protocol):
    """This process as the others on the same database see it: who is alive, and whose claims may be taken over."""

    @property
    def id(self) -> str:
        """The id that is stored with a claim now; a new one once all earlier claims may have been taken over."""

    def is_alive(self, db: Connection, process_id: str | None) -> bool:
        """Tell whether nobody may take over what was claimed under this id."""

    def dead_among(self, db: Connection, process_ids: Collection[str | None]) -> set[str | None]:
        """Give those of these ids whose claims may be taken over."""

    def still_holds(self, process_id: str) -> bool:
        """Tell, without the database, that nobody can have taken over what this process claimed under this id."""

    def close(self) -> None:
        """Leave, once or again: from here on others may take over what this process had claimed."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Backend(Protocol):
    """One database of one kind."""

    @property
    def log(self) -> Path | None:
        """SQLite's write-ahead log, which every process's commits are written to; it comes and goes."""

    @property
    def takes_turns(self) -> bool:
        """Whether one transaction writes at a time, so that none waits for rows of another one."""

    def bring_up_to_date(self, extend: Extend) -> None:
        """See to it that it has the schema of this version.

        `extend` adds what others need there, in the transaction of the migration; not in SQLite.

        Raises:
            StoreError: the schema is a newer one.
        """

    def writing(self) -> AbstractContextManager[Connection]:
        """Open a transaction that writes, committed at the end."""

    def reading(self) -> AbstractContextManager[Connection]:
        """Open a transaction that can't write, on one state of the database."""

    def has_transaction(self, connection: Connection) -> bool:
        """Tell whether an error has left the transaction open, so that a savepoint in it can be undone."""

    def is_passing(self, error: BaseException) -> bool:
        """Tell whether the same transaction, run again at once, may well succeed."""

    def translate(self, error: BaseException) -> BaseException:
        """Give an error of SQLAlchemy's as one of ours; any other as it is."""

    def cannot_open(self, error: Exception) -> StoreError:
        """Say why it can't be opened."""

    def register(self, earlier: Path, *, earlier_are_stopped: bool = False) -> ThisProcess:
        """Give this process an id that others on the same database can see alive.

        `earlier` is the folder where a process of an earlier version with this home kept its lock;
        `earlier_are_stopped` says that none of those is running any more whose lock can't be seen.
        """

    def close(self) -> None:
        """Let go of every connection."""


def migrate(connection: Connection, to: str = "head") -> None:
    """Take the migration steps up to one, in the caller's transaction; only here Alembic is imported."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def newer_schema(name: str, number: int, hint: str) -> StoreError:
    """Make the error of a database that was written by a newer version."""
    return StoreError(f"{name} has schema {number}, and this version of mailnode knows {SCHEMA_NUMBER}", hint=hint)


def unstorable_value(error: BaseException) -> UsageError:
    """Make the error of a value from outside that no database can hold, so that nothing can have it for its name."""
    failure = UsageError(
        "a value contains a NUL or half of a surrogate pair, or is a number out of range",
        hint="remove that character",
    )
    failure.__cause__ = error
    return failure
