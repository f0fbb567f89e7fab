"""What the environment says (design 4.8), and the connections of its home."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import platformdirs

from mailnode.errors import MailboxError, UsageError
from mailnode.message.mailbox import parse_mailbox

if TYPE_CHECKING:
    from mailnode.connections.book import ConnectionBook
    from mailnode.store.database import Database


@dataclass(frozen=True, slots=True)
class Environment:
    """What the environment says (design 4.8)."""

    home: Path
    secret_key: str | None = None
    fetch_allow: str = ""
    redirect_all_to: str | None = None
    ehlo_name: str | None = None
    notification: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, variables: Mapping[str, str] = os.environ) -> Self:
        """Read the MAILNODE_ variables; an empty one counts as none."""
        given = {name: text for name, text in variables.items() if name.startswith("MAILNODE_") and text}
        home = given.get("MAILNODE_HOME")
        return cls(
            home=Path(home) if home else platformdirs.user_data_path("mailnode"),
            secret_key=given.get("MAILNODE_SECRET_KEY"),
            fetch_allow=given.get("MAILNODE_FETCH_ALLOW", ""),
            redirect_all_to=_mailbox(given, "MAILNODE_REDIRECT_ALL_TO"),
            ehlo_name=given.get("MAILNODE_EHLO_NAME"),
            notification={name: text for name, text in given.items() if name.startswith("MAILNODE_NOTIFICATION_")},
        )


@asynccontextmanager
async def open_connections(environment: Environment) -> "AsyncIterator[tuple[Database, ConnectionBook]]":
    """Open the database of the home and the connections in it; only then are the libraries for that loaded.

    Raises:
        StoreError: the database can't be opened, or the secret key is not the one it was written with.
    """
    from mailnode.connections.book import ConnectionBook
    from mailnode.connections.cipher import Cipher
    from mailnode.store.database import Database

    database = Database.open(environment.home / "mailnode.db")
    try:
        yield database, ConnectionBook(database, Cipher.open(environment.home, environment.secret_key))
    finally:
        database.close()


def _mailbox(given: Mapping[str, str], name: str) -> str | None:
    if name not in given:
        return None
    try:
        return parse_mailbox(given[name]).addr_spec
    except MailboxError as error:
        raise UsageError(f"{name}: {error.message}", hint=error.hint) from None
