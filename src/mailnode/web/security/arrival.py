"""How a request came: from whom, by which address of this server, and whether that is one of ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

from starlette.types import Scope

from mailnode.network_address import plain_address
from mailnode.printable import quoted
from mailnode.web.security.exposure import LOOPBACK_NAMES, Exposure, host_name
from mailnode.web.security.forwarded import FIELDS, Forwarded, TwoSendersError, forwarded
from mailnode.web.security.refusal import Refusal

_KEPT = 1000
_LOOPBACK_PEERS = ("127.", "::1")


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a request came: `origin` is what a browser calls this server, `client` the address of who has asked.

    `is_local` is that it came from this machine, by a name of this machine, and through no proxy.
    """

    client: str
    origin: str
    is_local: bool

    @property
    def is_private(self) -> bool:
        """Whether the browser speaks TLS, to us or to a proxy."""
        return self.origin.startswith("https:")


class Arrivals:
    """Tells how requests come to a server; what it has told of a peer and a Host is kept, since programs ask often."""

    def __init__(self, exposure: Exposure) -> None:
        """Judge by how the server is reached."""
        self._exposure = exposure
        self._direct = lru_cache(_KEPT)(partial(_judged, exposure, None))

    def of(self, scope: Scope, headers: Mapping[str, str]) -> Arrival | Refusal:
        """Tell how a request came; a Refusal where it is not meant for this server."""
        peer, host = (scope.get("client") or ("",))[0], headers.get("host", "")
        if headers.keys().isdisjoint(FIELDS):
            return self._direct(peer, host)
        said = Forwarded()
        if self._exposure.trusts(plain_address(peer)):
            try:
                said = forwarded(scope["headers"], self._exposure.trusts)
            except TwoSendersError:
                hint = "have the proxy remove the one of Forwarded and X-Forwarded-For that it does not set"
                return Refusal(400, "the request names its sender in two ways", hint)
        return _judged(self._exposure, said, peer, host)


def _judged(exposure: Exposure, said: Forwarded | None, peer: str, host: str) -> Arrival | Refusal:
    """Judge by peer and Host, and by what proxies have `said`: None where nothing claims to be of one."""
    peer = plain_address(peer)
    from_here, is_trusted = peer.startswith(_LOOPBACK_PEERS), exposure.trusts(peer)
    if exposure.wants_proxy and not from_here and not is_trusted:
        return Refusal(403, "this server is reached through its proxy only", f"open {exposure.url(0)}")
    host = (said.host if said else "") or host
    name = host_name(host)
    if said is not None and is_trusted and name in LOOPBACK_NAMES:
        name = exposure.name  # the proxy asks by the address at which it finds us
    if not name or not exposure.answers_to(name, from_here=from_here):
        return Refusal(421, f"this server is not {quoted(host)}", f"open it as {_names(exposure)}")
    is_public = name == exposure.name
    origin = exposure.origin if is_public else f"{'https' if exposure.certificate else 'http'}://{host.lower()}"
    is_local = from_here and exposure.is_loopback and said is None and name in LOOPBACK_NAMES and not is_public
    return Arrival((said.client if said else "") or peer, origin, is_local)


def foreign_page(arrival: Arrival, headers: Mapping[str, str]) -> Refusal | None:
    """Refuse what a page of another site has its reader's browser send."""
    origin = headers.get("origin")
    # A tunnel of this machine may bring TLS of its own.
    ours = {arrival.origin, arrival.origin.replace("http:", "https:", 1)} if arrival.is_local else {arrival.origin}
    if origin is not None and origin.lower() not in ours:
        return Refusal(403, f"a page of {quoted(origin)} must not send requests here", "open the editor itself")
    # Ports are no part of a site, so that what else is served on this machine is a page of the same one.
    is_elsewhere = headers.get("sec-fetch-site") in {"cross-site", "same-site"}
    if origin is None and is_elsewhere and headers.get("sec-fetch-mode") != "navigate":
        return Refusal(403, "a page of another site must not send requests here", "open the editor itself")
    return None


def _names(exposure: Exposure) -> str:
    if exposure.origin:
        return exposure.url(0)
    if exposure.is_loopback:
        return "http://127.0.0.1 or http://localhost"
    named = sorted(exposure.certificate.names) if exposure.certificate else []
    return " or ".join(f"https://{name}" for name in named) or "its IP address, or give serve --public-url"
