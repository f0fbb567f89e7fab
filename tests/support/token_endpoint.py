"""An OAuth2 token endpoint that keeps its word: it rotates, refuses, revokes, fails and tarries as a test says."""

import asyncio
import base64
import hashlib
import json
import secrets
import ssl
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

from support.http_server import Answer, Exchange, HttpServer, Request, reply, serving

USER = "jane@mail.example"
CLIENT_ID, CLIENT_SECRET = "mailnode-app", "app-secret-canary"

Form = dict[str, str]


@dataclass
class Grant:
    """A consent: whose it is, and whether it stands."""

    user: str
    is_revoked: bool = False


@dataclass
class TokenEndpoint:
    """What it has given and what it was asked; every attribute may be changed while it serves.

    `rotate` gives a new refresh token with each access token and takes the old one no more; with `revoke_on_reuse`
    whoever shows an old one ends the whole consent. `expires_in` None says nothing of an end. `requests` are the forms
    that came, in their order. A `hold` keeps answers back, when all is done, until `release`.
    """

    http: HttpServer
    user: str = USER
    rotate: bool = False
    revoke_on_reuse: bool = True
    expires_in: int | str | None = 3600
    answer_extras: dict[str, Any] = field(default_factory=dict)
    requests: list[Form] = field(default_factory=list)
    access_tokens: dict[str, Grant] = field(default_factory=dict)
    refresh_tokens: dict[str, Grant] = field(default_factory=dict)
    used_refresh_tokens: dict[str, Grant] = field(default_factory=dict)
    codes: dict[str, tuple[Grant, Form]] = field(default_factory=dict)
    failures: deque[tuple[Answer, bool]] = field(default_factory=deque)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    _gate: asyncio.Event | None = None

    @property
    def url(self) -> str:
        return self.http.url("/token")

    @property
    def introspection_url(self) -> str:
        return self.http.url("/introspect")

    @property
    def authorize_url(self) -> str:
        return self.http.url("/authorize")

    @property
    def grants(self) -> list[str]:
        """The grant types that were asked for."""
        return [form.get("grant_type", "") for form in self.requests]

    def consent(self, user: str | None = None) -> str:
        """Give a refresh token, as somebody's consent would."""
        return self._refresh_token(Grant(user or self.user))

    def access_token(self, user: str | None = None) -> str:
        """Give an access token that is good."""
        return self._access_token(Grant(user or self.user))

    def accepts(self, access_token: str) -> str | None:
        """Whose token it is, if it is good."""
        grant = self.access_tokens.get(access_token)
        return None if grant is None or grant.is_revoked else grant.user

    def revoke(self, access_token: str) -> None:
        """Make an access token worthless."""
        self.access_tokens.pop(access_token, None)

    def fail_next(self, answer: Answer, *, acts: bool = False, times: int = 1) -> None:
        """Answer the next requests so; `acts` does first what was asked."""
        self.failures.extend([(answer, acts)] * times)

    def hold(self) -> None:
        """Keep answers back from now on."""
        self._gate = asyncio.Event()

    def release(self) -> None:
        """Let them go."""
        if self._gate:
            self._gate.set()
        self._gate = None

    async def serve_token(self, exchange: Exchange) -> None:
        form = dict(parse_qsl(exchange.request.body.decode()))
        self.requests.append(form)
        self.asked.set()
        failure, acts = self.failures.popleft() if self.failures else (None, True)
        answer = self._answer(form) if acts else None
        if self._gate:
            await self._gate.wait()
        await (failure or answer or refusal("invalid_request"))(exchange)

    async def serve_introspection(self, exchange: Exchange) -> None:
        """RFC 7662: what a mail server asks about a token."""
        token = _token_of(exchange.request)
        user = self.accepts(token)
        said = {"active": True, "username": user, "user": user, "scope": "mail"} if user else {"active": False}
        await _json(said)(exchange)

    async def serve_authorize(self, exchange: Exchange) -> None:
        """Somebody consents at once."""
        asked = dict(parse_qsl(exchange.request.target.partition("?")[2]))
        code = secrets.token_urlsafe(12)
        self.codes[code] = (Grant(self.user), asked)
        back = f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked.get('state', '')})}"
        await reply(b"", status=302, location=back)(exchange)

    def _answer(self, form: Form) -> Answer:
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" and (
            form.get("client_id") != CLIENT_ID or form.get("client_secret", CLIENT_SECRET) != CLIENT_SECRET
        ):
            return refusal("invalid_client", "no such application, or not its secret", status=401)
        match form.get("grant_type"):
            case "refresh_token":
                return self._refreshed(form.get("refresh_token", ""))
            case "client_credentials" | "urn:ietf:params:oauth:grant-type:jwt-bearer":
                return self._granted(Grant(self.user))
            case "authorization_code":
                return self._exchanged(form)
            case _:
                return refusal("unsupported_grant_type")

    def _refreshed(self, token: str) -> Answer:
        grant = self.refresh_tokens.get(token)
        if grant is None or grant.is_revoked:
            if token in self.used_refresh_tokens and self.revoke_on_reuse:
                self.used_refresh_tokens[token].is_revoked = True
            return refusal("invalid_grant", "the refresh token is not good any more")
        if not self.rotate:
            return self._granted(grant)
        self.used_refresh_tokens[token] = self.refresh_tokens.pop(token)
        return self._granted(grant, refresh_token=self._refresh_token(grant))

    def _exchanged(self, form: Form) -> Answer:
        grant, asked = self.codes.pop(form.get("code", ""), (None, {}))
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        proof = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if grant is None or asked["redirect_uri"] != form.get("redirect_uri"):
            return refusal("invalid_grant", "no such code")
        if asked.get("code_challenge_method") != "S256" or proof != asked.get("code_challenge"):
            return refusal("invalid_grant", "the verifier does not fit")
        return self._granted(grant, refresh_token=self._refresh_token(grant))

    def _granted(self, grant: Grant, **more: str) -> Answer:
        lasts = {} if self.expires_in is None else {"expires_in": self.expires_in}
        token = {"access_token": self._access_token(grant), "token_type": "Bearer"}
        return _json({**token, **lasts, **more, **self.answer_extras})

    def _access_token(self, grant: Grant) -> str:
        token = f"at-{secrets.token_urlsafe(12)}"
        self.access_tokens[token] = grant
        return token

    def _refresh_token(self, grant: Grant) -> str:
        token = f"rt-{secrets.token_urlsafe(12)}"
        self.refresh_tokens[token] = grant
        return token


@asynccontextmanager
async def token_endpoint(tls: ssl.SSLContext | None = None, **settings: Any) -> AsyncIterator[TokenEndpoint]:
    """Run one on 127.0.0.1; with `tls` it speaks https."""
    async with serving(tls) as http:
        endpoint = TokenEndpoint(http, **settings)
        http.on("/token", endpoint.serve_token)
        http.on("/introspect", endpoint.serve_introspection)
        http.on("/authorize", endpoint.serve_authorize)
        try:
            yield endpoint
        finally:
            endpoint.release()


@contextmanager
def token_endpoint_aside(tls: ssl.SSLContext | None = None, **settings: Any) -> Iterator[TokenEndpoint]:
    """Run one in a thread of its own, for tests that wait for other processes."""
    started: deque[TokenEndpoint] = deque()
    ready, over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with token_endpoint(tls, **settings) as endpoint:
            started.append(endpoint)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(60)
        yield started[0]
    finally:
        over.set()
        thread.join()


def refusal(error: str, description: str = "", *, status: int = 400) -> Answer:
    """Refuse in the way of RFC 6749 5.2."""
    return _json({"error": error, **({"error_description": description} if description else {})}, status=status)


def _json(value: dict[str, Any], *, status: int = 200) -> Answer:
    return reply(json.dumps(value).encode(), status=status, content_type="application/json")


def _token_of(request: Request) -> str:
    return dict(parse_qsl(request.body.decode())).get("token", "")


def in_ms(seconds: float) -> int:
    """A time from now on, as a connection's `expiryDate` has it."""
    return int((time.time() + seconds) * 1000)
