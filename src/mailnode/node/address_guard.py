"""Which addresses a URL may lead to: public ones, and those that a variable of the environment allows."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Self

from mailnode.errors import UsageError
from mailnode.printable import quoted

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

VARIABLE = "MAILNODE_FETCH_ALLOW"

# What `is_global` of one Python version or another takes for public. An IPv6 address that carries an IPv4 one
# (mapped, compatible, NAT64, 6to4, Teredo) is another spelling of that one, which no public name needs.
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24",  # RFC 6890: protocol assignments
        "192.88.99.0/24",  # RFC 7526: 6to4 relays
        "168.63.129.16/32",  # Azure's own services to its virtual machines, at a public address
        "::/96",  # RFC 4291 2.5.5.1: IPv4-compatible
        "::ffff:0:0/96",  # RFC 4291 2.5.5.2: IPv4-mapped
        "64:ff9b::/96",  # RFC 6052: NAT64
        "64:ff9b:1::/48",  # RFC 8215: NAT64, local
        "2001::/23",  # RFC 2928: protocol assignments, Teredo among them
        "2002::/16",  # RFC 3056: 6to4
        "3fff::/20",  # RFC 9637: documentation
        "5f00::/16",  # RFC 9602: segment routing
        "fec0::/10",  # RFC 3879: site-local
    )
)
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class AddressGuard:
    """Judges addresses; without hosts and networks of its own it lets public ones pass only."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def from_text(cls, text: str, variable: str = VARIABLE) -> Self:
        """Read a comma-separated list of hosts, addresses and networks, as this variable holds it.

        Raises:
            UsageError: an entry is not one of these.
        """
        hosts: set[str] = set()
        networks: list[Network] = []
        for entry in filter(None, map(str.strip, text.split(","))):
            if (network := _network(entry)) is not None:
                networks.append(network)
            else:
                hosts.add(_host(entry, variable))
        return cls(frozenset(hosts), tuple(networks))

    def names(self, host: str) -> bool:
        """Say whether the list itself has this host, as a name or within one of its networks."""
        if host.lower().rstrip(".") in self.hosts:
            return True
        try:
            address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return any(address in network for network in self.networks)

    def allows(self, host: str, address: Address) -> bool:
        """Say whether a URL of this host may lead to this address."""
        if host.lower().rstrip(".") in self.hosts:
            return True
        return is_public(address) or any(address in network for network in self.networks)


def is_public(address: Address) -> bool:
    """Say whether an address belongs to the Internet, to one host there, and to no protocol's own use."""
    if not address.is_global or address.is_multicast:
        return False
    return not any(address in network for network in _NOT_PUBLIC)


def _network(entry: str) -> Network | None:
    try:
        return ipaddress.ip_network(entry.removeprefix("[").removesuffix("]"), strict=False)
    except ValueError:
        return None


def _host(entry: str, variable: str) -> str:
    import idna

    try:
        host = entry.lower() if entry.isascii() else idna.encode(entry, uts46=True).decode()
    except idna.IDNAError:
        host = ""
    if not _HOST.fullmatch(host := host.rstrip(".")):
        raise UsageError(
            f"{quoted(entry)} in {variable} is not a host, address or network",
            hint="write names, addresses and networks, separated by commas: files.internal, 10.1.2.3, 10.2.0.0/16",
        )
    return host
