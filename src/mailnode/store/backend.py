"""What a database has to be of its own, SQLite or PostgreSQL, for the rest to be the same."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection

from mailnode.errors import StoreError, UsageError
from mailnode.store.worker import Worker


def no_text(error: BaseException) -> UsageError:
    """Say that a value that came from outside is nothing that a database holds, so that nothing has it for its name."""
    failure = UsageError(
        "a value holds a NUL or half of a surrogate pair, or is a number out of range", hint="leave that character out"
    )
    failure.__cause__ = error
    return failure


Extend = Callable[[Connection], None]


class Backend(Protocol):
    """One database of one kind."""

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

    def worker(self, earlier: Path, *, earlier_are_stopped: bool = False) -> Worker:
        """Give this process an id that others on the same database can see alive.

        `earlier` is where a process of an earlier version with this home kept its lock; `earlier_are_stopped` says that
        none is at work any more whose lock can't be seen.
        """

    def close(self) -> None:
        """Let go of every connection."""
