"""Who asks: a program with a token, or a browser with a session; what it may, and that it is noted."""

from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import NamedTuple
from urllib.parse import quote

from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import Scope

from mailnode.access.audit import Use
from mailnode.errors import StoreError
from mailnode.store.clock import unix_ms
from mailnode.web.security.attempts import Attempts
from mailnode.web.security.refusal import Refusal
from mailnode.web.security.scopes import missing_scope
from mailnode.web.security.sessions import COOKIE, Sessions
from mailnode.web.site import Site

CSRF_HEADER = "X-CSRF-Token"
TOO_MANY = 429
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


LOGINS = frozenset({"/login", "/login/code"})
_JUDGED = frozenset({204, 303, 401})


class Caller(NamedTuple):
    """Who asks, as the audit log tells it: token (a named one), serveToken, browser or unknown."""

    kind: str
    token: str | None = None


class Callers:
    """Judges who asks, and notes each request of a program, and each of a browser that changes something."""

    def __init__(self, site: Site, sessions: Sessions, attempts: Attempts) -> None:
        """Know the tokens of a site, and its browsers."""
        self._site = site
        self._sessions = sessions
        self._attempts = attempts

    async def refusal(self, scope: Scope, headers: Mapping[str, str]) -> Response | None:
        """Refuse who may not; else note in the scope who it is."""
        path, method = scope["path"], scope["method"]
        if "authorization" in headers:
            refusal = await self._check_bearer(scope, headers["authorization"])
            return refusal.response() if refusal else None
        cookie = session_cookie(headers)
        if not (cookie and self._sessions.holds(cookie)):
            return _not_in(path, method, scope.get("query_string", b""))
        scope["caller"] = Caller("browser")
        if method not in SAFE_METHODS and not self._sessions.is_csrf(cookie, headers.get(CSRF_HEADER.lower(), "")):
            return Refusal(403, f"the header field {CSRF_HEADER} is missing or wrong", "reload the page").response()
        scope["csrf"] = self._sessions.csrf(cookie)
        return None

    def note(self, scope: Scope, status: int) -> None:
        """Note how a request was answered."""
        caller: Caller | None = scope.get("caller")
        if caller is None or (caller.kind == "browser" and scope["method"] in SAFE_METHODS):
            return
        # Whoever tries tokens without end must not fill the disk: of logins those are noted that were judged.
        if status == TOO_MANY or (scope["path"] in LOGINS and status not in _JUDGED):
            return
        client = scope["arrival"].client
        use = Use(unix_ms(), caller.kind, caller.token, scope["method"], scope["path"], status, client)
        self._site.mailnode.audit.note(use)

    async def _check_bearer(self, scope: Scope, said: str) -> Refusal | None:
        scheme, _, token = said.partition(" ")
        if scheme.lower() == "bearer":
            if self._sessions.is_token(token.strip()):
                scope["caller"] = Caller("serveToken")
                return None
            try:
                access = await self._site.mailnode.tokens.find(token.strip())
            except StoreError as error:
                return Refusal(503, f"the token can't be checked: {error.message}", error.hint)
            if access:
                scope["caller"] = Caller("token", access.name)
                lacking = missing_scope(access.scopes, scope["method"], scope["path"])
                return _lacking(access.name, lacking) if lacking else None
        if wait := self._attempts.wait_seconds:
            return Refusal(TOO_MANY, "too many wrong tokens", "wait a minute", retry_after=int(wait) + 1)
        self._attempts.note_wrong()
        scope["caller"] = Caller("unknown")
        return Refusal(
            401, "that token is wrong", "send the token that mailnode serve printed, or one that was created"
        )


def session_cookie(headers: Mapping[str, str]) -> str:
    """Give the session's cookie of a request, or ""; the names are in lower case."""
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookies[COOKIE].value if COOKIE in cookies else ""


def _lacking(name: str, scope: str) -> Refusal:
    return Refusal(403, f"the token {name} lacks the scope {scope}", f"create a token with `--scope {scope}`")


def _not_in(path: str, method: str, query: bytes) -> Response:
    if (path.startswith("/api/") and path != "/api/docs") or path == "/metrics":
        return Refusal(401, "a token is required", "send Authorization: Bearer TOKEN, or log in").response()
    if method not in SAFE_METHODS:
        return PlainTextResponse("Log in first.", 401)
    here = path + (f"?{query.decode('ascii', 'replace')}" if query else "")
    return RedirectResponse(f"/login?next={quote(here, safe='/')}", 303)
