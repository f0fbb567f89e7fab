"""Consent requested by a web page: authorization requests that wait for a browser, each answered once."""

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from hmac import compare_digest
from time import monotonic
from urllib.parse import urlsplit

from mailnode.connections.connection import Connection
from mailnode.connections.consent.browser import (
    WAIT_SECONDS,
    CodeRequest,
    check_authorize_url,
    consent_grant,
    short_lived,
    state_in,
)
from mailnode.connections.endpoint import TokenEndpoint
from mailnode.connections.repository import ConnectionRepository
from mailnode.connections.service import LOOPBACK
from mailnode.errors import ConnectionsError, ErrorCode, MailnodeError, TokenError
from mailnode.printable import quoted
from mailnode.smtp.proxy import Proxy

# Where the web server takes the answer.
CALLBACK = "/oauth2/callback"


@dataclass(frozen=True, slots=True)
class PendingConsent:
    """An authorization request of a connection that has not been answered yet; it was begun at the address `origin`.

    `proof` is a secret of the browser that began it, so that no other can finish it.
    """

    connection: str
    request: CodeRequest
    origin: str
    ends_at: float
    proxy: Proxy | None = field(repr=False)
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    proof: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)


@dataclass(frozen=True, slots=True)
class ConsentOutcome:
    """What became of the last request of a connection: an error, or tokens, with a warning if they will not last."""

    error: MailnodeError | None = None
    warning: str = ""


class PendingConsents:
    """The waiting requests, the latest of each connection; a request ends with its answer or after `seconds`."""

    def __init__(self, *, seconds: float = WAIT_SECONDS, clock: Callable[[], float] = monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._pending: dict[str, PendingConsent] = {}
        self._outcomes: dict[str, ConsentOutcome] = {}
        # Answered, and not yet exchanged for tokens.
        self._settling: set[str] = set()

    def begin(self, connection: Connection, origin: str) -> PendingConsent:
        """Begin a request, whose answer comes to the web server at `origin`.

        Raises:
            ConnectionsError: the connection needs no consent, or the authorization URL is not known.
        """
        grant = consent_grant(connection)
        check_authorize_url(grant)
        pending = PendingConsent(
            connection=connection.name,
            request=CodeRequest(grant, connection.login.username, _redirect_uri(grant.redirect_uri, origin)),
            origin=origin,
            ends_at=self._clock() + self.seconds,
            proxy=connection.proxy,
        )
        self._pending = {one.connection: one for one in (*self._living(), pending)}
        self._outcomes.pop(connection.name, None)
        return pending

    async def settle(self, pending: PendingConsent, code: str, repository: ConnectionRepository) -> str:
        """Exchange the code for tokens and store them; gives a warning when they can't be renewed, else "".

        Raises:
            TokenError: the endpoint issues none.
            ConnectionsError: the connection was deleted or changed.
        """
        grant = pending.request.grant
        try:
            answer = await pending.request.exchange(code, TokenEndpoint(proxy=pending.proxy))
            await repository.consent(pending.connection, answer, grant)
        except MailnodeError as error:
            self._outcomes[pending.connection] = ConsentOutcome(error)
            raise
        finally:
            self._settling.discard(pending.connection)
        warning = short_lived(answer, grant)
        self._outcomes[pending.connection] = ConsentOutcome(warning=warning)
        return warning

    def is_waiting(self, connection: str) -> bool:
        """Whether a request of this connection waits for its answer, or that is exchanged for tokens."""
        return connection in self._settling or any(one.connection == connection for one in self._living())

    def outcome(self, connection: str) -> ConsentOutcome | None:
        """Give what became of the last request of this connection, if it was answered."""
        return self._outcomes.get(connection)

    def home_of(self, query: str) -> str:
        """Give the address at which the request was begun that an answer belongs to; "" where none waits for it.

        A provider may send the browser to another name of this machine, where its proof is not known.
        """
        said = state_in(query).encode(errors="replace")
        return next((one.origin for one in self._living() if compare_digest(one.request.state.encode(), said)), "")

    def answered(self, query: str, proofs: Collection[str]) -> tuple[PendingConsent, str]:
        """Take the answer of a browser, and give the request that it answers, with its code.

        Raises:
            ConnectionsError: no request waits for it, or another browser began it.
            TokenError: consent is refused.
        """
        for pending in self._living():
            if any(compare_digest(pending.proof.encode(), proof.encode()) for proof in proofs):
                code = self._taken(pending, pending.request.code_in, query)
                if code is not None:
                    return pending, code
        raise ConnectionsError(
            "this answer is not expected: it came twice, too late, or in another browser than the one that began",
            code=ErrorCode.CONSENT_NEEDED,
            hint="press Authorize at the connection again",
        )

    def pasted(self, connection: str, address: str) -> tuple[PendingConsent, str]:
        """Take the address that a person pasted; after a wrong one another may follow.

        Raises:
            ConnectionsError: no request waits, or it is another address.
            TokenError: consent is refused.
        """
        pending = next((one for one in self._living() if one.connection == connection), None)
        if pending is None:
            raise ConnectionsError(
                f"no authorization of {quoted(connection)} is in progress",
                code=ErrorCode.CONSENT_NEEDED,
                hint="press Authorize at the connection again",
            ).locate(key="address")
        try:
            code = self._taken(pending, pending.request.code_pasted, address)
        except ConnectionsError as error:
            raise error.locate(key="address") from None
        assert code
        return pending, code

    def _taken(self, pending: PendingConsent, read: Callable[[str], str | None], text: str) -> str | None:
        """Read an answer; one to this request, with a code or an error, ends it."""
        try:
            code = read(text)
        except TokenError as error:
            self._pending.pop(pending.connection, None)
            self._outcomes[pending.connection] = ConsentOutcome(error)
            raise
        if code is not None:
            self._pending.pop(pending.connection, None)
            self._settling.add(pending.connection)
        return code

    def _living(self) -> tuple[PendingConsent, ...]:
        now = self._clock()
        return tuple(one for one in self._pending.values() if now < one.ends_at)


def _redirect_uri(registered: str, origin: str) -> str:
    """Say where the answer comes to: the web server's own page, where a provider takes any address of this machine.

    Another address is registered to the letter, but for the port: the web server has it answered there.
    """
    if registered == LOOPBACK:
        return f"{origin}{CALLBACK}"
    port = urlsplit(origin).port
    return registered.replace(":{port}", f":{port}" if port else "")
