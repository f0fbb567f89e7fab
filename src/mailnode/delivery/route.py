"""Routes: the server that settings and a connection together name, and the login that is used there."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Self

from mailnode.connections.connection import Connection
from mailnode.connections.rate_limit import RateLimit
from mailnode.connections.service import Service, find_service
from mailnode.delivery.policy import Policy
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.host_profile import HostProfile
from mailnode.smtp.proxy import Proxy
from mailnode.smtp.server import ServerSettings, TlsOption, ascii_host, tls_and_port

_MOST_ROUTES = 256

if TYPE_CHECKING:  # a mail without a connection needs no database
    from mailnode.connections.repository import ConnectionRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherServer:
    """A server given by host and port: "Other SMTP Service"."""

    host: str
    port: int | None = None
    tls_option: TlsOption | None = None
    ca: str | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where settings send an email; with its connection, as it is at the time, it makes a route."""

    target: Service | OtherServer
    connection: str = ""
    ehlo_name: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Give it as it is stored with a delivery."""
        if isinstance(self.target, Service):
            place: dict[str, Any] = {"service": self.target.name}
        else:
            place = {"server": asdict(self.target)}
        return {**place, "connection": self.connection, "ehloName": self.ehlo_name}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave."""
        target = find_service(stored["service"]) if "service" in stored else OtherServer(**stored["server"])
        return cls(target, stored["connection"], stored["ehloName"])


@dataclass(frozen=True, slots=True)
class Route:
    """A server, and the connection whose login is used there: its name ("" for none), its revision, its rate limit.

    `policy` decides to whom email may go by it.
    """

    server: ServerSettings
    connection: str = ""
    revision: int | None = field(default=None, compare=False)
    rate_limit: RateLimit | None = field(default=None, compare=False)
    policy: Policy = field(default_factory=Policy, compare=False)
    warnings: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What deliveries of one login at one server have in common."""
        return f"{self.connection}@{self.server.host}:{self.server.port}"


def route(
    target: Service | OtherServer,
    connection: Connection | None,
    *,
    ehlo_name: str | None = None,
    proxy: Proxy | None = None,
    redirect_all_to: str | None = None,
) -> Route:
    """Join a target and a connection (docs/connections.md); `proxy` is for connections that name none.

    `redirect_all_to` is the mailbox that gets all mail of this process.

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
    policy = Policy(connection, redirect_all_to)
    if connection is None:
        return Route(server, policy=policy, warnings=warnings)
    return Route(server, connection.name, connection.revision, connection.rate_limit, policy, warnings)


class Router:
    """Finds the routes of destinations for this process: with which login, proxy and EHLO name."""

    def __init__(
        self,
        repository: "ConnectionRepository",
        *,
        ehlo_name: str | None = None,
        proxy: Proxy | None = None,
        redirect_all_to: str | None = None,
    ) -> None:
        """Take logins from `repository`; name, proxy and mailbox are for destinations and connections without."""
        self._repository = repository
        self._ehlo_name = ehlo_name
        self._proxy = proxy
        self._redirect_all_to = redirect_all_to
        # Of those without a connection, which hold no login.
        self._open_route_of = lru_cache(maxsize=_MOST_ROUTES)(partial(self._route_of, connection=None))

    async def connection(self, destination: Destination) -> Connection | None:
        """Give the connection of a destination as it is now, if it has one.

        Raises:
            ConnectionsError: there is none of this name.
            StoreError: it can't be read.
        """
        return await self._repository.get(destination.connection) if destination.connection else None

    def route_of(self, destination: Destination, connection: Connection | None) -> Route:
        """Give the route to a destination with its connection; raises what `route` does."""
        return self._route_of(destination, connection) if connection else self._open_route_of(destination)

    def _route_of(self, destination: Destination, connection: Connection | None) -> Route:
        ehlo_name = destination.ehlo_name or self._ehlo_name
        redirect = self._redirect_all_to
        return route(destination.target, connection, ehlo_name=ehlo_name, proxy=self._proxy, redirect_all_to=redirect)

    async def find(self, destination: Destination) -> Route:
        """Give the route to a destination as it is now; raises what the two others do."""
        return self.route_of(destination, await self.connection(destination))


# Gives the route to a destination as it is now; raises what `Router.find` does.
FindRoute = Callable[[Destination], Awaitable[Route]]


class Clients:
    """One SMTP client for each route, so that sessions are used again.

    A route holds the login itself: an edited connection is another route, whose sessions log in again. What one of
    them has learned about a host all of them know.
    """

    def __init__(self) -> None:
        """Begin without any."""
        self._clients: dict[Route, SmtpClient] = {}
        self._host_profiles: defaultdict[str, HostProfile] = defaultdict(HostProfile)

    def of(self, route: Route) -> SmtpClient:
        """Give the client of a route, making it at the first call."""
        client = self._clients.get(route)
        if client is None:
            client = self._clients[route] = SmtpClient.from_settings(
                route.server, max_sessions=10, host_profile=self._host_profiles[route.server.address]
            )
        return client

    async def close(self) -> None:
        """Close all sessions."""
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()
