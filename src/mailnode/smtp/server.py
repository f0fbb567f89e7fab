"""The settings of a server: how to reach it, the login, and how long to wait."""

import re
from dataclasses import dataclass, field
from typing import Literal, get_args

from mailnode.errors import ErrorCode, Phase, SettingsError
from mailnode.network_address import host_and_port
from mailnode.printable import quoted
from mailnode.smtp.bearer import TokenLogin
from mailnode.smtp.proxy import Proxy
from mailnode.smtp.sasl import Login

TlsOption = Literal["tls", "starttls", "none"]

_PORTS: dict[TlsOption, int] = {"tls": 465, "starttls": 587, "none": 25}
_STARTTLS_PORTS = frozenset({25, 587, 2525})
_HIGHEST_PORT = 65535
# A name or an address; one colon alone would be a port, which has a setting of its own.
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(?:%[A-Za-z0-9._-]+)?")
_EHLO_NAME = re.compile(r"[A-Za-z0-9._-]{1,255}|\[[A-Za-z0-9.:-]{1,80}\]")


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """How many seconds to wait for each phase: the times of RFC 5321 4.5.3.2.

    Shorter ones make duplicates: a client that leaves before the reply to the final dot sends a mail again that was
    accepted (RFC 1047). `silence` is how long a server may delay its greeting before a second connection finds out,
    within `probe` seconds, whether the port expects TLS: servers that delay it block clients that talk first.
    """

    connect: float = 30.0
    tls: float = 30.0
    silence: float = 30.0
    probe: float = 8.0
    greeting: float = 300.0
    ehlo: float = 300.0
    auth: float = 300.0
    mail: float = 300.0
    rcpt: float = 300.0
    data: float = 120.0
    block: float = 180.0
    content: float = 600.0
    quit: float = 5.0

    def of(self, phase: Phase) -> float:
        """Give the seconds for a reply in this phase."""
        seconds: float = getattr(self, phase)
        return seconds


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """A server, and how to connect and log in; values that can't be used raise SettingsError.

    `ca` is PEM text and replaces the system's certificates. `ehlo_name` None means: the name of this machine.
    """

    host: str
    port: int
    tls_option: TlsOption
    ca: str | None = None
    ehlo_name: str | None = None
    login: Login | TokenLogin | None = None
    allow_plaintext_auth: bool = False
    proxy: Proxy | None = None
    deadlines: Deadlines = field(default_factory=Deadlines)

    def __post_init__(self) -> None:
        """Refuse an invalid host, port or EHLO name."""
        if not _HOST.fullmatch(self.host):
            raise _bad("host", self.host, "give a host name or an IP address, without scheme, port or spaces")
        if type(self.port) is not int or not 0 < self.port <= _HIGHEST_PORT:
            raise _bad("port", self.port, "give a whole number from 1 to 65535")
        if self.ehlo_name is not None:
            check_ehlo_name(self.ehlo_name)

    @property
    def address(self) -> str:
        """Host and port: `mail.example.org:587`, `[2001:db8::1]:587`."""
        return host_and_port(self.host, self.port)


def check_ehlo_name(name: str) -> str:
    """Give the name back if it can be an EHLO name (RFC 5321 4.1.3), else raise SettingsError."""
    if not _EHLO_NAME.fullmatch(name):
        raise _bad("ehloName", name, "give a host name, or an address in square brackets")
    return name


def tls_and_port(tls_option: TlsOption | None, port: int | None) -> tuple[TlsOption, int]:
    """Fill in the TLS mode by the port (465 tls; 25, 587, 2525 starttls; else tls), or the port by the mode."""
    if tls_option is None:
        tls_option = "starttls" if port in _STARTTLS_PORTS else "tls"
    if tls_option not in get_args(TlsOption):
        raise _bad("tlsOption", tls_option, "use tls, starttls or none")
    return tls_option, _PORTS[tls_option] if port is None else port


def ascii_host(host: str) -> str:
    """Give a host name in the form of DNS and certificates: A-labels (UTS-46), an IPv6 address without brackets."""
    host = host.strip().removeprefix("[").removesuffix("]")
    if host.isascii():
        return host
    import idna

    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise _bad("host", host, "give a host name or an IP address") from None


def _bad(key: str, value: object, hint: str) -> SettingsError:
    return SettingsError(f"{quoted(value)} is not a valid value", code=ErrorCode.BAD_SETTING, hint=hint).locate(key=key)
