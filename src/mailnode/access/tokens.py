"""Named tokens for programs: each opens a part of the API, and only its hash is stored."""

import re
import secrets
from collections.abc import Collection
from typing import Any, NamedTuple

from sqlalchemy import Connection as Transaction
from sqlalchemy import delete, select

from mailnode.errors import UsageError
from mailnode.printable import quoted
from mailnode.store.clock import unix_ms
from mailnode.store.database import Database
from mailnode.store.secret_hash import hash_of
from mailnode.store.sql import insert_new
from mailnode.store.tables import api_tokens

# Each means its own, and what it is followed by.
SCOPES = {"run": (), "read": (), "edit": ("read",), "admin": ("run", "read", "edit")}

# A token is known as such in logs, and by tools that look for secrets in code.
PREFIX = "mailnode_"
_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

# A token as JSON, without itself.
PublicToken = dict[str, Any]
PublicTokens = list[PublicToken]


class Access(NamedTuple):
    """What a token opens."""

    name: str
    scopes: frozenset[str]


class ApiTokens:
    """The named tokens of a database."""

    def __init__(self, database: Database) -> None:
        """Keep tokens in `database`."""
        self._database = database

    async def create(self, name: str, scopes: Collection[str]) -> str:
        """Store a new token, and give it: it is shown only this once.

        Raises:
            UsageError: the name is taken or invalid, or a scope is unknown or missing.
        """
        if not _NAME.fullmatch(name):
            hint = "use up to 64 letters, digits, dots, hyphens and underscores, such as crm"
            raise UsageError(f"{quoted(name)} is not a name for a token", hint=hint)
        if not scopes or not SCOPES.keys() >= set(scopes):
            raise UsageError("a token needs scopes", hint=f"give one or more of {', '.join(SCOPES)}")
        token = PREFIX + secrets.token_urlsafe(_BYTES)
        row = {"name": name, "digest": hash_of(token), "scopes": " ".join(sorted(set(scopes))), "created_at": unix_ms()}
        if not await self._database.write(lambda db: db.execute(insert_new(api_tokens), [row]).rowcount):
            raise UsageError(f"a token named {name} already exists", hint="choose another name, or delete that one")
        return token

    async def list(self) -> PublicTokens:
        """Give all tokens as JSON, by name; `lastUsedAt` (Unix ms) is None if it has not been used."""
        query = select(api_tokens).order_by(api_tokens.c.name)
        rows = await self._database.read(lambda db: db.execute(query).all())
        return [
            {
                "name": row.name,
                "scopes": row.scopes.split(),
                "createdAt": row.created_at,
                "lastUsedAt": row.last_used_at,
            }
            for row in rows
        ]

    async def delete(self, name: str) -> None:
        """Delete a token: from now on it opens nothing.

        Raises:
            UsageError: no token has this name.
        """
        gone = delete(api_tokens).where(api_tokens.c.name == name)
        if not await self._database.write(lambda db: db.execute(gone).rowcount):
            raise UsageError(f"there is no token named {quoted(name)}", hint="list them with `mailnode tokens list`")

    async def find(self, token: str) -> Access | None:
        """Give what a token opens; None if it is no token of ours, or no longer.

        Raises:
            StoreError: the database can't be read.
        """
        if not token.startswith(PREFIX):
            return None
        # Looked up by its hash, of which the time that this takes tells nothing.
        query = select(api_tokens.c.name, api_tokens.c.scopes).where(api_tokens.c.digest == hash_of(token))

        def look(db: Transaction) -> Access | None:
            row = db.execute(query).first()
            return row and Access(row.name, _meant(row.scopes.split()))

        return await self._database.glance(look)


def _meant(scopes: Collection[str]) -> frozenset[str]:
    return frozenset(scopes) | {more for scope in scopes for more in SCOPES.get(scope, ())}
