"""The values of connection fields: each is checked and normalized; hosts and recipients are compared by their keys."""

import ipaddress
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, get_args
from urllib.parse import urlsplit

from mailnode.connections.service import find_service
from mailnode.errors import ComposeError, ConnectionsError, ErrorCode, SettingsError
from mailnode.network_address import is_address, is_loopback
from mailnode.printable import CONTROL, MOST_SHOWN, SURROGATE, quoted, shortened
from mailnode.smtp.proxy import parse_proxy
from mailnode.smtp.server import TlsOption, ascii_host

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_CONTROL = re.compile(f"[{CONTROL}{SURROGATE}]")
_NOT_IN_SECRET = re.compile(rf"[\0{SURROGATE}]")  # NUL would end the password (RFC 4616 2); UTF-8 has no surrogates
# What fits into any server's line; tenants and paths take some hundred.
_MAX_URL = 2000
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
# RFC 6750 2.1; other characters are not allowed in a SASL message either.
_TOKEN = re.compile(r"[\x21-\x7e]+")
# 1973 in milliseconds, the year 5138 in seconds: a smaller number is in seconds.
_LEAST_MS = 100_000_000_000


@lru_cache(maxsize=1024)
def host_key(host: str) -> str:
    """Give what is equal for two spellings of one host: case, A-labels, a final dot, an address's zeros."""
    try:
        name = ascii_host(host).lower().removesuffix(".")
    except SettingsError:  # no host at all, so equal only to itself
        return host
    try:
        return ipaddress.ip_address(name).compressed
    except ValueError:
        return name


def _lower(local_part: str) -> str:
    """Give it in lower case, but never ASCII for what only looks so, as the Kelvin sign does like k."""
    if local_part.isascii():
        return local_part.lower()
    return "".join(lower if (lower := one.lower()).isascii() == one.isascii() else one for one in local_part)


def recipient_key(text: str) -> tuple[str, str]:
    """Give local part and domain in the form that is compared; a domain alone has no local part."""
    local_part, _, domain = text.rpartition("@")
    return _lower(local_part), host_key(domain)


def to_service(value: Any) -> str:
    """The proper name of a service."""
    return find_service(to_text(value)).name


def to_hosts(value: Any) -> list[str]:
    """Host names and addresses, each once, in the form that is compared."""
    hosts = [_host(entry, f"[{i}]") for i, entry in enumerate(to_texts(value))]
    if not hosts:
        raise bad("the list is empty", hint="name the servers that the secrets may go to")
    return list(dict.fromkeys(hosts))


def _host(text: str, key: str) -> str:
    host = host_key(text)
    if is_address(host) or (len(host) <= 253 and _HOST.fullmatch(host)):  # noqa: PLR2004 -- RFC 1035 2.3.4
        return host
    raise bad(
        f"{shown(text)} is not a valid host",
        key,
        "give a host name or an IP address without scheme, port or wildcard, such as mail.example.org",
    )


def to_text(value: Any) -> str:
    """One line."""
    if not isinstance(value, str):
        raise bad(f"text is required, not {shown(value)}", hint="write it in quotes")
    text = value.strip()
    if not text:
        raise bad("a value is required", hint="enter one; an optional field may be left out")
    if _CONTROL.search(text):
        raise bad(f"{shown(text)} contains a control character", hint="write it on one line")
    return text


def to_secret(value: Any) -> str:
    """A secret: any text that a login can carry; messages never show it."""
    if not isinstance(value, str):
        raise bad("a secret must be text", hint="write it in quotes")
    if not value:
        raise bad("a value is required", hint="enter one; an optional field may be left out")
    if _NOT_IN_SECRET.search(value):
        raise bad("a secret can't contain NUL or half of a surrogate pair", hint="copy it again")
    return value


def to_flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise bad(f"true or false is required, not {shown(value)}", hint="write true or false, without quotes")
    return value


def to_tls_option(value: Any) -> TlsOption:
    """A TLS mode."""
    for mode in get_args(TlsOption):
        if value == mode:
            option: TlsOption = mode
            return option
    raise bad(f"{shown(value)} is not a TLS mode", hint=f"use {', '.join(get_args(TlsOption))}")


def to_proxy(value: Any) -> str:
    """The URL of a proxy, which may hold a password."""
    url = to_secret(value)
    try:
        parse_proxy(url)
    except SettingsError as error:
        raise bad(error.message, hint=error.hint) from None
    return url


def to_texts(value: Any) -> list[str]:
    """A list of lines."""
    if not isinstance(value, list | tuple):
        raise bad(f"a list is required, not {shown(value)}", hint='give a list of texts, such as ["example.org"]')
    texts: list[str] = []
    for i, entry in enumerate(value):
        try:
            texts.append(to_text(entry))
        except ConnectionsError as error:
            raise error.locate(key=f"[{i}]") from None
    return texts


def to_mailbox(value: Any) -> str:
    """A mailbox, as it was written."""
    to_addr_spec(value)
    return to_text(value)


def to_addr_spec(value: Any) -> str:
    """The address of a mailbox."""
    from mailnode.message.mailbox import parse_mailbox

    try:
        return parse_mailbox(to_text(value)).addr_spec
    except ComposeError as error:
        raise bad(error.message, hint=error.hint, code=error.code) from None


def to_recipients(value: Any) -> list[str]:
    """Addresses, and domains with `@` before them."""
    return list(dict.fromkeys(_recipient(entry, f"[{i}]") for i, entry in enumerate(to_texts(value))))


def _recipient(text: str, key: str) -> str:
    local_part, domain = recipient_key(text)
    if local_part:
        try:
            return to_addr_spec(text)
        except ConnectionsError as error:
            raise error.locate(key=key) from None
    return f"@{_host(domain, key)}"


def to_token(value: Any) -> str:
    """An access or refresh token (RFC 6750 2.1, RFC 6749 A.17); surrounding spaces from copying are removed."""
    token = to_secret(value).strip()
    if not _TOKEN.fullmatch(token):
        raise bad("a token must be printable ASCII without spaces", hint="copy the whole token again")
    return token


def to_expiry(value: Any) -> int:
    """A time in Unix milliseconds."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value.strip()[:MOST_SHOWN])  # Python refuses to read thousands of digits
    if isinstance(value, bool) or not isinstance(value, int):
        raise bad(f"{shown(value)} is not a time", hint="give Unix milliseconds, such as 1893456000000")
    if 0 < value < _LEAST_MS:
        said = datetime.fromtimestamp(value, UTC).date()
        raise bad(
            f"{value} looks like seconds ({said}), but Unix milliseconds are required", hint=f"give {value * 1000}"
        )
    if not 0 < value < _LEAST_MS * 1000:
        raise bad(f"{shortened(str(value))} is out of range", hint="give Unix milliseconds, such as 1893456000000")
    return value


def to_url(value: Any) -> str:
    """The URL of an endpoint that receives secrets: https, or http on this machine (RFC 6749 3.2)."""
    url = to_text(value)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise bad(f"{shown(url)} is not a URL", hint="give one such as https://login.example.org/token") from None
    if parts.username is not None or parts.fragment:
        raise bad(
            "the URL must not contain a login or a fragment", hint="give clientId and clientSecret in their own fields"
        )
    is_whole = _names_host(parts.netloc.lower(), host) and port != 0 and len(url) <= _MAX_URL
    if not is_whole or parts.scheme not in {"http", "https"} or not url.isascii() or " " in url:
        raise bad(
            f"{shown(url)} is not a valid URL of an endpoint", hint="give one such as https://login.example.org/token"
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise bad(
            f"{shown(url)} would receive secrets in clear text", hint="use https; http is allowed for this machine only"
        )
    return url


def _names_host(netloc: str, host: str) -> bool:
    """Whether `netloc` is a valid host with at most a port; a host that ends in a number must be an IP address."""
    if netloc.partition("]")[0] == f"[{host}":
        return "%" not in host and is_address(host) and netloc[len(host) + 2 :][:1] in {"", ":"}
    is_name = len(host) <= 253 and _HOST.fullmatch(host) and not host.rpartition(".")[2].isdigit()  # noqa: PLR2004 -- RFC 1035 2.3.4
    return netloc.partition(":")[0] == host and (is_address(host) or bool(is_name))


def to_tenant(value: Any) -> str:
    """A Microsoft Entra tenant: an id, a domain, or a name such as `common`."""
    tenant = to_text(value)
    if not _TENANT.fullmatch(tenant):
        raise bad(f"{shown(tenant)} is not a tenant", hint="give its id (a UUID) or its domain, from Microsoft Entra")
    return tenant


def to_rsa_key(value: Any) -> str:
    """A private RSA key as PEM text; line ends may be written as JSON writes them."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    pem = to_secret(value)
    pem = pem if "\n" in pem else pem.replace("\\n", "\n")
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise bad(
            "the private key is invalid, encrypted, or cut short",
            hint='give the text from "-----BEGIN PRIVATE KEY-----" to the END line',
        ) from None
    if not isinstance(key, RSAPrivateKey):
        raise bad("the private key is not an RSA key", hint="give the key of the service account")
    return pem


def shown(value: Any) -> str:
    """Show a value in a message: shortened, and of a list or an object only the type."""
    if not isinstance(value, str):
        return f"a {type(value).__name__}" if value is not None else "null"
    return quoted(value)


def bad(message: str, key: str = "", hint: str = "", code: ErrorCode | None = None) -> ConnectionsError:
    """Make the error of an invalid field."""
    return ConnectionsError(message, code=code, hint=hint).locate(key=key)
