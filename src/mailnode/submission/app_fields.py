"""What a person sets of an app: the fields in camelCase, as JSON, and the app as its gate knows it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from sqlalchemy import Row

from mailnode.collected import Collected
from mailnode.connections.connection import Connection
from mailnode.connections.fields import Checks, check_keys
from mailnode.connections.rate_limit import RateLimit, to_rate_limit
from mailnode.connections.service import Service, find_service
from mailnode.connections.values import (
    bad,
    recipient_key,
    shown,
    to_addr_spec,
    to_flag,
    to_hosts,
    to_recipients,
    to_text,
    to_texts,
    to_tls_option,
)
from mailnode.delivery.route import Destination, OtherServer
from mailnode.errors import ConnectionsError, ErrorCode, SettingsError
from mailnode.printable import quoted
from mailnode.submission.gate import App

NULL_PATH = "<>"
# Who is told of a failure: the sender of the message that failed, or nobody; else an address.
TO_SENDER, TO_NOBODY = "sender", "none"

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")
_UNIX_USER = re.compile(r"[a-z_][a-z0-9_.-]{0,31}\$?")
_MOST_PORT = 65_535


@dataclass(frozen=True, kw_only=True)
class StoredApp(App):
    """An app as it is stored: what it may do, and where its messages go.

    `senders` are addresses and domains in the form that is compared. Without `rate_limit` no rate is kept to. `notify`
    is an address, `sender` or `none`.
    """

    id: str
    password_hash: str = field(repr=False)
    connection: str
    senders: frozenset[tuple[str, str]]
    allows_null_path: bool
    rate_limit: RateLimit | None
    notify: str
    checks_duplicates: bool
    server: OtherServer | None

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        """Make it of its row.

        Raises:
            SettingsError: its settings can't be read.
        """
        try:
            settings = json.loads(row.settings)
            senders = [one for one in settings["senders"] if one != NULL_PATH]
            place = {key: settings.get(name) for key, name in _SERVER.items()}
            return cls(
                name=row.name,
                id=row.id,
                password_hash=row.password_hash,
                connection=row.connection,
                senders=frozenset(map(recipient_key, senders)),
                allows_null_path=NULL_PATH in settings["senders"],
                rate_limit=RateLimit.parse(settings["rateLimit"]) if settings.get("rateLimit") else None,
                notify=settings.get("notify", TO_SENDER),
                checks_duplicates=settings.get("duplicatesCheck", True),
                server=OtherServer(**place) if place["host"] else None,
            )
        except (ValueError, KeyError, TypeError, AttributeError, ConnectionsError):
            raise SettingsError(
                f"what is stored of the app {row.name!r} is damaged", hint="delete it and create it again"
            ) from None

    def may_send_from(self, addr_spec: str) -> bool:
        """Whether an address is one of its senders."""
        key = recipient_key(addr_spec)
        return key in self.senders or ("", key[1]) in self.senders

    def destination(self, connection: Connection) -> Destination:
        """Give the server that its messages go to.

        Raises:
            SettingsError: its connection is for several hosts, and it names none.
        """
        return Destination(self.server or target_of(connection), connection.name)


def target_of(connection: Connection) -> Service | OtherServer:
    """Give the one server that a connection is for.

    Raises:
        SettingsError: it is for several.
    """
    if connection.service:
        return find_service(connection.service)
    if len(connection.hosts) == 1:
        return OtherServer(host=connection.hosts[0])
    raise SettingsError(
        f"the connection {connection.name!r} is for more than one host", hint="give host, and port if it is not 465"
    ).locate(key="host")


def is_name(text: str) -> bool:
    """Whether an app may have this name; what may be none is not looked for in the database."""
    return _NAME.fullmatch(text) is not None


def check_name(name: str) -> str:
    """Check the name of an app, which is its login too.

    Raises:
        SettingsError: it can't be one.
    """
    if not is_name(name):
        hint = (
            "use up to 64 letters, digits, dots, hyphens and underscores; begin with a letter or digit, end with none"
        )
        raise SettingsError(f"{quoted(name)} is not a valid app name", hint=hint).locate(key="name")
    return name


def check_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """Check the fields of an app, and normalize them as they are stored; one that is null counts as not given.

    Raises:
        SettingsError: a field is unknown or invalid (`key` names it; `others` are all else that is wrong).
    """
    wrong = Collected()
    fields = check_keys(given, _FIELDS, (), wrong)
    try:
        wrong.raise_all()
    except ConnectionsError as error:
        raise _as_settings(error) from None
    return fields


def host_of(connection: Mapping[str, Any]) -> str:
    """Give the host of an app that names none beside its port, TLS option or certificates: its connection's only one.

    Raises:
        SettingsError: the connection is for a service, or for several hosts.
    """
    hosts: list[str] = connection.get("hosts") or []
    if len(hosts) == 1:
        return hosts[0]
    whose = f"the service {connection['service']}" if connection.get("service") else "several hosts"
    raise SettingsError(
        f"host is missing: the connection is for {whose}, so a port, a TLS option or certificates need one",
        code=ErrorCode.MISSING_SETTING,
        hint="give one of the connection's hosts, or leave the others out",
    ).locate(key="host")


def senders_of(connection: Mapping[str, Any]) -> list[str]:
    """Give the sender that an app of a connection has where none is given: the connection's own.

    Raises:
        SettingsError: the connection has no address.
    """
    own = connection.get("from") or connection.get("username") or connection.get("user") or ""
    try:
        return [to_addr_spec(own)]
    except ConnectionsError:
        raise SettingsError(
            "senders is missing: the connection has no address of its own",
            code=ErrorCode.MISSING_SETTING,
            hint="give addresses that the app may send from, or @domain for all, or the connection a sender",
        ).locate(key="senders") from None


def _as_settings(error: ConnectionsError) -> SettingsError:
    """Give the error of a field as one that does not speak of connections."""
    code = ErrorCode.BAD_SETTING if error.code is ErrorCode.BAD_CONNECTION else error.code
    made = SettingsError(error.message, code=code, hint=error.hint).locate(key=error.key)
    made.others = tuple(_as_settings(other) for other in error.others if isinstance(other, ConnectionsError))
    return made


def _to_senders(value: Any) -> list[str]:
    texts = dict.fromkeys(to_texts(value))
    if not texts:
        raise bad("the list is empty", hint="give the addresses that the app may send from, or @domain")
    is_null_allowed = texts.pop(NULL_PATH, NULL_PATH) is None
    return [*to_recipients([*texts]), *([NULL_PATH] if is_null_allowed else [])]


def _to_notify(value: Any) -> str:
    text = to_text(value)
    return text.lower() if text.lower() in {TO_SENDER, TO_NOBODY} else to_addr_spec(text)


def _to_unix_user(value: Any) -> str:
    text = to_text(value)
    if not _UNIX_USER.fullmatch(text):
        raise bad(f"{shown(text)} is not a user of this machine", hint="give a user name such as www-data")
    return text


def _to_host(value: Any) -> str:
    return to_hosts([to_text(value)])[0]


def _to_port(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MOST_PORT:
        raise bad(f"{shown(value)} is not a port", hint="give a number from 1 to 65535")
    return value


_SERVER = {"host": "host", "port": "port", "tls_option": "tlsOption", "ca": "ca"}
_FIELDS: Checks = {
    "connection": to_text,
    "senders": _to_senders,
    "rateLimit": to_rate_limit,
    "notify": _to_notify,
    "duplicatesCheck": to_flag,
    "unixUser": _to_unix_user,
    "host": _to_host,
    "port": _to_port,
    "tlsOption": to_tls_option,
    "ca": lambda value: value if isinstance(value, str) else to_text(value),
}
