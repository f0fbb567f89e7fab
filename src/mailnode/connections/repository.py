"""The repository of connections: stored by name with encrypted secrets, each change is a new revision."""

import uuid
from collections.abc import Mapping
from itertools import islice
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, delete, insert, select, update

from mailnode.collected import Collected
from mailnode.connections.connection import Connection, ConnectionRevision
from mailnode.connections.edit import edited, invalidates_token
from mailnode.connections.endpoint import TokenAnswer
from mailnode.connections.fields import check_fields
from mailnode.connections.grant import Grant, grant_of
from mailnode.connections.last_test import keep_test, shown_test
from mailnode.connections.rows import (
    check_name,
    find_row,
    is_found,
    open_fields,
    public_fields,
    readable_row,
    row_of,
    sealed_columns,
    sealed_secrets,
)
from mailnode.connections.secrets.cipher import Cipher
from mailnode.connections.secrets.database_key import adopt_key, check_key, lock_connections
from mailnode.connections.token_rows import (
    TOKEN_FIELDS,
    forget_access_token,
    forget_failure,
    read_tokens,
    shown_tokens,
    write_tokens,
)
from mailnode.connections.tokens import ConnectionTokens, TokenKeeper
from mailnode.errors import ConnectionsError, ErrorCode, StoreError
from mailnode.store.clock import unix_ms
from mailnode.store.database import Database
from mailnode.store.tables import connections

# A connection as JSON without secrets.
PublicConnection = dict[str, Any]
PublicConnections = list[PublicConnection]


class ConnectionRepository:
    """The connections of a database."""

    def __init__(self, database: Database, cipher: Cipher, keeper: TokenKeeper) -> None:
        """Keep connections in `database`, with secrets that `cipher` opens; `keeper` has their tokens."""
        self._database = database
        self._cipher = cipher
        self._keeper = keeper
        self._opened: dict[str, Connection] = {}

    async def create(self, name: str, kind: str, fields: Mapping[str, Any]) -> None:
        """Store a new connection.

        Raises:
            ConnectionsError: the name is taken or invalid, or a field is invalid (`key` says which).
            StoreError: the secret key is not the one that this database was written with.
        """
        wrong = Collected()
        checked: Mapping[str, Any] = {}
        with wrong.collecting():
            name = check_name(name)
        with wrong.collecting():
            checked = check_fields(kind, fields)
        wrong.raise_all()

        def work(db: Transaction) -> None:
            lock_connections(db)
            if row_of(db, name) is not None:
                raise ConnectionsError(
                    f"a connection named {name!r} already exists",
                    code=ErrorCode.CONNECTION_CONFLICT,
                    hint="choose another name, or change that connection",
                ).locate(key="name")
            adopt_key(db, self._cipher)
            new = {"name": name, "type": kind, "revision": 1, "created_at": unix_ms()}
            connection_id = uuid.uuid4().hex
            db.execute(
                insert(connections).values(
                    id=connection_id, **new, **sealed_columns(self._cipher, connection_id, checked)
                )
            )
            if kind != "basic":
                write_tokens(db, self._cipher, connection_id, checked, unix_ms())

        await self._database.write(work)

    async def get(self, name: str) -> Connection:
        """Give a connection with its secrets.

        Raises:
            ConnectionsError: no connection has this name; the hint names near ones.
            StoreError: the secret key is not the one that it was written with.
        """
        return await self._database.read(lambda db: self.opened(db, name))

    def opened(self, db: Transaction, name: str) -> Connection:
        """Give the same within a transaction."""
        row = find_row(db, name)
        opened = self._opened.get(row.id)
        if opened is None or opened.revision != row.revision:
            check_key(db, self._cipher)
            fields = open_fields(row, self._cipher)
            tokens = None if row.type == "basic" else ConnectionTokens(row.id, row.revision, self._keeper)
            with readable_row(row.name):
                opened = Connection.from_fields(row.id, row.name, row.type, row.revision, fields, tokens)
            self._opened[row.id] = opened
        return opened

    async def show(self, name: str) -> PublicConnection:
        """Give a connection as JSON: its public fields, and under `secrets` the names of those that are set.

        One with tokens also has a `state`, `ready` or `needsConsent`, the `expiryDate` (Unix ms) of its access token,
        and under `trouble` the error of the last renewal if it failed. `lastTest` is what the last test of this
        revision found: `at` (Unix ms), `ok`, and where it is false `failedStep`, `found` and `hint`.

        Raises:
            ConnectionsError: no connection has this name.
        """
        return await self._database.read(lambda db: _show(db, find_row(db, name)))

    async def update(self, name: str, fields: Mapping[str, Any]) -> None:
        """Change some fields of a connection; null removes a field, and all others stay.

        Giving `hosts` removes `service`, and the reverse. Changing where secrets may be sent requires them again: else
        somebody who may only edit a connection could have its password sent to another server.

        Raises:
            ConnectionsError: no connection has this name, a field is invalid, or a secret must be given again.
            StoreError: the secret key is not the one that it was written with.
        """

        def work(db: Transaction) -> None:
            lock_connections(db)
            row = find_row(db, name)
            adopt_key(db, self._cipher)
            tokens = read_tokens(db, self._cipher, row.id)
            given = tokens.fields() if tokens and row.type == "oauth2" else {}  # the others' are never given
            old = {**open_fields(row, self._cipher), **given}
            new = edited(row.type, old, fields)
            self._rewrite(db, row, new)
            if tokens and any(fields[key] != old.get(key) for key in TOKEN_FIELDS if key in fields):
                write_tokens(db, self._cipher, row.id, new, unix_ms())
            elif tokens and not fields.get("accessToken") and invalidates_token(old, new):
                forget_access_token(db, self._cipher, tokens)

        await self._database.write(work)

    async def consent(self, name: str, answer: TokenAnswer, asked: Grant | None = None) -> None:
        """Replace the tokens of a connection by those that consent has brought.

        `asked` is the grant of the request: if the connection has another application or endpoint by now, its tokens
        can't be used.

        Raises:
            ConnectionsError: there is no such connection, its type needs no consent, or it has changed.
        """

        def work(db: Transaction) -> None:
            lock_connections(db)
            row = find_row(db, name)
            if row.type != "oauth2":
                raise ConnectionsError(
                    f"the connection {name!r} is of type {row.type}, which needs no consent",
                    hint="use a connection of type oauth2",
                )
            adopt_key(db, self._cipher)
            fields = open_fields(row, self._cipher)
            if asked is not None and asked != grant_of(row.type, fields):
                raise ConnectionsError(
                    f"the connection {name!r} was changed during the authorization, so the new tokens were not stored",
                    hint="authorize it again",
                )
            self._rewrite(db, row, fields)
            write_tokens(db, self._cipher, row.id, answer.fields(), unix_ms())

        await self._database.write(work)

    async def renew(self, name: str) -> None:
        """Get a new access token now, even if the old one is valid; does nothing for a connection with a password.

        Raises:
            TokenError: the endpoint issues none.
            ConnectionsError: there is no such connection.
        """
        connection = await self.get(name)
        if connection.type != "basic":
            await self._keeper.token(connection.id, force=True)

    async def forget_failure(self, name: str) -> None:
        """Forget that the last renewal failed, so that the next one is not delayed.

        Raises:
            ConnectionsError: there is no such connection.
        """
        await self._database.write(lambda db: forget_failure(db, find_row(db, name).id))

    async def keep_test(
        self, tested: ConnectionRevision, *, failed_step: str | None = None, found: str = "", hint: str = ""
    ) -> None:
        """Keep what a test of a connection found until it is changed; no `failed_step` is success."""
        await self._database.write(lambda db: keep_test(db, tested, failed_step, found, hint))

    async def delete(self, name: str) -> None:
        """Delete a connection and its secrets.

        Raises:
            ConnectionsError: no connection has this name.
        """

        def work(db: Transaction) -> str:
            lock_connections(db)
            row = find_row(db, name)
            db.execute(delete(connections).where(connections.c.id == row.id))
            return str(row.id)

        self._opened.pop(await self._database.write(work), None)

    async def list(self, *, search: str = "", after: str = "", limit: int | None = None) -> PublicConnections:
        """Give connections as JSON, by name; a damaged one has the state `unreadable`.

        `search` leaves those that have this text in their name, server or account, in any case; `after` is the name of
        the last one that was given before.
        """
        query = select(connections).where(connections.c.name > after).order_by(connections.c.name)
        if not search:
            query = query.limit(limit)

        def work(db: Transaction) -> PublicConnections:
            found = (row for row in db.execute(query) if is_found(row, search))
            return [_listed(db, row) for row in list(islice(found, limit))]

        return await self._database.read(work)

    def _rewrite(self, db: Transaction, row: Row[Any], fields: Mapping[str, Any]) -> None:
        changed = update(connections).where(connections.c.id == row.id)
        db.execute(changed.values(revision=row.revision + 1, **sealed_columns(self._cipher, row.id, fields)))


def _listed(db: Transaction, row: Row[Any]) -> PublicConnection:
    try:
        return _show(db, row)
    except StoreError as error:  # it can be deleted by its name
        told = {"state": "unreadable", "trouble": error.message, "secrets": []}
        return {"name": row.name, "type": row.type, "revision": row.revision, "hosts": [], **told}


def _show(db: Transaction, row: Row[Any]) -> PublicConnection:
    living = shown_tokens(db, row.id)
    if row.type == "oauth2" and not living.get("secrets"):
        living["state"] = "needsConsent"
    return {
        "name": row.name,
        "type": row.type,
        "revision": row.revision,
        **public_fields(row),
        **living,
        **shown_test(db, row.id, row.revision),
        "secrets": sorted([*sealed_secrets(row), *living.get("secrets", ())]),
    }
