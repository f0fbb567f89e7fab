"""The rows in which connections are kept: found by name, opened, and what may be shown of them."""

import difflib
import json
import re
import unicodedata
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, select

from mailnode.connections.cipher import Cipher
from mailnode.connections.grant import Grant, grant_of
from mailnode.connections.key_check import check_key
from mailnode.connections.secret_fields import join
from mailnode.errors import ConnectionsError, ErrorCode
from mailnode.store.tables import connections

_NAME = re.compile(r"[^\W_](?:[\w. -]{0,62}[\w.-])?")
_SHOWN = 64


def check_name(name: str) -> str:
    """Give a name in the form that is kept (NFC), or raise ConnectionsError."""
    name = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(name):
        raise ConnectionsError(
            f"{name[:_SHOWN]!r} can't be the name of a connection",
            hint="use up to 64 letters, digits, spaces, dots, hyphens and underscores; a letter or digit comes first",
        ).locate(key="name")
    return name


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
    near = [folded[match] for match in difflib.get_close_matches(name[:_SHOWN].casefold(), folded)]
    raise ConnectionsError(
        f"there is no connection {name[:_SHOWN]!r}",
        code=ErrorCode.UNKNOWN_CONNECTION,
        hint=f"did you mean {' or '.join(near)}?" if near else "`mailnode connections list` shows those there are",
    )


def public_fields(row: Row[Any]) -> dict[str, Any]:
    """Give the fields that may be shown."""
    target = {"service": row.service} if row.service else {"hosts": json.loads(row.hosts)}
    return {**target, **json.loads(row.settings)}


def open_fields(row: Row[Any], cipher: Cipher) -> dict[str, Any]:
    """Give the fields with their secrets, but for living tokens."""
    sealed = json.loads(row.secrets)
    return join(public_fields(row), {path: cipher.unseal(text, row.id, path) for path, text in sealed.items()})


def open_grant(db: Transaction, cipher: Cipher, connection_id: str) -> tuple[str, Grant | None]:
    """Give the name of a connection and how it gets tokens, as they are now; ConnectionsError when it is gone."""
    row = db.execute(select(connections).where(connections.c.id == connection_id)).first()
    if row is None:
        raise ConnectionsError(
            "the connection was deleted in the meantime",
            code=ErrorCode.UNKNOWN_CONNECTION,
            hint="name another one",
        )
    check_key(db, cipher)
    return row.name, grant_of(row.type, open_fields(row, cipher))
