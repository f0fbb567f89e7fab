"""The rows of connections: how they are found, decrypted and shown."""

import difflib
import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, select

from mailnode.connections.connection import Connection, ConnectionRevision
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
from mailnode.store.prepared import AnyOf, Query
from mailnode.store.steps import InSteps
from mailnode.store.tables import connections

_NAME = re.compile(r"[^\W_](?:[\w. -]{0,62}[\w.-])?")
_SIGNING_KEY = "dkim.privateKey"
NAMES = select(connections.c.name).order_by(connections.c.name)
# What a list shows beside the hosts.
_LISTED = ("service", "username", "user")


def check_name(name: str) -> str:
    """Normalize a name (NFC), or raise ConnectionsError."""
    name = unicodedata.normalize("NFC", name)
    if not name:
        raise ConnectionsError(
            "the connection has no name", code=ErrorCode.MISSING_SETTING, hint="give it a name, such as shop"
        ).locate(key="name")
    if not _NAME.fullmatch(name):
        raise ConnectionsError(
            f"{quoted(name)} is not a valid connection name",
            hint="use up to 64 letters, digits, spaces, dots, hyphens and underscores; begin with a letter or digit",
        ).locate(key="name")
    return name


def outdated(revisions: Collection[ConnectionRevision]) -> InSteps[set[ConnectionRevision]]:
    """Give those revisions that are not the current ones any more."""
    if not revisions:
        return set()
    (rows,) = yield [_REVISIONS.of(names=[*{revision.name for revision in revisions}])]
    return set(revisions) - {ConnectionRevision(*row) for row in rows}


_REVISIONS = Query(
    select(connections.c.name, connections.c.id, connections.c.revision).where(AnyOf(connections.c.name, "names"))
)


def row_of(db: Transaction, name: str) -> Row[Any] | None:
    """Find a connection by its normalized name."""
    return db.execute(select(connections).where(connections.c.name == name)).first()


def is_found(row: Row[Any], search: str) -> bool:
    """Whether a row has this text in what a list shows of it, in any case; a damaged one is found by its name."""
    try:
        settings = json.loads(row.settings)
        shown = [row.service, row.hosts, *(settings.get(key) for key in (*_LISTED, "from"))]
    except (ValueError, TypeError, AttributeError, RecursionError):
        shown = []
    return any(search.casefold() in text.casefold() for text in (row.name, *shown) if isinstance(text, str))


def proper_name(name: str) -> str | None:
    """Give the form in which a name is stored; None where no connection can have it."""
    proper = unicodedata.normalize("NFC", name)
    return proper if _NAME.fullmatch(proper) else None


def find_row(db: Transaction, name: str) -> Row[Any]:
    """Find a connection by its name; ConnectionsError, with similar names, where there is none."""
    proper = proper_name(name)
    row = row_of(db, proper) if proper else None
    if row is not None:
        return row
    raise unknown_connection(name, db.execute(NAMES).scalars().all())


def unknown_connection(name: str, names: Sequence[str]) -> ConnectionsError:
    """Make the error of a name that is none of those that there are; it tells similar ones."""
    folded = {name.casefold(): name for name in names}
    near = [folded[match] for match in difflib.get_close_matches(name[:MOST_SHOWN].casefold(), folded)]
    return ConnectionsError(
        f"there is no connection {quoted(name)}",
        code=ErrorCode.UNKNOWN_CONNECTION,
        hint=f"did you mean {' or '.join(near)}?" if near else "check its name",
    )


def public_fields(row: Row[Any]) -> dict[str, Any]:
    """Give the public fields; one that this version does not know is an error, since it may not be ignored."""
    with readable_row(row.name):
        target = {"service": row.service} if row.service else {"hosts": json.loads(row.hosts)}
        fields = {**target, **json.loads(row.settings)}
        hosts = fields.get("hosts", [])
        if not isinstance(hosts, list) or fields.keys() - TYPE_FIELDS[row.type].checks.keys() - COMMON.keys():
            raise ValueError
        to_texts([*hosts, *(fields[key] for key in _LISTED if key in fields)])
        return fields


def sealed_secrets(row: Row[Any]) -> dict[str, str]:
    """Give the encrypted secrets by their path."""
    with readable_row(row.name):
        sealed = json.loads(row.secrets)
        to_texts(list(sealed.values()))
        return dict(sealed)


def open_fields(row: Row[Any], cipher: Cipher) -> dict[str, Any]:
    """Give the fields with their secrets, without tokens."""
    sealed = sealed_secrets(row)
    with readable_row(row.name):
        return join_secrets(
            public_fields(row), {path: cipher.unseal(text, row.id, path) for path, text in sealed.items()}
        )


def without_login(row: Row[Any], cipher: Callable[[], Cipher]) -> Connection:
    """Give a connection for one who makes email and sends none: without password, tokens and proxy.

    `cipher` is asked only where the connection has a key that signs.
    """
    fields, sealed = public_fields(row), sealed_secrets(row)
    with readable_row(row.name):
        if (key := sealed.get(_SIGNING_KEY)) is not None:
            fields = join_secrets(fields, {_SIGNING_KEY: cipher().unseal(key, row.id, _SIGNING_KEY)})
        name = fields["username"] if row.type == "basic" else fields["user"]
        given = {**fields, "username": name, "password": ""}
        return replace(Connection.from_fields(row.id, row.name, "basic", row.revision, given), type=row.type)


@contextmanager
def readable_row(name: str) -> Iterator[None]:
    """Turn the errors of a row that another program has changed into a StoreError."""
    try:
        yield
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, ConnectionsError):
        raise StoreError(
            f"the connection {name!r} is damaged: another program has changed it in the database",
            hint="delete the connection and create it again",
        ) from None


def sealed_columns(cipher: Cipher, connection_id: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Give the columns of fields, with encrypted secrets; tokens have rows of their own."""
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
    """Give a connection's name, grant and proxy; ConnectionsError if it was deleted."""
    row = db.execute(select(connections).where(connections.c.id == connection_id)).first()
    if row is None:
        raise ConnectionsError(
            "the connection was deleted in the meantime",
            code=ErrorCode.UNKNOWN_CONNECTION,
            hint="choose another connection",
        )
    check_key(db, cipher)
    fields = open_fields(row, cipher)
    return row.name, grant_of(row.type, fields), parse_proxy(fields["proxy"]) if "proxy" in fields else None
