"""How the connections of a snapshot come back: what each would change, and all of it within one transaction."""

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
# "none": its type has no tokens, or gets them by itself.
TokensChange = Literal["none", "kept", "restored", "needsConsent"]


@dataclass(frozen=True, slots=True)
class ConnectionChange:
    """What a restore does with one connection, under which name."""

    name: str
    type: str
    change: Change
    tokens: TokensChange


@dataclass(frozen=True, slots=True)
class _Target:
    """Where a connection of a snapshot goes, and what is there."""

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
        # The row it was kept from, not a copy elsewhere with tokens of its own, and an older state of it.
        is_older = self.row.created_at == self.kept.created_at and self.tokens.generation < self.kept.generation
        return "restored" if is_older else "kept"


def plan(
    db: Transaction, cipher: Cipher, kept: Iterable[SnapshotConnection], rename: Mapping[str, str]
) -> list[ConnectionChange]:
    """Say what a restore would do; `rename` gives other names to connections.

    Raises:
        SnapshotError: a name is taken, or a connection here has become another one.
        StoreError: the secret key is not the one that was written with.
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
    """Do what was planned.

    Raises:
        SnapshotError: as `plan` does, or something else would be done by now.
    """
    lock_connections(db)
    adopt_key(db, cipher)
    targets = _targets(db, cipher, kept, rename)
    if [target.planned_change for target in targets] != planned:
        raise SnapshotError("the connections here have changed meanwhile", hint="look again at what would be done")
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
            f"there is no connection {quoted(min(unknown))} in the snapshot", hint="`mailnode snapshot show` lists them"
        )
    targets = [_target(db, cipher, one, check_name(rename.get(one.name, one.name))) for one in kept]
    names = [target.name for target in targets]
    if twice := [name for name in names if names.count(name) > 1]:
        raise SnapshotError(f"two connections would be named {twice[0]!r}", hint="give each another name with --rename")
    return targets


def _target(db: Transaction, cipher: Cipher, kept: SnapshotConnection, name: str) -> _Target:
    taken = row_of(db, name)
    if taken is not None and taken.id != kept.id:
        raise SnapshotError(
            f"there is another connection {name!r} here", hint=f"give --rename {kept.name}=NEW, or delete the one here"
        )
    row = db.execute(select(connections).where(connections.c.id == kept.id)).first()
    if row is None:
        return _Target(kept, name, None, {}, None)
    fields, tokens = open_fields(row, cipher), read_tokens(db, cipher, row.id)
    # Tokens of somebody's consent, living here, must not be sent to servers that a file names.
    is_living = row.type == "oauth2" and tokens is not None and bool(tokens.fields())
    if row.type != kept.type or (is_living and exposes_secrets(fields, kept.fields)):
        raise SnapshotError(
            f"the connection {row.name!r} here is for other servers, or of another type, than the one in the snapshot",
            hint="delete the one here first, and give consent again after the restore",
        )
    return _Target(kept, name, row, fields, tokens)
