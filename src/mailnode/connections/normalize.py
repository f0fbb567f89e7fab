"""When two hosts or two recipients are the same."""

import ipaddress

from mailnode.errors import SettingsError
from mailnode.smtp.server import ascii_host


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


def recipient_key(text: str) -> tuple[str, str]:
    """Give local part and domain in the form that is compared; a domain alone has no local part."""
    local_part, _, domain = text.rpartition("@")
    return local_part.casefold(), host_key(domain)
