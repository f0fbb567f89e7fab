"""The rows in which connections are kept: found by name, opened, and what may be shown of them."""

import difflib
import json
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, select

from mailnode.connections.connection import ConnectionRevision
from mailnode.connections.fields import COMMON, TYPE_FIELDS, join_secrets, split_secrets
from mailnode.connections.grant import Grant, grant_of
from mailnode.connections.secrets.cipher import Cipher
from mailnode.connections.secrets.database_key import check_key
from mailnode.connections.token_rows import TOKEN_FIELDS
from mailnode.connections.values import to_texts
from mailnode.errors import ConnectionsError, ErrorCode, StoreError
from mailnode.printable import MOST_SHOWN, quoted
from mailnode.smtp.proxy import Proxy, parse_proxy
from mailnode.store.clock import unix_ms
from mailnode.store.tables import connections

_NAME = re.compile(r"[^\W_](?:[\w. -]{0,62}[\w.-])?")
# What a list shows beside the hosts.
_LISTED = ("service", "username", "user")


def check_name(name: str) -> str:
    """Give a name in the form that is kept (NFC), or raise ConnectionsError."""
    name = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(name):
        raise ConnectionsError(
            f"{quoted(name)} can't be the name of a connection",
            hint="use up to 64 letters, digits, spaces, dots, hyphens and underscores; a letter or digit comes first",
        ).locate(key="name")
    return name


def outdated(db: Transaction, revisions: Collection[ConnectionRevision]) -> set[ConnectionRevision]:
    """Give those that are no more what is kept under their name."""
    if not revisions:
        return set()
    kept = select(connections.c.name, connections.c.id, connections.c.revision)
    rows = db.execute(kept.where(connections.c.name.in_({revision.name for revision in revisions})))
    return set(revisions) - {ConnectionRevision(*row) for row in rows}


def row_of(db: Transaction, name: str) -> Row[Any] | None:
    """Find a connection by its name as it is kept."""
    return db.execute(select(connections).where(connections.c.name == name)).first()


def find_row(db: Transaction, name: str) -> Row[Any]:
    """Find a connection by its name as people write it; ConnectionsError, with near names, where there is none."""
    proper = unicodedata.normalize("NFC", name)
    row = row_of(db, proper) if _NAME.fullmatch(proper) else None
    if row is not None:
        return row
    names = db.execute(select(connections.c.name).order_by(connections.c.name)).scalars().all()
    folded = {name.casefold(): name for name in names}
    near = [folded[match] for match in difflib.get_close_matches(name[:MOST_SHOWN].casefold(), folded)]
    raise ConnectionsError(
        f"there is no connection {quoted(name)}",
        code=ErrorCode.UNKNOWN_CONNECTION,
        hint=f"did you mean {' or '.join(near)}?" if near else "`mailnode connections list` shows those there are",
    )


def public_fields(row: Row[Any]) -> dict[str, Any]:
    """Give the fields that may be shown; one that this version does not know may say what must not be passed over."""
    with sound(row.name):
        target = {"service": row.service} if row.service else {"hosts": json.loads(row.hosts)}
        fields = {**target, **json.loads(row.settings)}
        if fields.keys() - TYPE_FIELDS[row.type].checks.keys() - COMMON.keys():
            raise ValueError
        to_texts([*fields.get("hosts", ()), *(fields[key] for key in _LISTED if key in fields)])
        return fields


def sealed_secrets(row: Row[Any]) -> dict[str, str]:
    """Give the secrets by their path, as they are kept."""
    with sound(row.name):
        sealed = json.loads(row.secrets)
        to_texts(list(sealed.values()))
        return dict(sealed)


def open_fields(row: Row[Any], cipher: Cipher) -> dict[str, Any]:
    """Give the fields with their secrets, but for living tokens."""
    sealed = sealed_secrets(row)
    with sound(row.name):
        return join_secrets(
            public_fields(row), {path: cipher.unseal(text, row.id, path) for path, text in sealed.items()}
        )


@contextmanager
def sound(name: str) -> Iterator[None]:
    """Say in words that a connection can't be read, which can only be when another hand has changed its row."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ConnectionsError):
        raise StoreError(
            f"the connection {name!r} can't be read: something else has changed it in the database",
            hint=f"delete it with `mailnode connections delete {name}` and create it again",
        ) from None


def sealed_columns(cipher: Cipher, connection_id: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Give the columns in which fields are kept, their secrets sealed; living tokens have rows of their own."""
    public, secrets = split_secrets({key: value for key, value in fields.items() if key not in TOKEN_FIELDS})
    hosts = public.pop("hosts", None)
    return {
        "service": public.pop("service", None),
        "hosts": json.dumps(hosts) if hosts else None,
        "settings": json.dumps(public),
        "secrets": json.dumps({path: cipher.seal(text, connection_id, path) for path, text in secrets.items()}),
        "updated_at": unix_ms(),
    }


def open_grant(db: Transaction, cipher: Cipher, connection_id: str) -> tuple[str, Grant | None, Proxy | None]:
    """Give a connection's name, how it gets tokens and through what, as it is now; ConnectionsError if it is gone."""
    row = db.execute(select(connections).where(connections.c.id == connection_id)).first()
    if row is None:
        raise ConnectionsError(
            "the connection was deleted in the meantime",
            code=ErrorCode.UNKNOWN_CONNECTION,
            hint="name another one",
        )
    check_key(db, cipher)
    fields = open_fields(row, cipher)
    return row.name, grant_of(row.type, fields), parse_proxy(fields["proxy"]) if "proxy" in fields else None
