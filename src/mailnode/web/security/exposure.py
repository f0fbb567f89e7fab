"""How the server is reached: where it listens, by which URL, through which proxies, and whether that is safe."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from mailnode.errors import UsageError
from mailnode.network_address import is_address
from mailnode.printable import quoted
from mailnode.submission.certificate import ServerCertificate

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_BASE_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
_SITE = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#@:\[]+|\[[^/?#@\]]*\])(?P<port>:[1-9][0-9]{0,4})?(?P<path>(?:/[^?#]*)?)",
    re.IGNORECASE,
)
_AUTHORITY = re.compile(r"(?P<name>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


class Certificate(NamedTuple):
    """The files of a certificate with its chain and of its key, what they hold now, and the names that it is for."""

    chain: Path
    key: Path
    current: ServerCertificate
    names: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """Where the server listens and how others know it.

    `origin` is that of the public URL (`https://example.org`), or ""; `base_path` is "" or begins with a slash.
    """

    host: str = "127.0.0.1"
    origin: str = ""
    base_path: str = ""
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    certificate: Certificate | None = None
    allows_plaintext: bool = False

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return ip_address(self.host).is_loopback

    @property
    def name(self) -> str:
        """The host name of the public URL, in lower case; "" without one."""
        return urlsplit(self.origin).hostname or ""

    @property
    def wants_proxy(self) -> bool:
        """Whether what others than proxies send would cross a network in plain text, which nobody has allowed."""
        return not (self.is_loopback or self.certificate or self.allows_plaintext)

    def url(self, port: int) -> str:
        """Give the address to open, where the server listens on `port`."""
        if self.origin:
            return f"{self.origin}{self.base_path}"
        shown = ip_address(self.host)
        host = "127.0.0.1" if shown.is_unspecified else f"[{shown}]" if shown.version == 6 else str(shown)  # noqa: PLR2004
        return f"{'https' if self.certificate else 'http'}://{host}:{port}{self.base_path}"

    def trusts(self, address: str) -> bool:
        """Whether a connection from this address is one of a trusted proxy."""
        try:
            return any(ip_address(address) in network for network in self.proxies)
        except ValueError:
            return False

    def answers_to(self, name: str, *, from_here: bool) -> bool:
        """Whether a host name, in lower case and without its port, is one of this server's.

        A page of another site whose name was made to point at this machine (DNS rebinding) has none of them: it can't
        have the public one, nor one of the certificate, and an address is no name at all.
        """
        if name in LOOPBACK_NAMES and (from_here or self.is_loopback):
            return True
        if self.name:
            return name == self.name
        return not self.is_loopback and (is_address(name) or (self.certificate is not None and self._certifies(name)))

    def _certifies(self, name: str) -> bool:
        assert self.certificate
        return not self.certificate.names.isdisjoint({name, f"*.{name.partition('.')[2]}"})


ON_THIS_MACHINE = Exposure()


def host_name(authority: str) -> str:
    """Give the name in a Host field in lower case, without brackets; "" where it is none."""
    found = _AUTHORITY.fullmatch(authority)
    return found["name"].strip("[]").lower() if found else ""


def exposure_of(
    *,
    host: str = "127.0.0.1",
    public_url: str = "",
    base_path: str = "",
    trusted_proxies: Sequence[str] = (),
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
    allow_plaintext: bool = False,
) -> Exposure:
    """Check what the options say together.

    Raises:
        UsageError: one is invalid, or a password could cross a network in plain text.
    """
    origin, path = _public(public_url)
    made = Exposure(
        host=_host(host),
        origin=origin,
        base_path=_base_path(base_path, path),
        proxies=tuple(_network(text) for text in trusted_proxies),
        certificate=_certificate(tls_cert, tls_key),
        allows_plaintext=allow_plaintext,
    )
    if made.proxies and not origin:
        raise UsageError(
            "--trusted-proxy says who may speak for others, but not by which URL they come",
            hint="add --public-url with the address that people open, such as https://example.org/mail",
        )
    if not allow_plaintext:
        _check_private(made)
    return made


def _check_private(made: Exposure) -> None:
    is_private = made.origin.startswith("https:")
    if not made.is_loopback and not made.certificate and not (made.proxies and is_private):
        raise UsageError(
            f"--host {made.host} lets other machines connect, and tokens would cross the network in plain text",
            hint="give --tls-cert and --tls-key, or --trusted-proxy with a --public-url that begins with https://, or"
            " --allow-plaintext if nobody else is on that network",
        )
    if made.origin and not is_private and made.name not in LOOPBACK_NAMES:
        raise UsageError(
            f"--public-url {made.origin} has tokens and mail cross the network in plain text",
            hint="give a URL that begins with https://, or --allow-plaintext if nobody else is on that network",
        )


def _host(text: str) -> str:
    if text.lower() == "localhost":
        return "127.0.0.1"
    try:
        return str(ip_address(text.strip("[]")))
    except ValueError:
        raise UsageError(
            f"--host {quoted(text)} is not an IP address",
            hint="give an address of this machine, or 0.0.0.0 for all of them; the name goes into --public-url",
        ) from None


def _public(text: str) -> tuple[str, str]:
    if not text:
        return "", ""
    found = _SITE.fullmatch(text)
    name = host_name(found["authority"]) if found else ""
    if not found or not name:
        raise UsageError(
            f"--public-url {quoted(text)} is not the address of a site",
            hint="give scheme, name and path, such as https://example.org/mail",
        )
    scheme = found["scheme"].lower()
    port = "" if found["port"] == {"http": ":80", "https": ":443"}[scheme] else found["port"] or ""
    return f"{scheme}://{f'[{name}]' if ':' in name else name}{port}", found["path"].rstrip("/")


def _base_path(given: str, of_url: str) -> str:
    path = given.rstrip("/")
    if path and of_url and path != of_url:
        raise UsageError(
            f"--base-path is {quoted(path)}, and the path of --public-url {quoted(of_url)}",
            hint="leave --base-path out: the path of the public URL is taken",
        )
    path = path or of_url
    if not _BASE_PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise UsageError(
            f"{quoted(path)} is not a path that the editor can be below",
            hint="begin with a slash, and use letters, digits, dots, hyphens and underscores, such as /mail",
        )
    return path


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError:
        raise UsageError(
            f"--trusted-proxy {quoted(text)} is neither an IP address nor a network",
            hint="give the address from which the proxy connects, such as 127.0.0.1, or a network such as 10.0.0.0/8",
        ) from None


def _certificate(chain: Path | None, key: Path | None) -> Certificate | None:
    if chain is None and key is None:
        return None
    if chain is None or key is None:
        there, missing = ("--tls-key", "--tls-cert") if chain is None else ("--tls-cert", "--tls-key")
        raise UsageError(f"{there} is given without {missing}", hint="give both: the certificate and its private key")
    return Certificate(chain, key, ServerCertificate(chain, key), _names(chain))


def _names(chain: Path) -> frozenset[str]:
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate(chain.read_bytes())
    try:
        there = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(name.lower() for name in there.get_values_for_type(x509.DNSName))
