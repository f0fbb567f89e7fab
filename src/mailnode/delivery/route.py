"""The way to a server: where settings and a connection together say that a mail goes, and as whom."""

from collections import defaultdict
from dataclasses import dataclass

from mailnode.connections.connection import Connection
from mailnode.connections.service import Service
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.manners import Manners
from mailnode.smtp.proxy import Proxy
from mailnode.smtp.server import ServerSettings, TlsOption, ascii_host, tls_and_port


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherServer:
    """A server that is given by hand: "Other SMTP Service"."""

    host: str
    port: int | None = None
    tls_option: TlsOption | None = None
    ca: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A server and the name of the connection whose login is used there; "" for none."""

    server: ServerSettings
    connection: str = ""
    warnings: tuple[str, ...] = ()


def route(
    target: Service | OtherServer,
    connection: Connection | None,
    *,
    ehlo_name: str | None = None,
    proxy: Proxy | None = None,
) -> Route:
    """Join a target and a connection (design 4.4, "TLS mode"); `proxy` is for connections that name none.

    Raises:
        ConnectionsError: the connection is not for this host, or the service lacks the connection's TLS mode.
        SettingsError: host, port or EHLO name can't be one.
    """
    if connection:
        connection.check_host(target.host)
    wish = connection.tls_option if connection else None
    if isinstance(target, Service):
        ca = None
        warnings = (target.dead,) if target.dead else ()
        tls_option, port = target.port_for(wish)
    else:
        ca = target.ca
        warnings = ()
        tls_option, port = tls_and_port(target.tls_option or wish, target.port)
    server = ServerSettings(
        host=ascii_host(target.host),
        port=port,
        tls_option=tls_option,
        ca=ca,
        ehlo_name=ehlo_name,
        login=connection.login if connection else None,
        allow_plaintext_auth=connection.allow_plaintext_auth if connection else False,
        proxy=(connection.proxy if connection else None) or proxy,
    )
    return Route(server, connection.name if connection else "", warnings)


class Clients:
    """One SMTP client for each route, so that sessions are used again.

    A route holds the login itself: an edited connection is another route, whose sessions log in anew. What a host has
    taught one of them all of them know.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self._clients: dict[Route, SmtpClient] = {}
        self._manners: defaultdict[str, Manners] = defaultdict(Manners)

    def of(self, route: Route) -> SmtpClient:
        """Give the client of a route, making it at the first call."""
        client = self._clients.get(route)
        if client is None:
            client = self._clients[route] = SmtpClient.to(route.server, manners=self._manners[route.server.address])
        return client

    async def close(self) -> None:
        """Take leave of every server."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()
