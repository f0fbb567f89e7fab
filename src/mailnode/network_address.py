"""Addresses of machines: how one writes them, and which of them belong to one guest of a network."""

from ipaddress import IPv6Address, ip_address, ip_network

_IPV6_GUEST_BITS = 64  # one customer of a provider has as many addresses as it likes


def host_and_port(host: str, port: int) -> str:
    """Give them as one writes them: `mail.example.org:587`, `[2001:db8::1]:587`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_address(host: str) -> bool:
    """Whether it is an IP address, and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    return host == "localhost" or (is_address(host) and ip_address(host).is_loopback)


def plain_address(address: str) -> str:
    """Give an address without its zone, and as IPv4 where it is one; what is no address stays as it is."""
    bare = address.partition("%")[0]
    if not is_address(bare):
        return address
    ip = ip_address(bare)
    return str(getattr(ip, "ipv4_mapped", None) or ip)


def guest_of(address: str) -> str:
    """Give what clients are counted by: the network of an IPv6 address, any other address itself."""
    if not is_address(address) or not isinstance(ip := ip_address(address), IPv6Address):
        return address
    return str(ip_network((ip, _IPV6_GUEST_BITS), strict=False))
