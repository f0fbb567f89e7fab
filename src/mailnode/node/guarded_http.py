"""HTTP requests to judged addresses, for URLs that a stranger may have chosen.

The name is resolved once, every address is judged, and the connection goes to a judged address with the name in Host
and SNI, so a name that changes its address between the look-ups gains nothing.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from mailnode.node.address_guard import Address
from mailnode.printable import MOST_SHOWN_LONG, quoted

if TYPE_CHECKING:
    import httpx2

# A dead address among several must leave time for the next one.
CONNECT_SECONDS = 10

Resolve = Callable[[str, int], Awaitable[list[Address]]]


async def resolve_host(host: str, port: int) -> list[Address]:
    """Find the addresses of a host in the system's way."""
    # The system's resolver also reads hosts such as 2130706433 and 0x7f.1, so what it gives is what is judged.
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ipaddress.ip_address(address[0]) for _, _, _, _, address in found]


async def request_at(
    addresses: Sequence[Address],
    transport: "httpx2.AsyncHTTPTransport",
    method: str,
    url: "httpx2.URL",
    headers: Mapping[str, str],
    content: bytes = b"",
) -> "httpx2.Response":
    """Ask at the first of a URL's addresses (there is one) that a connection can be made to.

    Raises:
        httpx2.HTTPError: no connection can be made, or it breaks.
    """
    import httpx2

    named = {"Host": url.netloc.decode("ascii"), "User-Agent": "mailnode", **headers}
    extensions = {"sni_hostname": host_of(url), "timeout": {"connect": CONNECT_SECONDS}}
    *others, last = [url.copy_with(host=str(address)) for address in addresses]
    for there in others:
        try:
            request = httpx2.Request(method, there, headers=named, content=content, extensions=extensions)
            return await transport.handle_async_request(request)
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            continue
    request = httpx2.Request(method, last, headers=named, content=content, extensions=extensions)
    return await transport.handle_async_request(request)


def host_of(url: "httpx2.URL") -> str:
    """Give the host of a URL as it is resolved, and named to TLS."""
    return url.raw_host.decode("ascii").rstrip(".")


def port_of(url: "httpx2.URL") -> int:
    """Give the port of a URL, also where it is not written."""
    return url.port or (443 if url.scheme == "https" else 80)


def status_words(status: int) -> str:
    """Give a status with its phrase, where it is a known one: `404 Not Found`."""
    from http import HTTPStatus

    return f"{status} {HTTPStatus(status).phrase}" if status in set(HTTPStatus) else str(status)


def shown_text(text: str) -> str:
    """Show what may be no URL at all: nothing before an @, nothing from a query on."""
    bare = text.strip().partition("?")[0].partition("#")[0]
    return quoted(bare.rpartition("@")[2], MOST_SHOWN_LONG)
