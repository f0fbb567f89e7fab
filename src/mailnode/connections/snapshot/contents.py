"""The contents of a snapshot: flow files and connections with their secrets, as JSON."""

import asyncio
import base64
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, delete, select

from mailnode.connections.fields import check_fields
from mailnode.connections.rows import check_name, find_row, open_fields
from mailnode.connections.secrets.cipher import Cipher
from mailnode.connections.secrets.database_key import check_key, lock_connections
from mailnode.connections.snapshot.sealed_file import seal, unseal, write_file
from mailnode.connections.token_rows import TOKEN_FIELDS, TokenRow, read_tokens
from mailnode.errors import CommitUnknown, MailnodeError, SnapshotError
from mailnode.printable import quoted
from mailnode.store.clock import unix_ms
from mailnode.store.database import Database
from mailnode.store.tables import connections

_FLOW_NAME = re.compile(
    r"(?:(?!(?:files|layouts)/)[a-z0-9_-]{1,64}/){0,4}[^/\\\0.][^/\\\0]{0,199}\.(?:ya?ml|json)", re.IGNORECASE
)
# Where flows of this version look for files, and the ways in which such a path can't lead elsewhere.
_BESIDE = re.compile(r"(?:files|layouts)/[^./\\:\0\n][^/\\:\0\n]{0,254}")
_CONNECTION_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class SnapshotFlow:
    """A flow file: its name, with the folders that its flow is in, and its text."""

    name: str
    text: str = field(repr=False)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Read one from a snapshot; SnapshotError for an invalid name, ValueError or KeyError for other errors."""
        text = said["text"]
        text.encode()
        return cls(check_flow_name(said["name"]), text)


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """A file or layout that flows use: its path from their folder, and its bytes."""

    path: str
    content: bytes = field(repr=False)

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Read one from a snapshot; ValueError or KeyError where it has another form."""
        if not _BESIDE.fullmatch(said["path"]):
            raise ValueError
        return cls(said["path"], base64.b64decode(said["content"], validate=True))

    def to_json(self) -> dict[str, str]:
        """Give all of it."""
        return {"path": self.path, "content": base64.b64encode(self.content).decode()}


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotConnection:
    """A connection in a snapshot; its `created_at` (Unix ms) tells the original row from copies in other databases.

    `tokens` are fields, of this `generation`. A connection that was `handed_over` was deleted at its source, so nobody
    else has its tokens.
    """

    id: str
    name: str
    type: str
    created_at: int
    fields: Mapping[str, Any] = field(repr=False)
    generation: int = 0
    tokens: Mapping[str, Any] = field(default_factory=dict, repr=False)
    handed_over: bool = False

    @classmethod
    def from_row(cls, row: Row[Any], cipher: Cipher, tokens: TokenRow | None, *, handed_over: bool) -> Self:
        """Make it from a row of the database, with decrypted secrets."""
        return cls(
            id=row.id,
            name=row.name,
            type=row.type,
            created_at=row.created_at,
            fields=open_fields(row, cipher),
            generation=tokens.generation if tokens else 0,
            tokens=tokens.fields() if tokens else {},
            handed_over=handed_over,
        )

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave; a wrong field is a ConnectionsError, a wrong form a ValueError or KeyError."""
        if not _CONNECTION_ID.fullmatch(said["id"]):
            raise ValueError
        fields = check_fields(said["type"], {**_STAND_IN[said["type"] == "oauth2"], **said["fields"], **said["tokens"]})
        return cls(
            id=said["id"],
            name=check_name(said["name"]),
            type=said["type"],
            created_at=int(said["createdAt"]),
            fields={key: fields[key] for key in said["fields"] if key in fields.keys() - TOKEN_FIELDS},
            generation=int(said["generation"]),
            tokens={key: fields[key] for key in said["tokens"] if key in TOKEN_FIELDS},
            handed_over=said["handedOver"] is True,
        )

    def to_json(self) -> dict[str, Any]:
        """Give all of it, with secrets."""
        return {
            "id": self.id,
            "name": self.name,
            "type": self.type,
            "createdAt": self.created_at,
            "fields": self.fields,
            "generation": self.generation,
            "tokens": self.tokens,
            "handedOver": self.handed_over,
        }

    def shown(self) -> dict[str, Any]:
        """Give it without secrets."""
        return {
            "name": self.name,
            "type": self.type,
            "user": self.fields.get("username") or self.fields.get("user", ""),
            "for": self.fields.get("service") or ", ".join(self.fields.get("hosts", ())),
            "handedOver": self.handed_over,
        }


# A connection without consent may be incomplete: with a token in its place its other fields can be checked.
_STAND_IN: Mapping[bool, Mapping[str, str]] = {True: {"accessToken": "none"}, False: {}}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Flows, what they use beside them, and connections, as they were at `created_at` (Unix ms)."""

    created_at: int
    flows: tuple[SnapshotFlow, ...]
    connections: tuple[SnapshotConnection, ...]
    beside: tuple[SnapshotFile, ...] = ()

    @classmethod
    def opened(cls, content: bytes, passphrase: str) -> Self:
        """Decrypt the bytes of a snapshot file.

        Raises:
            SnapshotError: they can't be decrypted, or the contents can't be used by this version.
        """
        header, body = unseal(content, passphrase)
        try:
            said = json.loads(body)
            flows = tuple(SnapshotFlow.from_json(one) for one in said["flows"])
            kept = tuple(SnapshotConnection.from_json(one) for one in said["connections"])
            beside = tuple(SnapshotFile.from_json(one) for one in said.get("beside", ()))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise _unusable("its contents have an unknown format") from None
        except MailnodeError as error:
            raise error if isinstance(error, SnapshotError) else _unusable(str(error)) from None
        keys = [[flow.name for flow in flows], [one.id for one in kept], [one.path for one in beside]]
        if any(len(set(names)) < len(names) for names in keys):
            raise _unusable("it contains something twice")
        return cls(header.created_at, flows, kept, beside)

    def sealed(self, passphrase: str) -> bytes:
        """Give the bytes of its file; SnapshotError when it would be too large."""
        body: dict[str, Any] = {
            "flows": [{"name": flow.name, "text": flow.text} for flow in self.flows],
            "connections": [one.to_json() for one in self.connections],
        }
        if self.beside:
            body["beside"] = [one.to_json() for one in self.beside]
        return seal(json.dumps(body).encode(), passphrase, self.created_at, version=2 if self.beside else 1)


def check_flow_name(name: str) -> str:
    """Check that the name of a flow file can be used as a file name in any folder.

    Raises:
        SnapshotError: it has a path in it, is hidden, or is not that of a flow file.
    """
    if not _FLOW_NAME.fullmatch(name):
        raise SnapshotError(
            f"{quoted(name)} is not a valid file name for a flow in a snapshot",
            hint="use a file name without a path that ends in .yaml, .yml or .json",
        )
    return name


def keep(
    db: Transaction, cipher: Cipher, names: Iterable[str], hand_over: Collection[str], now: int
) -> tuple[SnapshotConnection, ...]:
    """Take the connections of these names, or all, as they are in this transaction.

    Raises:
        ConnectionsError: there is none of a name.
        SnapshotError: one can't be handed over, or not now.
        StoreError: a secret can't be decrypted.
    """
    check_key(db, cipher)
    given = {find_row(db, name).id for name in hand_over}
    rows = {row.id: row for row in (find_row(db, name) for name in names)}
    if not rows:
        rows = {row.id: row for row in db.execute(select(connections).order_by(connections.c.name))}
    kept = []
    for row in rows.values():
        tokens = read_tokens(db, cipher, row.id, lock=row.id in given)
        if row.id in given:
            _check_hand_over(row, tokens, now)
        kept.append(SnapshotConnection.from_row(row, cipher, tokens, handed_over=row.id in given))
    if missing := given - rows.keys():
        raise SnapshotError(
            f"{len(missing)} of the connections to hand over are not in the snapshot",
            hint="name them among its connections too",
        )
    return tuple(kept)


async def write_snapshot(
    database: Database,
    cipher: Cipher,
    path: Path,
    passphrase: str,
    flows: Iterable[SnapshotFlow] = (),
    names: Collection[str] = (),
    hand_over: Collection[str] = (),
    *,
    beside: Iterable[SnapshotFile] = (),
) -> Snapshot:
    """Write flows, what they use `beside` them, and the connections of these names, or all, to a new file.

    Connections that are handed over are deleted in the transaction in which the file is written.

    Raises:
        MailnodeError: as `keep` and `write_file` do; then there is no file, and nothing was changed.
    """
    is_written = False
    now = unix_ms()

    def work(db: Transaction) -> Snapshot:
        nonlocal is_written
        if hand_over:
            lock_connections(db)
        if is_written:  # by a transaction that lost against another
            path.unlink()
            is_written = False
        kept = keep(db, cipher, names, hand_over, now)
        snapshot = Snapshot(now, tuple(flows), kept, tuple(beside))
        write_file(path, snapshot.sealed(passphrase))
        is_written = True
        if gone := [one.id for one in snapshot.connections if one.handed_over]:
            db.execute(delete(connections).where(connections.c.id.in_(gone)))
        return snapshot

    try:
        return await (database.write(work) if hand_over else database.read(work))
    except Exception as error:
        # Not after a cancellation or a commit in doubt: it may be committed, and the file is the only copy.
        if is_written and not isinstance(error, CommitUnknown):
            await asyncio.to_thread(path.unlink, missing_ok=True)
        raise


def _check_hand_over(row: Row[Any], tokens: TokenRow | None, now: int) -> None:
    if row.type != "oauth2":
        raise SnapshotError(
            f"the connection {row.name!r} is of type {row.type}: it has nothing to hand over",
            hint="don't hand it over: its secrets are in the snapshot anyway",
        )
    if tokens and tokens.refreshing_by and now < (tokens.refreshing_until or 0):
        raise SnapshotError(
            f"the tokens of the connection {row.name!r} are being renewed right now",
            hint="try again in a minute",
            transient=True,
        )


def _unusable(why: str) -> SnapshotError:
    return SnapshotError(
        f"the snapshot can't be used here: {why}", hint="use the version of mailnode that it was created with"
    )
