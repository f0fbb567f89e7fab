"""What every request must show before any page or API sees it, and what every answer says to the browser."""

import asyncio
import re
from collections import Counter
from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mailnode.printable import quoted
from mailnode.web.base_path import BASE_PATH
from mailnode.web.security.arrival import Arrivals, foreign_page
from mailnode.web.security.callers import LOGINS, Caller, Callers
from mailnode.web.security.exposure import Exposure
from mailnode.web.security.refusal import Refusal

MAX_BODY_OCTETS = 40 * 2**20
# A file that is stored beside a flow, or flows that bring such files: written to the disk as they come.
_UPLOADS = re.compile(r"/api/flows/(?:.+/files|import)")
MAX_UPLOAD_OCTETS = 1024 * 2**20
# Of who has shown nothing yet: room for a token and a place to go on to.
_MAX_STRANGERS_OCTETS = 64 * 2**10
# How long a body may take in all.
BODY_SECONDS = 60.0
UPLOAD_SECONDS = 1800.0

# Of these a second field would mean something else to whoever reads the last one.
_ONCE = ("Host", "Authorization", "Content-Type", "Idempotency-Key", "Origin")
# A provider's redirect comes from another site, so without the session's cookie; it is known by its `state`. Some come
# to "/", which shows nothing and only leads on.
_OPEN_PATHS = frozenset({"/", "/login", "/login/code", "/health", "/health/live", "/health/ready", "/oauth2/callback"})
# Asked by supervisors, by whatever address they know, past the proxy; the answers hold nothing that is anybody's.
_PROBES = frozenset({"/health/live", "/health/ready"})
# Fields of an answer that hold an address of ours.
_ADDRESSES = frozenset({b"location", b"hx-redirect", b"hx-push-url"})
_COOKIE_PATH = re.compile(rb"(; *path=)/", re.IGNORECASE)

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'self'"
)
_HEADERS = tuple(
    (name.lower().encode(), value.encode())
    for name, value in {
        "Content-Security-Policy": CONTENT_SECURITY_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",  # with less, forms of our own pages would name no Origin
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }.items()
)


class Guard:
    """The ASGI door: Host and Origin, who it is, no forged requests, no endless bodies, and strict headers."""

    def __init__(self, app: ASGIApp, callers: Callers, exposure: Exposure) -> None:
        """Stand before `app`, which is for `callers`, and reached as `exposure` says."""
        self._app = app
        self._callers = callers
        self._exposure = exposure
        self._arrivals = Arrivals(exposure)
        self._probes = _PROBES | {f"{exposure.base_path}{path}" for path in _PROBES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        BASE_PATH.set(self._exposure.base_path)
        refused = await self._refused(scope)
        say = self._heard(scope, send)
        if refused is not None:
            await refused(scope, receive, say)
            return
        path = scope["path"]
        seconds = UPLOAD_SECONDS if _UPLOADS.fullmatch(path) else BODY_SECONDS
        await self._app(scope, _LimitedBody(receive, _most_octets(path), seconds).receive, say)

    def _heard(self, scope: Scope, send: Send) -> Send:
        """Note how a request is answered, and say it with our header fields."""
        base_path = self._exposure.base_path.encode()
        is_private = "arrival" in scope and scope["arrival"].is_private

        async def say(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name for name, _ in message["headers"]}
                said = [*message["headers"], *(one for one in _HEADERS if one[0] not in there)]
                if base_path or is_private:
                    said = [(name, _outward(name, value, base_path, is_private)) for name, value in said]
                message["headers"] = said
                self._callers.note(scope, message["status"])
            await send(message)

        return say

    async def _refused(self, scope: Scope) -> Response | None:
        headers, method = _fields(scope), scope["method"]
        if scope["path"] in self._probes:
            scope["path"] = scope["path"].removeprefix(self._exposure.base_path)
            return None
        if refusal := self._misled(scope, headers) or _malformed(scope, headers):
            return refusal.response()
        path = scope["path"]
        if path in _OPEN_PATHS or path.startswith("/static/"):
            if method == "POST" and path in LOGINS:
                scope["caller"] = Caller("browser")
            return None
        return await self._callers.refusal(scope, headers)

    def _misled(self, scope: Scope, headers: Mapping[str, str]) -> Refusal | None:
        """Refuse what is meant for another server, or sent by its pages; else note in the scope how it came."""
        arrival = self._arrivals.of(scope, headers)
        if isinstance(arrival, Refusal):
            return arrival
        scope["arrival"] = arrival
        return _elsewhere(scope, self._exposure) or foreign_page(arrival, headers)


def _elsewhere(scope: Scope, exposure: Exposure) -> Refusal | None:
    """Take the base path off a request's path; refuse one that is not below it."""
    if base := exposure.base_path:
        path = scope["path"]
        if path != base and not path.startswith(f"{base}/"):
            hint = "have the proxy pass the path as it came, with all of it"
            return Refusal(404, f"{quoted(path)} is not below {base}, where everything is", hint)
        scope["path"] = path[len(base) :] or "/"
    return None


def _fields(scope: Scope) -> Mapping[str, str]:
    """Give the header by name, the first field of each: Starlette's Headers look through all for each question."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}


def _malformed(scope: Scope, headers: Mapping[str, str]) -> Refusal | None:
    if len(headers) < len(scope["headers"]):
        seen = Counter(name.decode("latin-1") for name, _ in scope["headers"])
        if repeated := next((name for name in _ONCE if seen[name.lower()] > 1), None):
            return Refusal(400, f"the header field {repeated} is there more than once", "send it once")
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers and "content-length" in headers:
        # RFC 9112 6.1: what follows may be the rest of this request or the next one.
        return Refusal(400, "the request gives its length in two ways", "send Content-Length only", closes=True)
    most = _most_octets(scope["path"])
    return _too_large(most) if length.isdecimal() and int(length) > most else None


def _most_octets(path: str) -> int:
    if path in _OPEN_PATHS:
        return _MAX_STRANGERS_OCTETS
    return MAX_UPLOAD_OCTETS if _UPLOADS.fullmatch(path) else MAX_BODY_OCTETS


def _too_large(most: int) -> Refusal:
    return Refusal(413, f"the request is larger than {most // 2**10:,} kB", "fetch large files from a URL")


def _outward(name: bytes, value: bytes, base_path: bytes, is_private: bool) -> bytes:
    """Give what a field of an answer says to who sees the base path, and whether cookies want TLS."""
    if name in _ADDRESSES and value.startswith(b"/"):
        return base_path + value
    if name == b"set-cookie":
        return _COOKIE_PATH.sub(rb"\1" + base_path + b"/", value, count=1) + (b"; Secure" if is_private else b"")
    return value


class _LimitedBody:
    """Counts the octets of a body while they come, and the time."""

    def __init__(self, receive: Receive, most: int, seconds: float) -> None:
        self._receive = receive
        self._most = self._left = most
        self._seconds = seconds
        self._until = asyncio.get_running_loop().time() + seconds
        self._is_whole = False

    async def receive(self) -> Message:
        # Who reads the body lets these exceptions through; they become the answer.
        try:
            async with asyncio.timeout_at(None if self._is_whole else self._until):
                message = await self._receive()
        except TimeoutError:
            words = f"the request did not arrive within {self._seconds:g} s"
            raise HTTPException(408, words, {"Connection": "close"}) from None
        self._is_whole = not message.get("more_body", False)
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            raise HTTPException(413, _too_large(self._most).message)
        return message
