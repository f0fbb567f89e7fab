"""The book of connections: kept by name in the database, secrets encrypted, each change a new revision."""

import difflib
import json
import re
import unicodedata
import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, delete, insert, select, update

from mailnode.connections.cipher import Cipher
from mailnode.connections.connection import Connection
from mailnode.connections.fields import check_fields
from mailnode.connections.key_check import check_key, take_key
from mailnode.connections.secret_fields import join, split
from mailnode.errors import ConnectionsError, ErrorCode
from mailnode.store.clock import unix_ms
from mailnode.store.database import Database
from mailnode.store.tables import connections

# What may be shown of a connection: JSON, without secrets.
Shown = dict[str, Any]
Listing = list[Shown]

_NAME = re.compile(r"[^\W_](?:[\w. -]{0,62}[\w.-])?")
_SHOWN = 64


class ConnectionBook:
    """The connections of a database."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        """Keep connections in `database`, with secrets that `cipher` opens."""
        self._database = database
        self._cipher = cipher
        self._opened: dict[str, Connection] = {}

    async def create(self, name: str, kind: str, fields: Mapping[str, Any]) -> None:
        """Write a new connection down.

        Raises:
            ConnectionsError: the name is taken or none, or a field is wrong (`key` says which).
            StoreError: the secret key is not the one that this database was written with.
        """
        name = _check_name(name)
        checked = check_fields(kind, fields)

        def work(db: Transaction) -> None:
            if _row(db, name) is not None:
                raise ConnectionsError(
                    f"there is a connection {name!r} already",
                    hint="choose another name, or change that one with `mailnode connections update`",
                ).locate(key="name")
            take_key(db, self._cipher)
            new = {"name": name, "type": kind, "revision": 1, "created_at": unix_ms()}
            connection_id = uuid.uuid4().hex
            db.execute(insert(connections).values(id=connection_id, **new, **self._columns(connection_id, checked)))

        await self._database.write(work)

    async def get(self, name: str) -> Connection:
        """Give a connection as it is now, with its secrets.

        Raises:
            ConnectionsError: there is none of this name; the hint names near ones.
            StoreError: the secret key is not the one that it was written with.
        """

        def work(db: Transaction) -> Connection:
            row = _find(db, name)
            opened = self._opened.get(row.id)
            if opened is None or opened.revision != row.revision:
                check_key(db, self._cipher)
                opened = Connection.from_fields(row.id, row.name, row.revision, self._unseal(row))
                self._opened[row.id] = opened
            return opened

        return await self._database.read(work)

    async def show(self, name: str) -> Shown:
        """Give what may be shown of a connection: its public fields, and under `secrets` which of them are set.

        Raises:
            ConnectionsError: there is none of this name.
        """
        return _show(await self._database.read(lambda db: _find(db, name)))

    async def update(self, name: str, fields: Mapping[str, Any]) -> None:
        """Change some fields of a connection; null takes one away, and the rest stays as it is.

        `hosts` in place of `service`, or the reverse, takes the other one away. Whoever changes where the secrets may
        go must give them again: else who may only edit a connection could have its password sent to a server of his.

        Raises:
            ConnectionsError: there is none of this name, a field is wrong, or the password is wanted again.
            StoreError: the secret key is not the one that it was written with.
        """

        def work(db: Transaction) -> None:
            row = _find(db, name)
            take_key(db, self._cipher)
            old = self._unseal(row)
            new = check_fields(row.type, _merge(old, fields))
            if _target(new) != _target(old) and fields.get("password") is None:
                raise ConnectionsError(
                    "service or hosts are changed, so the password must be given again",
                    code=ErrorCode.MISSING_SETTING,
                    hint="give password beside them: it is a secret of the server that it was made for",
                ).locate(key="password")
            changed = update(connections).where(connections.c.id == row.id)
            db.execute(changed.values(revision=row.revision + 1, **self._columns(row.id, new)))

        await self._database.write(work)

    async def delete(self, name: str) -> None:
        """Delete a connection and its secrets.

        Raises:
            ConnectionsError: there is none of this name.
        """

        def work(db: Transaction) -> str:
            row = _find(db, name)
            db.execute(delete(connections).where(connections.c.id == row.id))
            return str(row.id)

        self._opened.pop(await self._database.write(work), None)

    async def list(self) -> Listing:
        """Give what may be shown of every connection, by name."""
        query = select(connections).order_by(connections.c.name)
        return [_show(row) for row in await self._database.read(lambda db: db.execute(query).all())]

    def _columns(self, connection_id: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        public, secrets = split(fields)
        hosts = public.pop("hosts", None)
        return {
            "service": public.pop("service", None),
            "hosts": json.dumps(hosts) if hosts else None,
            "settings": json.dumps(public),
            "secrets": json.dumps(
                {path: self._cipher.seal(text, connection_id, path) for path, text in secrets.items()}
            ),
            "updated_at": unix_ms(),
        }

    def _unseal(self, row: Row[Any]) -> dict[str, Any]:
        sealed = json.loads(row.secrets)
        return join(_public(row), {path: self._cipher.unseal(text, row.id, path) for path, text in sealed.items()})


def _check_name(name: str) -> str:
    name = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(name):
        raise ConnectionsError(
            f"{name[:_SHOWN]!r} can't be the name of a connection",
            hint="use up to 64 letters, digits, spaces, dots, hyphens and underscores; a letter or digit comes first",
        ).locate(key="name")
    return name


def _row(db: Transaction, name: str) -> Row[Any] | None:
    return db.execute(select(connections).where(connections.c.name == name)).first()


def _find(db: Transaction, name: str) -> Row[Any]:
    proper = unicodedata.normalize("NFC", name)
    row = _row(db, proper) if _NAME.fullmatch(proper) else None
    if row is not None:
        return row
    names = db.execute(select(connections.c.name).order_by(connections.c.name)).scalars().all()
    folded = {name.casefold(): name for name in names}
    near = [folded[match] for match in difflib.get_close_matches(name[:_SHOWN].casefold(), folded)]
    raise ConnectionsError(
        f"there is no connection {name[:_SHOWN]!r}",
        code=ErrorCode.UNKNOWN_CONNECTION,
        hint=f"did you mean {' or '.join(near)}?" if near else "`mailnode connections list` shows those there are",
    )


def _show(row: Row[Any]) -> Shown:
    return {
        "name": row.name,
        "type": row.type,
        "revision": row.revision,
        **_public(row),
        "secrets": sorted(json.loads(row.secrets)),
    }


def _public(row: Row[Any]) -> dict[str, Any]:
    target = {"service": row.service} if row.service else {"hosts": json.loads(row.hosts)}
    return {**target, **json.loads(row.settings)}


def _merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**old, **new}
    for one, other in (("service", "hosts"), ("hosts", "service")):
        if new.get(one) is not None and other not in new:
            merged.pop(other, None)
    if isinstance(old.get("dkim"), Mapping) and isinstance(new.get("dkim"), Mapping):
        merged["dkim"] = {**old["dkim"], **new["dkim"]}
    return merged


def _target(fields: Mapping[str, Any]) -> tuple[Any, ...]:
    return fields.get("service"), *sorted(fields.get("hosts", ()))
