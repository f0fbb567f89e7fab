"""Consent: a person allows, in a browser, sending email in their name (RFC 6749 4.1, RFC 7636, RFC 8252).

Nothing is printed here: the caller's `ConsentPrompt` shows what a person must see.
"""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Protocol
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from mailnode.connections.connection import Connection
from mailnode.connections.consent.loopback import awaiting_callback, open_callback_sockets
from mailnode.connections.endpoint import TokenAnswer, TokenEndpoint
from mailnode.connections.grant import RefreshGrant
from mailnode.errors import ConnectionsError, ErrorCode, TokenError
from mailnode.printable import MOST_SHOWN_LONG, one_line, shortened
from mailnode.store.clock import utc

WAIT_SECONDS = 300.0

_MAX_PARAMETERS = 50
_AGAIN = "authorize again, and allow mailnode to send mail for this account"


class ConsentPrompt(Protocol):
    """The dialogue with the person who is asked for consent."""

    def show(self, url: str) -> None:
        """Ask the person to open this address."""

    async def pasted(self) -> str:
        """Wait for the pasted address of the page that the browser landed on; for ever where nobody can paste it."""

    def reject(self, why: str) -> None:
        """Say why the pasted text was rejected; another one may follow."""


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """One authorization request (RFC 6749 4.1.1); `state` and `verifier` (RFC 7636) are secrets of its own."""

    grant: RefreshGrant
    user: str
    redirect_uri: str
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)

    @property
    def url(self) -> str:
        """The address at which a person gives consent."""
        asked = {
            "response_type": "code",
            "client_id": self.grant.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self.grant.consent_scope,
            "state": self.state,
            "code_challenge": _base64url(hashlib.sha256(self.verifier.encode()).digest()),
            "code_challenge_method": "S256",
            "login_hint": self.user,
            **dict(self.grant.consent_extras),
        }
        begun = self.grant.authorize_url
        query = urlencode({key: text for key, text in asked.items() if text}, quote_via=quote)
        return f"{begun}{'&' if '?' in begun else '?'}{query}"

    def code_in(self, query: str) -> str | None:
        """Give the code in the query of a callback; None when it does not answer this request.

        Raises:
            TokenError: it answers this request without a code.
        """
        said = _parameters(query)
        if not compare_digest(said.get("state", "").encode(errors="replace"), self.state.encode()):
            return None
        if "error" in said:
            raise _refused(self.grant.authorize_url, said)
        if not said.get("code"):
            raise TokenError(
                f"{urlsplit(self.grant.authorize_url).netloc} answered with neither a code nor an error",
                hint="check authorizeUrl: it must be the provider's authorization URL",
            )
        return said["code"]

    def code_pasted(self, text: str) -> str:
        """Give the code in an address that a person pasted.

        Raises:
            ConnectionsError: it is another address; `message` says what to do.
            TokenError: it answers this request without a code.
        """
        query = text.strip().partition("?")[2].partition("#")[0]
        said = _parameters(query)
        if "state" not in said:
            raise ConnectionsError(
                "that is not the redirect address: paste the full address of the page you landed on; it has code= in it"
            )
        if "code_challenge" in said:
            raise ConnectionsError(
                "that is the address to open: paste the address of the page that you land on afterwards"
            )
        code = self.code_in(query)
        if code is None:
            raise ConnectionsError(
                "that address belongs to another request: open the address above, and paste the one you land on"
            )
        return code

    async def exchange(self, code: str, endpoint: TokenEndpoint) -> TokenAnswer:
        """Exchange the code for tokens (RFC 6749 4.1.3).

        Raises:
            TokenError: the endpoint issues none.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
            **self.grant.client(),
        }
        try:
            return await endpoint.ask(self.grant.access_url, form)
        except TokenError as error:
            if error.oauth_error == "invalid_grant":
                error.hint = (
                    "authorize again: a code can be used once, for a short time, and with its own redirect URI only"
                )
            raise


def consent_grant(connection: Connection) -> RefreshGrant:
    """Give the grant by which consent for a connection is requested.

    Raises:
        ConnectionsError: the connection needs no consent, or has no clientId.
    """
    if connection.type != "oauth2":
        what = "logs in with a password" if connection.type == "basic" else f"is of type {connection.type}"
        raise ConnectionsError(
            f"the connection {connection.name!r} {what} and needs no consent",
            hint="test the connection instead; consent is for the type oauth2",
        )
    if not isinstance(connection.grant, RefreshGrant):
        raise ConnectionsError(
            f"the connection {connection.name!r} has no clientId, so there is no application to ask for consent",
            code=ErrorCode.MISSING_SETTING,
            hint="register an application at the provider, and add its clientId (and clientSecret) to the connection",
        ).locate(key="clientId")
    return connection.grant


def check_authorize_url(grant: RefreshGrant) -> None:
    """Raise ConnectionsError where the authorization URL of the provider is not known."""
    if not grant.authorize_url:
        raise ConnectionsError(
            "the authorization URL of this provider is not known",
            code=ErrorCode.MISSING_SETTING,
            hint="set authorizeUrl of the connection to the provider's authorization URL",
        ).locate(key="authorizeUrl")


def state_in(query: str) -> str:
    """Give the state in the query of a callback, by which its request is known; "" where there is none."""
    return _parameters(query).get("state", "")


async def by_browser(
    grant: RefreshGrant,
    user: str,
    prompt: ConsentPrompt,
    *,
    port: int = 0,
    seconds: float = WAIT_SECONDS,
    endpoint: TokenEndpoint | None = None,
) -> TokenAnswer:
    """Ask for consent in a browser, and give the tokens.

    The answer is the browser's redirect to a port of this machine, or the address that a person pastes, whichever comes
    first.

    Raises:
        ConnectionsError: the authorization URL is not known.
        UsageError: the port is not available.
        TokenError: consent is refused or not given in time, or the endpoint issues no token.
    """
    check_authorize_url(grant)
    sockets = open_callback_sockets(grant.redirect_uri, port)
    try:
        request = CodeRequest(grant, user, sockets.redirect_uri)
        async with awaiting_callback(sockets, request.code_in) as answer, asyncio.timeout(seconds):
            prompt.show(request.url)
            code = await _first(answer, asyncio.create_task(_pasted(request, prompt)))
    except TimeoutError:
        raise TokenError(
            f"consent was not given within {seconds:g} s",
            code=ErrorCode.CONSENT_NEEDED,
            hint="authorize again",
        ) from None
    finally:
        sockets.close()
    return await request.exchange(code, endpoint or TokenEndpoint())


def short_lived(answer: TokenAnswer, grant: RefreshGrant) -> str:
    """Give a warning when tokens can't be renewed, and what helps; "" when they can."""
    if answer.refresh_token:
        return ""
    until = f" until {_utc(answer.expires_at)}" if answer.expires_at else " for an unknown time"
    said = f"the provider gave no refresh token: this consent is valid{until}, and is needed again afterwards"
    asked = {*grant.consent_scope.split(), *(text for _, text in grant.consent_extras)}
    if asked & {"offline_access", "offline"}:
        return f"{said}; check at the provider that the application may have refresh tokens"
    return f"{said}; most providers require offline_access in scope"


async def _first(*answers: "asyncio.Future[str]") -> str:
    try:
        done, _ = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        for answer in answers:
            answer.cancel()
        await asyncio.gather(*answers, return_exceptions=True)


async def _pasted(request: CodeRequest, prompt: ConsentPrompt) -> str:
    while True:
        text = await prompt.pasted()
        try:
            return request.code_pasted(text)
        except ConnectionsError as error:
            prompt.reject(error.message)


def _parameters(query: str) -> dict[str, str]:
    """Read a query; a repeated parameter counts as missing (RFC 6749 3.1)."""
    with suppress(ValueError):
        said = parse_qs(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
        return {key: texts[0] for key, texts in said.items() if len(texts) == 1}
    return {}


def _refused(url: str, said: Mapping[str, str]) -> TokenError:
    error, description = _line(said["error"]), _line(said.get("error_description", ""))
    return TokenError(
        f"{urlsplit(url).netloc} did not give consent: {error}{f' ({description})' if description else ''}",
        code=ErrorCode.TOKEN_REFUSED,
        hint=_REMEDIES.get(error, _AGAIN),
        oauth_error=error,
    )


_REMEDIES = {
    "access_denied": _AGAIN,
    "invalid_scope": "check scope: the provider does not know it, or the application may not ask for it",
    "unauthorized_client": "allow the authorization code grant for the application at the provider",
    "unsupported_response_type": "allow the authorization code grant for the application at the provider",
    "temporarily_unavailable": "try again later",
    "server_error": "try again later",
}


def _line(text: str) -> str:
    return shortened(one_line(text), MOST_SHOWN_LONG)


def _utc(milliseconds: int) -> str:
    return f"{utc(milliseconds):%Y-%m-%d %H:%M} UTC"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
