"""Known email services with their hosts and ports, from the table in services.toml."""

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, get_args

from mailnode.errors import ConnectionsError, ErrorCode
from mailnode.printable import MOST_SHOWN, quoted
from mailnode.smtp.server import TlsOption

# The redirect URI for providers that accept any port of it (RFC 8252 7.3).
LOOPBACK = "http://127.0.0.1:{port}/"

_IGNORED = str.maketrans("", "", " -_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An OAuth2 provider: its URLs, and the scopes that allow sending by SMTP; "" where it has none.

    A URL may contain `{tenant}`. `consent` has additional parameters of its authorization request, and `redirect_uri`,
    with `{port}`, is where the answer comes to on this machine.
    """

    access_url: str
    authorize_url: str
    device_url: str = ""
    redirect_uri: str = LOOPBACK
    scope: str
    client_credentials_scope: str = ""
    service_account_scope: str = ""
    consent: Mapping[str, str] = field(hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An email service.

    `ports` has the port of each TLS mode that the service offers. `note` says what an account needs before it can send;
    `dead` is "" or a warning that the service is hardly usable any more. It is hashable.
    """

    name: str
    host: str
    ports: Mapping[TlsOption, int] = field(hash=False)
    aliases: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    note: str = ""
    dead: str = ""
    provider: Provider | None = None

    def port_for(self, tls_option: TlsOption | None = None) -> tuple[TlsOption, int]:
        """Give a TLS mode and its port; by default the best mode of the service.

        Raises:
            ConnectionsError: the service does not offer this mode; `key` is `tlsOption`.
        """
        modes: tuple[TlsOption, ...] = tuple(mode for mode in get_args(TlsOption) if mode in self.ports)
        if tls_option is None:
            tls_option = modes[0]
        if tls_option not in modes:
            has = " and ".join(f"{mode} (port {self.ports[mode]})" for mode in modes)
            raise ConnectionsError(
                f"{self.name} does not offer tlsOption {quoted(tls_option)}, only {has}",
                hint=f"set tlsOption to {' or '.join(modes)}, or leave it out",
            ).locate(key="tlsOption")
        return tls_option, self.ports[tls_option]


def find_service(name: str) -> Service:
    """Find a service by its name, an alias, a domain of its mailboxes, or an address there, regardless of case.

    Raises:
        ConnectionsError: there is none; the hint names similar ones.
    """
    index = _index()
    key = _key(name.rpartition("@")[2])
    if key in index:
        return index[key]
    near = {index[match].name: None for match in difflib.get_close_matches(key[:MOST_SHOWN], index, n=5, cutoff=0.7)}
    raise ConnectionsError(
        f"there is no email service {quoted(name)}",
        code=ErrorCode.UNKNOWN_SERVICE,
        hint=f"did you mean {' or '.join(list(near)[:3])}?" if near else "for any other server, give its host",
    )


def service_at(hosts: Iterable[str]) -> Service | None:
    """Find the service that one of these hosts belongs to, if any."""
    by_host = {service.host: service for service in services()}
    return next((by_host[host] for host in hosts if host in by_host), None)


@cache
def providers() -> Mapping[str, Provider]:
    """Give the OAuth2 providers, by their names in services.toml."""
    return {
        name: Provider(
            access_url=entry["accessUrl"],
            authorize_url=entry["authorizeUrl"],
            device_url=entry.get("deviceUrl", ""),
            redirect_uri=entry.get("redirectUri", LOOPBACK),
            scope=entry["scope"],
            client_credentials_scope=entry.get("clientCredentialsScope", ""),
            service_account_scope=entry.get("serviceAccountScope", ""),
            consent=entry.get("consent", {}),
        )
        for name, entry in _table()["oauth2"].items()
    }


@cache
def services() -> tuple[Service, ...]:
    """Give all services, by name."""
    return tuple(
        Service(
            name=entry["name"],
            host=entry["host"],
            ports=entry["ports"],
            aliases=tuple(entry.get("aliases", ())),
            domains=tuple(entry.get("domains", ())),
            note=entry.get("note", ""),
            dead=entry.get("dead", ""),
            provider=providers()[entry["oauth2"]] if "oauth2" in entry else None,
        )
        for entry in _table()["service"]
    )


@cache
def _table() -> dict[str, Any]:
    with Path(__file__).with_name("services.toml").open("rb") as file:
        return tomllib.load(file)


@cache
def _index() -> dict[str, Service]:
    return {
        _key(word): service for service in services() for word in (service.name, *service.aliases, *service.domains)
    }


def _key(word: str) -> str:
    return word.casefold().translate(_IGNORED)
