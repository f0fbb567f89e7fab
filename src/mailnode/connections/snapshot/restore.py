"""Restoring the connections of a snapshot: what each would change, and all of it in one transaction."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, insert, select, update

from mailnode.connections.edit import exposes_secrets, invalidates_token
from mailnode.connections.rows import check_name, open_fields, row_of, sealed_columns
from mailnode.connections.secrets.cipher import Cipher
from mailnode.connections.secrets.database_key import adopt_key, check_key, lock_connections
from mailnode.connections.snapshot.contents import SnapshotConnection
from mailnode.connections.token_rows import TokenRow, forget_access_token, read_tokens, write_tokens
from mailnode.errors import SnapshotError
from mailnode.printable import quoted
from mailnode.store.clock import unix_ms
from mailnode.store.tables import connections

Change = Literal["new", "changed", "same"]
# "none": its type has no tokens, or requests them without consent.
TokensChange = Literal["none", "kept", "restored", "needsConsent"]


@dataclass(frozen=True, slots=True)
class ConnectionChange:
    """What a restore changes in one connection, and its name afterwards."""

    name: str
    type: str
    change: Change
    tokens: TokensChange


@dataclass(frozen=True, slots=True)
class _Target:
    """A connection of a snapshot, and the row that it replaces."""

    kept: SnapshotConnection
    name: str
    row: Row[Any] | None
    fields: Mapping[str, Any]
    tokens: TokenRow | None

    @property
    def planned_change(self) -> ConnectionChange:
        return ConnectionChange(self.name, self.kept.type, self._change, self.tokens_change)

    @property
    def _change(self) -> Change:
        if self.row is None:
            return "new"
        is_same = self.row.name == self.name and self.fields == self.kept.fields
        return "same" if is_same else "changed"

    @property
    def tokens_change(self) -> TokensChange:
        if self.kept.type != "oauth2":
            return "none"
        if self.row is None or self.tokens is None:
            return "restored" if self.kept.handed_over else "needsConsent"
        if self.kept.handed_over and not self.tokens.fields():
            return "restored"
        # An older state of the original row, not a copy with tokens of its own.
        is_older = self.row.created_at == self.kept.created_at and self.tokens.generation < self.kept.generation
        return "restored" if is_older else "kept"


def plan(
    db: Transaction, cipher: Cipher, kept: Iterable[SnapshotConnection], rename: Mapping[str, str]
) -> list[ConnectionChange]:
    """Plan a restore; `rename` maps names of connections to new ones.

    Raises:
        SnapshotError: a name is taken, or a connection here has another type or other servers by now.
        StoreError: the secret key is not the one of this database.
    """
    check_key(db, cipher)
    return [target.planned_change for target in _targets(db, cipher, kept, rename)]


def restore(
    db: Transaction,
    cipher: Cipher,
    kept: Iterable[SnapshotConnection],
    rename: Mapping[str, str],
    planned: list[ConnectionChange],
) -> None:
    """Restore as planned.

    Raises:
        SnapshotError: as `plan` does, or the plan would be another one by now.
    """
    lock_connections(db)
    adopt_key(db, cipher)
    targets = _targets(db, cipher, kept, rename)
    if [target.planned_change for target in targets] != planned:
        raise SnapshotError(
            "the connections here have changed since the preview", hint="restore again, and check what would be changed"
        )
    for target in targets:
        _restore(db, cipher, target)


def _restore(db: Transaction, cipher: Cipher, target: _Target) -> None:
    kept, now = target.kept, unix_ms()
    columns = {"name": target.name, **sealed_columns(cipher, kept.id, kept.fields)}
    if target.row is None:
        new = {"id": kept.id, "type": kept.type, "revision": 1, "created_at": now}
        db.execute(insert(connections).values(**new, **columns))
    elif target.planned_change.change == "changed":
        changed = update(connections).where(connections.c.id == kept.id)
        db.execute(changed.values(revision=target.row.revision + 1, **columns))
    if target.tokens_change == "restored":
        write_tokens(db, cipher, kept.id, kept.tokens, now, at_least=kept.generation)
    elif target.row is None and kept.type != "basic":
        write_tokens(db, cipher, kept.id, {}, now)
    elif target.tokens and invalidates_token(target.fields, kept.fields):
        forget_access_token(db, cipher, target.tokens)


def _targets(
    db: Transaction, cipher: Cipher, kept: Iterable[SnapshotConnection], rename: Mapping[str, str]
) -> list[_Target]:
    kept = list(kept)
    if unknown := rename.keys() - {one.name for one in kept}:
        raise SnapshotError(
            f"there is no connection {quoted(min(unknown))} in the snapshot", hint="rename a connection that is in it"
        )
    targets = [_target(db, cipher, one, check_name(rename.get(one.name, one.name))) for one in kept]
    names = [target.name for target in targets]
    if twice := [name for name in names if names.count(name) > 1]:
        raise SnapshotError(f"two connections would be named {twice[0]!r}", hint="rename one of them")
    return targets


def _target(db: Transaction, cipher: Cipher, kept: SnapshotConnection, name: str) -> _Target:
    taken = row_of(db, name)
    if taken is not None and taken.id != kept.id:
        raise SnapshotError(
            f"there is another connection named {name!r} here",
            hint="rename the one that is restored, or delete the other",
        )
    row = db.execute(select(connections).where(connections.c.id == kept.id)).first()
    if row is None:
        return _Target(kept, name, None, {}, None)
    fields, tokens = open_fields(row, cipher), read_tokens(db, cipher, row.id)
    # Valid tokens must not be sent to servers that a file names.
    is_living = row.type == "oauth2" and tokens is not None and bool(tokens.fields())
    if row.type != kept.type or (is_living and exposes_secrets(fields, kept.fields)):
        raise SnapshotError(
            f"the connection {row.name!r} here has another type or other servers than the one in the snapshot",
            hint="delete the one here first, and authorize the restored one again",
        )
    return _Target(kept, name, row, fields, tokens)
