"""Consent that a web page asks for: requests that wait for a browser to come back, each answered once."""

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from hmac import compare_digest
from time import monotonic

from mailnode.connections.connection import Connection
from mailnode.connections.consent.browser import (
    WAIT_SECONDS,
    CodeRequest,
    check_authorize_url,
    consent_grant,
    short_lived,
)
from mailnode.connections.endpoint import TokenEndpoint
from mailnode.connections.repository import ConnectionRepository
from mailnode.connections.service import LOOPBACK
from mailnode.errors import ConnectionsError, ErrorCode, TokenError
from mailnode.printable import quoted
from mailnode.smtp.proxy import Proxy

# Where the web server takes the answer.
CALLBACK = "/oauth2/callback"


@dataclass(frozen=True, slots=True)
class PendingConsent:
    """A request for consent to a connection that nobody has answered yet.

    `proof` is what the browser that began it brings along, so that no other can end it. `comes_back` is false where
    the provider takes no redirect to the web server: then a person pastes the address that the browser ends at.
    """

    connection: str
    request: CodeRequest
    comes_back: bool
    ends_at: float
    proxy: Proxy | None = field(repr=False)
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    proof: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    async def settle(self, code: str, repository: ConnectionRepository) -> str:
        """Change the code for tokens and store them; give why they will not last, "" where they will.

        Raises:
            TokenError: the endpoint gives none.
            ConnectionsError: the connection is gone, or another one by now.
        """
        answer = await self.request.exchange(code, TokenEndpoint(proxy=self.proxy))
        await repository.consent(self.connection, answer, self.request.grant)
        return short_lived(answer, self.request.grant)


class PendingConsents:
    """The requests that wait, the newest for each connection; one ends after `seconds`, or with its answer."""

    def __init__(self, *, seconds: float = WAIT_SECONDS, clock: Callable[[], float] = monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._pending: dict[str, PendingConsent] = {}

    def begin(self, connection: Connection, origin: str) -> PendingConsent:
        """Begin to ask for consent; the answer comes to the web server at `origin` if the provider lets it.

        Raises:
            ConnectionsError: nobody's consent helps this connection, or it is not known where it is asked for.
        """
        grant = consent_grant(connection)
        check_authorize_url(grant)
        comes_back = grant.redirect_uri == LOOPBACK
        # Another one is registered to the letter, but for the port, at which nothing needs to listen.
        redirect_uri = f"{origin}{CALLBACK}" if comes_back else grant.redirect_uri.replace(":{port}", "")
        pending = PendingConsent(
            connection=connection.name,
            request=CodeRequest(grant, connection.login.username, redirect_uri),
            comes_back=comes_back,
            ends_at=self._clock() + self.seconds,
            proxy=connection.proxy,
        )
        self._pending = {one.connection: one for one in (*self._living(), pending)}
        return pending

    def answered(self, query: str, proofs: Collection[str]) -> tuple[PendingConsent, str]:
        """Take the answer that a browser brings, and give the request that it answers with its code.

        Raises:
            ConnectionsError: nobody waits for it, or another browser began it.
            TokenError: consent is refused.
        """
        for pending in self._living():
            if any(compare_digest(pending.proof.encode(), proof.encode()) for proof in proofs):
                code = self._taken(pending, pending.request.code_in, query)
                if code is not None:
                    return pending, code
        raise ConnectionsError(
            "nobody waits for this answer: it came twice, too late, or to another browser than the one that asked",
            code=ErrorCode.CONSENT_NEEDED,
            hint="begin again with Authorize, at the connection",
        )

    def pasted(self, connection: str, address: str) -> tuple[PendingConsent, str]:
        """Take the address that a browser ended at, as a person brings it; after a wrong one another may come.

        Raises:
            ConnectionsError: nobody asks for this consent, or it is not the address that is wanted.
            TokenError: consent is refused.
        """
        pending = next((one for one in self._living() if one.connection == connection), None)
        if pending is None:
            raise ConnectionsError(
                f"nobody has asked for consent to {quoted(connection)} in the last minutes",
                code=ErrorCode.CONSENT_NEEDED,
                hint="begin again with Authorize, at the connection",
            ).locate(key="address")
        try:
            code = self._taken(pending, pending.request.code_pasted, address)
        except ConnectionsError as error:
            raise error.locate(key="address") from None
        assert code
        return pending, code

    def _taken(self, pending: PendingConsent, read: Callable[[str], str | None], text: str) -> str | None:
        """Read an answer; what answers this request, with a code or without, ends it."""
        try:
            code = read(text)
        except TokenError:
            self._pending.pop(pending.connection, None)
            raise
        if code is not None:
            self._pending.pop(pending.connection, None)
        return code

    def _living(self) -> tuple[PendingConsent, ...]:
        now = self._clock()
        return tuple(one for one in self._pending.values() if now < one.ends_at)
