"""The apps of a database: programs that hand in email by SMTP, each with a login and a connection of its own."""

import json
import secrets
import uuid
from base64 import b32encode
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, delete, select, update

from mailnode.connections.rows import find_row, public_fields
from mailnode.errors import ErrorCode, SettingsError
from mailnode.printable import quoted
from mailnode.store.clock import unix_ms
from mailnode.store.database import Database
from mailnode.store.secret_hash import hash_of
from mailnode.store.sql import insert_new
from mailnode.store.tables import app_use, apps
from mailnode.submission.app_fields import TO_SENDER, check_fields, check_name, host_of, is_name, senders_of

_PASSWORD_BYTES = 16

# An app as JSON, without its password.
PublicApp = dict[str, Any]
PublicApps = list[PublicApp]


class NewPassword(NamedTuple):
    """The login of an app and its password, which is shown only this once."""

    login: str
    password: str


class Apps:
    """The apps of a database."""

    def __init__(self, database: Database) -> None:
        """Keep apps in `database`."""
        self._database = database

    async def create(self, name: str, fields: Mapping[str, Any]) -> NewPassword:
        """Store a new app, and give its login.

        Without `senders` it may send from the address of its connection.

        Raises:
            SettingsError: the name is taken or invalid, or a field is invalid (`key` says which).
            ConnectionsError: there is no such connection.
        """
        name, checked = check_name(name), check_fields(fields)
        if "connection" not in checked:
            hint = "name the connection that its email is sent with"
            missing = SettingsError("connection is missing", code=ErrorCode.MISSING_SETTING, hint=hint)
            raise missing.locate(key="connection")
        password = _new_password()

        def work(db: Transaction) -> None:
            now = unix_ms()
            fixed = {"id": uuid.uuid4().hex, "name": name, "created_at": now, "password_hash": hash_of(password)}
            _check_user(db, checked.get("unixUser"))
            stored = db.execute(insert_new(apps), [{**fixed, **_columns(db, checked, now)}])
            if not stored.rowcount:
                raise _taken(f"an app named {name!r} already exists", "choose another name, or change that app", "name")

        await self._database.write(work)
        return NewPassword(name, password)

    async def list(self) -> PublicApps:
        """Give all apps as JSON, by name."""
        query = _SHOWN.order_by(apps.c.name)
        return await self._database.read(lambda db: [_shown(row) for row in db.execute(query)])

    async def show(self, name: str) -> PublicApp:
        """Give an app as JSON; `lastUsedAt` (Unix ms) is exact to a minute, None if no message came from it yet.

        Raises:
            SettingsError: no app has this name.
        """
        return await self._database.read(lambda db: _shown(_find(db, name)))

    async def update(self, name: str, fields: Mapping[str, Any]) -> None:
        """Change some fields of an app; null removes a field, and all others stay.

        Raises:
            SettingsError: no app has this name, or a field is invalid.
            ConnectionsError: there is no such connection.
        """

        def work(db: Transaction) -> None:
            row = _find(db, name)
            new = check_fields({**_fields(row), **fields})
            new.setdefault("connection", row.connection)
            _check_user(db, new.get("unixUser"), row.id)
            db.execute(update(apps).where(apps.c.id == row.id).values(**_columns(db, new, unix_ms())))

        await self._database.write(work)

    async def rotate(self, name: str) -> NewPassword:
        """Give an app a new password; the old one no longer works.

        Raises:
            SettingsError: no app has this name.
        """
        password = _new_password()

        def work(db: Transaction) -> None:
            values = {"password_hash": hash_of(password), "updated_at": unix_ms()}
            db.execute(update(apps).where(apps.c.id == _find(db, name).id).values(**values))

        await self._database.write(work)
        return NewPassword(name, password)

    async def delete(self, name: str) -> None:
        """Delete an app: its login no longer works. What it has handed in is sent all the same.

        Raises:
            SettingsError: no app has this name.
        """

        def work(db: Transaction) -> None:
            id_ = _find(db, name).id
            db.execute(delete(app_use).where(app_use.c.app_id == id_))
            db.execute(delete(apps).where(apps.c.id == id_))

        await self._database.write(work)


def _new_password() -> str:
    """Make a password of 128 bits that can be typed into a printer: letters and digits that look like no others."""
    return b32encode(secrets.token_bytes(_PASSWORD_BYTES)).decode().rstrip("=").lower()


def _columns(db: Transaction, checked: Mapping[str, Any], now: int) -> dict[str, Any]:
    """Give what is stored of fields; the connection must be there."""
    settings = {key: value for key, value in checked.items() if key not in {"connection", "unixUser"}}
    connection = find_row(db, checked["connection"])
    if "senders" not in settings:
        settings["senders"] = senders_of(public_fields(connection))
    if settings.keys() & {"port", "tlsOption", "ca"} and "host" not in settings:
        settings["host"] = host_of(public_fields(connection))
    return {
        "connection": connection.name,
        "unix_user": checked.get("unixUser"),
        "settings": json.dumps(settings),
        "updated_at": now,
    }


_SHOWN = select(apps, app_use.c.last_used_at).join_from(apps, app_use, app_use.c.app_id == apps.c.id, isouter=True)


def _find(db: Transaction, name: str) -> Row[Any]:
    if is_name(name) and (row := db.execute(_SHOWN.where(apps.c.name == name)).first()) is not None:
        return row
    raise SettingsError(f"there is no app named {quoted(name)}", code=ErrorCode.UNKNOWN_APP, hint="check its name")


def _check_user(db: Transaction, user: str | None, own_id: str = "") -> None:
    of_it = select(apps.c.name).where(apps.c.unix_user == user, apps.c.id != own_id)
    if user is not None and (other := db.execute(of_it).scalar()) is not None:
        hint = "give each user one app, or change that one"
        raise _taken(f"the user {user!r} has the app {other!r} already", hint, "unixUser")


def _taken(what: str, hint: str, key: str) -> SettingsError:
    return SettingsError(what, code=ErrorCode.APP_CONFLICT, hint=hint).locate(key=key)


def _fields(row: Row[Any]) -> dict[str, Any]:
    """Give the fields as they were checked; what is damaged is empty, and must be given again."""
    try:
        settings = dict(json.loads(row.settings))
    except (ValueError, TypeError, RecursionError):
        settings = {}
    return {"connection": row.connection, **settings, **({"unixUser": row.unix_user} if row.unix_user else {})}


def _shown(row: Row[Any]) -> PublicApp:
    shown = {"name": row.name, "senders": [], "notify": TO_SENDER, "duplicatesCheck": True, **_fields(row)}
    return {**shown, "createdAt": row.created_at, "updatedAt": row.updated_at, "lastUsedAt": row.last_used_at or None}
