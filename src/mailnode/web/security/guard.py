"""What every request must show before any page or API sees it, and what every answer says to the browser."""

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mailnode.printable import quoted
from mailnode.web.security.attempts import Attempts
from mailnode.web.security.sessions import COOKIE, Sessions
from mailnode.web.sentence import sentence

CSRF_HEADER = "X-CSRF-Token"
MAX_BODY_OCTETS = 40 * 2**20
# A file that is stored beside a flow, or flows that bring such files: written to the disk as they come.
_UPLOADS = re.compile(r"/api/flows/(?:.+/files|import)")
MAX_UPLOAD_OCTETS = 1024 * 2**20
# Of who has shown nothing yet: room for a token and a place to go on to.
_MAX_STRANGERS_OCTETS = 64 * 2**10
# How long a body may take in all.
BODY_SECONDS = 60.0
UPLOAD_SECONDS = 1800.0

# A name that a hostile site can't own: one that it points at 127.0.0.1 (DNS rebinding) is none of these.
_HERE = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
# Of these a second field would mean something else to whoever reads the last one.
_ONCE = ("Host", "Authorization", "Content-Type", "Idempotency-Key", "Origin")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# A provider's redirect comes from another site, so without the session's cookie; it is known by its `state`. Some come
# to "/", which shows nothing and only leads on.
_OPEN_PATHS = frozenset({"/", "/login", "/login/code", "/health", "/oauth2/callback"})

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


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a request goes no further."""

    status: int
    message: str
    hint: str
    retry_after: int = 0
    closes: bool = False

    def response(self) -> Response:
        said = {"message": sentence(self.message), "hint": sentence(self.hint)}
        error = {"code": "badUsage", "phase": "settings", **said, "node": "", "key": "", "line": 0}
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after else {}
        if self.closes:
            headers["Connection"] = "close"
        if self.status == 401:  # noqa: PLR2004 -- RFC 9110 15.5.2
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse({"error": error, "errors": [error]}, self.status, headers)


class Guard:
    """The ASGI door: Host and Origin, who it is, no forged requests, no endless bodies, and strict headers."""

    def __init__(self, app: ASGIApp, sessions: Sessions, attempts: Attempts) -> None:
        """Stand before `app`."""
        self._app = app
        self._sessions = sessions
        self._attempts = attempts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._refused(scope)
        say = _with_headers(send)
        if refused is not None:
            await refused(scope, receive, say)
            return
        path = scope["path"]
        seconds = UPLOAD_SECONDS if _UPLOADS.fullmatch(path) else BODY_SECONDS
        await self._app(scope, _LimitedBody(receive, _most_octets(path), seconds).receive, say)

    def _refused(self, scope: Scope) -> Response | None:
        headers, path, method = _fields(scope), scope["path"], scope["method"]
        if stranger := _stranger(headers):
            return stranger.response()
        if malformed := _malformed(scope, headers):
            return malformed.response()
        if path in _OPEN_PATHS or path.startswith("/static/"):
            return None
        if "authorization" in headers:
            refusal = self._check_bearer(headers["authorization"])
            return refusal.response() if refusal else None
        cookie = session_cookie(headers)
        if not (cookie and self._sessions.holds(cookie)):
            return _not_in(path, method, scope.get("query_string", b""))
        if method not in _SAFE_METHODS and not self._sessions.is_csrf(cookie, headers.get(CSRF_HEADER.lower(), "")):
            return _Refusal(403, f"the header field {CSRF_HEADER} is missing or wrong", "reload the page").response()
        scope["csrf"] = self._sessions.csrf(cookie)
        return None

    def _check_bearer(self, said: str) -> _Refusal | None:
        scheme, _, token = said.partition(" ")
        if scheme.lower() == "bearer" and self._sessions.is_token(token.strip()):
            return None
        if wait := self._attempts.wait_seconds:
            return _Refusal(429, "too many wrong tokens", "wait a minute", retry_after=int(wait) + 1)
        self._attempts.note_wrong()
        return _Refusal(401, "that token is wrong", "send the token that mailnode serve printed")


def _fields(scope: Scope) -> Mapping[str, str]:
    """Give the header by name, the first field of each: Starlette's Headers look through all for each question."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}


def _malformed(scope: Scope, headers: Mapping[str, str]) -> _Refusal | None:
    if len(headers) < len(scope["headers"]):
        seen = Counter(name.decode("latin-1") for name, _ in scope["headers"])
        if repeated := next((name for name in _ONCE if seen[name.lower()] > 1), None):
            return _Refusal(400, f"the header field {repeated} is there more than once", "send it once")
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers and "content-length" in headers:
        # RFC 9112 6.1: what follows may be the rest of this request or the next one.
        return _Refusal(400, "the request gives its length in two ways", "send Content-Length only", closes=True)
    most = _most_octets(scope["path"])
    return _too_large(most) if length.isdecimal() and int(length) > most else None


def session_cookie(headers: Mapping[str, str]) -> str:
    """Give the session's cookie of a request, or ""; the names are in lower case."""
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""


def _stranger(headers: Mapping[str, str]) -> _Refusal | None:
    host = headers.get("host", "")
    if not _HERE.fullmatch(host):
        return _Refusal(421, f"this server is not {quoted(host)}", "open it as http://127.0.0.1 or http://localhost")
    origin = headers.get("origin")
    if origin is not None and origin.lower() not in {f"http://{host.lower()}", f"https://{host.lower()}"}:
        return _Refusal(403, f"a page of {quoted(origin)} must not send requests here", "open the editor itself")
    # Ports are no part of a site, so that what else is served on this machine is a page of the same one.
    is_elsewhere = headers.get("sec-fetch-site") in {"cross-site", "same-site"}
    if origin is None and is_elsewhere and headers.get("sec-fetch-mode") != "navigate":
        return _Refusal(403, "a page of another site must not send requests here", "open the editor itself")
    return None


def _not_in(path: str, method: str, query: bytes) -> Response:
    if path.startswith("/api/") or path == "/metrics":
        return _Refusal(401, "a token is required", "send Authorization: Bearer TOKEN, or log in").response()
    if method not in _SAFE_METHODS:
        return PlainTextResponse("Log in first.", 401)
    here = path + (f"?{query.decode('ascii', 'replace')}" if query else "")
    return RedirectResponse(f"/login?next={quote(here, safe='/')}", 303)


def _most_octets(path: str) -> int:
    if path in _OPEN_PATHS:
        return _MAX_STRANGERS_OCTETS
    return MAX_UPLOAD_OCTETS if _UPLOADS.fullmatch(path) else MAX_BODY_OCTETS


def _too_large(most: int) -> _Refusal:
    return _Refusal(413, f"the request is larger than {most // 2**10:,} kB", "fetch large files from a URL")


def _with_headers(send: Send) -> Send:
    async def say(message: Message) -> None:
        if message["type"] == "http.response.start":
            there = {name for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(one for one in _HEADERS if one[0] not in there)]
        await send(message)

    return say


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
