"""Consent: a person allows, in a browser, that mail is sent in their name (RFC 6749 4.1, RFC 7636, RFC 8252).

Nothing is printed here: whoever asks brings an `ConsentPrompt`, which shows what a person must see.
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
from mailnode.connections.consent.loopback import listening, open_callback_port
from mailnode.connections.endpoint import TokenAnswer, TokenEndpoint
from mailnode.connections.grant import RefreshGrant
from mailnode.errors import ConnectionsError, ErrorCode, TokenError
from mailnode.printable import MOST_SHOWN_LONG, one_line, shortened
from mailnode.store.clock import utc

WAIT_SECONDS = 300.0

_MAX_PARAMETERS = 50
_AGAIN = "begin again, and allow mailnode to send mail for this account"


class ConsentPrompt(Protocol):
    """Who stands between us and the person that is asked."""

    def show(self, url: str) -> None:
        """Have a person open this address."""

    async def pasted(self) -> str:
        """Wait for the address that the browser ended at, where a person can bring it; else for ever."""

    def decline(self, why: str) -> None:
        """Say why what was pasted is of no use; it may be tried again."""


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """One request for consent, which is answered with a code; `state` and `verifier` are its own secrets."""

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
        """Give the code that the query of a callback brings; None when it answers another request, or none.

        Raises:
            TokenError: it answers this one, and brings no code.
        """
        said = _parameters(query)
        if not compare_digest(said.get("state", "").encode(errors="replace"), self.state.encode()):
            return None
        if "error" in said:
            raise _refused(self.grant.authorize_url, said)
        if not said.get("code"):
            raise TokenError(
                f"{urlsplit(self.grant.authorize_url).netloc} answers with neither a code nor an error",
                hint="check authorizeUrl: it must be the provider's authorization URL",
            )
        return said["code"]

    def code_pasted(self, text: str) -> str:
        """Give the code in an address that a person copied.

        Raises:
            ConnectionsError: it is not the address that is wanted; `message` says what to do.
            TokenError: it answers this request, and brings no code.
        """
        query = text.strip().partition("?")[2].partition("#")[0]
        said = _parameters(query)
        if "state" not in said:
            raise ConnectionsError(
                "that is not the redirect address: paste the full address of the page you landed on; it has code= in it"
            )
        if "code_challenge" in said:
            raise ConnectionsError("that is the address to open: paste the one that the browser ends at afterwards")
        code = self.code_in(query)
        if code is None:
            raise ConnectionsError("that address answers another request: open the address above, and paste its end")
        return code

    async def exchange(self, code: str, endpoint: TokenEndpoint) -> TokenAnswer:
        """Change the code for tokens (RFC 6749 4.1.3).

        Raises:
            TokenError: the endpoint gives none.
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
                error.hint = "begin again: a code is good once, for a short time, and at its own redirect URI only"
            raise


def consent_grant(connection: Connection) -> RefreshGrant:
    """Give how consent for a connection is asked for.

    Raises:
        ConnectionsError: nobody's consent helps this connection, or there is no application that could ask.
    """
    if connection.type != "oauth2":
        what = "logs in with a password" if connection.type == "basic" else f"is of type {connection.type}"
        raise ConnectionsError(
            f"the connection {connection.name!r} {what} and needs nobody's consent",
            hint="`mailnode connections test` shows whether it works; consent is for the type oauth2",
        )
    if not isinstance(connection.grant, RefreshGrant):
        raise ConnectionsError(
            f"the connection {connection.name!r} has no clientId, so no application could ask for consent",
            code=ErrorCode.MISSING_SETTING,
            hint="register an application at the provider, and give clientId (and clientSecret) with"
            " `mailnode connections update`",
        ).locate(key="clientId")
    return connection.grant


def check_authorize_url(grant: RefreshGrant) -> None:
    """See to it that it is known where consent is asked for; ConnectionsError where it is not."""
    if not grant.authorize_url:
        raise ConnectionsError(
            "it is not known where this provider asks for consent",
            code=ErrorCode.MISSING_SETTING,
            hint="set authorizeUrl to its authorization URL with `mailnode connections update`",
        ).locate(key="authorizeUrl")


async def by_browser(
    grant: RefreshGrant,
    user: str,
    prompt: ConsentPrompt,
    *,
    port: int = 0,
    seconds: float = WAIT_SECONDS,
    endpoint: TokenEndpoint | None = None,
) -> TokenAnswer:
    """Ask for consent in a browser, and give the tokens that it brings.

    The answer is what the browser brings to a port of this machine, or what a person pastes, whichever comes first.

    Raises:
        ConnectionsError: it is not known where consent is asked for.
        UsageError: the port can't be had.
        TokenError: consent is refused, nobody answers in time, or the endpoint gives no token.
    """
    check_authorize_url(grant)
    place = open_callback_port(grant.redirect_uri, port)
    try:
        request = CodeRequest(grant, user, place.redirect_uri)
        async with listening(place, request.code_in) as answer, asyncio.timeout(seconds):
            prompt.show(request.url)
            code = await _first(answer, asyncio.create_task(_pasted(request, prompt)))
    except TimeoutError:
        raise TokenError(
            f"nobody gave consent within {seconds:g} s",
            code=ErrorCode.CONSENT_NEEDED,
            hint="begin again; on a machine without a browser, `--no-browser` takes the address pasted",
        ) from None
    finally:
        place.close()
    return await request.exchange(code, endpoint or TokenEndpoint())


def short_lived(answer: TokenAnswer, grant: RefreshGrant) -> str:
    """Say why tokens will not last, and what helps; "" where they will."""
    if answer.refresh_token:
        return ""
    until = f" until {_utc(answer.expires_at)}" if answer.expires_at else ", nobody knows how long"
    said = f"the provider gave no refresh token: this consent is good{until}, and then it is needed again"
    asked = {*grant.consent_scope.split(), *(text for _, text in grant.consent_extras)}
    if asked & {"offline_access", "offline"}:
        return f"{said}; see at the provider that the application may have refresh tokens"
    return f"{said}; most providers want offline_access in scope"


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
            prompt.decline(error.message)


def _parameters(query: str) -> dict[str, str]:
    """Read a query; what stands in it twice counts as not said (RFC 6749 3.1)."""
    with suppress(ValueError):
        said = parse_qs(query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
        return {key: texts[0] for key, texts in said.items() if len(texts) == 1}
    return {}


def _refused(url: str, said: Mapping[str, str]) -> TokenError:
    error, description = _line(said["error"]), _line(said.get("error_description", ""))
    return TokenError(
        f"{urlsplit(url).netloc} gives no consent: {error}{f' ({description})' if description else ''}",
        code=ErrorCode.TOKEN_REFUSED,
        hint=_REMEDIES.get(error, _AGAIN),
        oauth_error=error,
    )


_REMEDIES = {
    "access_denied": _AGAIN,
    "invalid_scope": "check scope: the provider does not know it, or the application may not ask for it",
    "unauthorized_client": "allow the application the authorization code grant at the provider",
    "unsupported_response_type": "allow the application the authorization code grant at the provider",
    "temporarily_unavailable": "try again later",
    "server_error": "try again later",
}


def _line(text: str) -> str:
    return shortened(one_line(text), MOST_SHOWN_LONG)


def _utc(milliseconds: int) -> str:
    return f"{utc(milliseconds):%Y-%m-%d %H:%M} UTC"


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()
