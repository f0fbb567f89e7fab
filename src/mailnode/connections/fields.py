"""The fields of a connection as people give them (camelCase, JSON): checked one by one, and brought to one form."""

import difflib
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, get_args

from mailnode.connections.place import host_key, recipient_key
from mailnode.connections.service import find_service
from mailnode.errors import ComposeError, ConnectionsError, DkimError, ErrorCode, SettingsError
from mailnode.smtp.proxy import parse_proxy
from mailnode.smtp.server import TlsOption

TYPES = ("basic",)

_SHOWN = 60
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NOT_IN_SECRET = re.compile(r"[\0\ud800-\udfff]")  # NUL would end the password (RFC 4616 2); UTF-8 has no surrogates


def check_fields(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Check the fields of a connection of this type, and bring them to the form that is stored.

    A field that is null counts as not given.

    Raises:
        ConnectionsError: the type or a key is unknown, a field is missing, wrong, or does not go with another; `key`
            names it, and no secret is in the message.
    """
    if kind not in TYPES:
        raise _bad(f"there is no connection type {_shown(kind)}", "type", f"use {' or '.join(TYPES)}")
    fields = _check_keys(given, _CHECKS, ("username", "password"))
    if ("service" in fields) == ("hosts" in fields):
        which = "both service and hosts are given" if "hosts" in fields else "neither service nor hosts is given"
        raise _bad(
            which, "service", "give the one that says where the secrets may go: service, or hosts for other servers"
        )
    if "service" in fields:
        find_service(fields["service"]).port_for(fields.get("tlsOption"))
    return fields


def _check_keys(
    given: Mapping[str, Any], checks: Mapping[str, Callable[[Any], Any]], required: tuple[str, ...]
) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in given.items():
        if key not in checks:
            near = difflib.get_close_matches(str(key)[:_SHOWN], checks, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the fields are {', '.join(checks)}"
            raise _bad(f"there is no field {_shown(key)}", str(key)[:_SHOWN], hint, ErrorCode.UNKNOWN_KEY)
        if value is None:
            continue
        try:
            fields[key] = checks[key](value)
        except ConnectionsError as error:
            raise error.locate(key=key) from None
    for key in required:
        if key not in fields:
            raise _bad(f"{key} is missing", key, f"give {' and '.join(required)}", ErrorCode.MISSING_SETTING)
    return fields


def _service(value: Any) -> str:
    return find_service(_text(value)).name


def _hosts(value: Any) -> list[str]:
    hosts = [_host(entry, f"[{i}]") for i, entry in enumerate(_texts(value))]
    if not hosts:
        raise _bad("the list is empty", hint="name the servers that the secrets may go to")
    return list(dict.fromkeys(hosts))


def _host(text: str, key: str) -> str:
    host = host_key(text)
    if _is_address(host) or (len(host) <= 253 and _HOST.fullmatch(host)):  # noqa: PLR2004 -- RFC 1035 2.3.4
        return host
    raise _bad(
        f"{_shown(text)} is no host",
        key,
        "give a host name or an address, such as mail.example.org: no scheme, port or wildcard",
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _bad(f"{_shown(value)} is no text", hint="give some text in quotes")
    if _CONTROL.search(value):
        raise _bad(f"{_shown(value)} has a control character in it", hint="give it in one line")
    return value.strip()


def _secret(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _bad("a secret must be text, and not empty", hint="give it in quotes")
    if _NOT_IN_SECRET.search(value):
        raise _bad("a secret can't have a NUL or half a character in it", hint="check where it was copied from")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _bad(f"{_shown(value)} is neither true nor false", hint="write true or false, without quotes")
    return value


def _tls_option(value: Any) -> TlsOption:
    for mode in get_args(TlsOption):
        if value == mode:
            option: TlsOption = mode
            return option
    raise _bad(f"{_shown(value)} is no TLS mode", hint=f"use {', '.join(get_args(TlsOption))}")


def _proxy(value: Any) -> str:
    url = _secret(value)
    try:
        parse_proxy(url)
    except SettingsError as error:
        raise _bad(error.message, hint=error.hint) from None
    return url


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list | tuple):
        raise _bad(f"{_shown(value)} is no list", hint='give a list of texts, such as ["example.org"]')
    texts: list[str] = []
    for i, entry in enumerate(value):
        try:
            texts.append(_text(entry))
        except ConnectionsError as error:
            raise error.locate(key=f"[{i}]") from None
    return texts


def _mailbox(value: Any) -> str:
    _addr_spec(value)
    return _text(value)


def _addr_spec(value: Any) -> str:
    from mailnode.message.mailbox import parse_mailbox

    try:
        return parse_mailbox(_text(value)).addr_spec
    except ComposeError as error:
        raise _bad(error.message, hint=error.hint, code=error.code) from None


def _recipients(value: Any) -> list[str]:
    return list(dict.fromkeys(_recipient(entry, f"[{i}]") for i, entry in enumerate(_texts(value))))


def _recipient(text: str, key: str) -> str:
    local_part, domain = recipient_key(text)
    if local_part:
        try:
            return _addr_spec(text)
        except ConnectionsError as error:
            raise error.locate(key=key) from None
    return f"@{_host(domain, key)}"


def _dkim(value: Any) -> dict[str, Any]:
    from mailnode.message.dkim import DkimSigner

    # The value is not shown: somebody may have put the key itself here.
    if not isinstance(value, Mapping):
        raise _bad("dkim must be an object", hint="give {domain, selector, privateKey}")
    dkim = _check_keys(value, _DKIM_CHECKS, tuple(_DKIM_CHECKS))
    try:
        DkimSigner(dkim["domain"], dkim["selector"], dkim["privateKey"])
    except DkimError as error:
        raise _bad(error.message, error.key, error.hint, error.code) from None
    return dkim


_DKIM_CHECKS: dict[str, Callable[[Any], Any]] = {"domain": _text, "selector": _text, "privateKey": _secret}
_CHECKS: dict[str, Callable[[Any], Any]] = {
    "service": _service,
    "hosts": _hosts,
    "username": _text,
    "password": _secret,
    "from": _mailbox,
    "tlsOption": _tls_option,
    "allowPlaintextAuth": _flag,
    "proxy": _proxy,
    "allowedRecipients": _recipients,
    "redirectAllTo": _addr_spec,
    "dkim": _dkim,
}


def _shown(value: Any) -> str:
    if not isinstance(value, str):
        return f"a {type(value).__name__}" if value is not None else "null"
    return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}...")


def _bad(message: str, key: str = "", hint: str = "", code: ErrorCode | None = None) -> ConnectionsError:
    return ConnectionsError(message, code=code, hint=hint).locate(key=key)
