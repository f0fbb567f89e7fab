"""Mail servers that are not ours (aiosmtpd), each under the name of a service, with a certificate of its own."""

import asyncio
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from mailnode.smtp.server import TlsOption
from support.aiosmtp import Accepts, Submission
from support.tls import server_context

# Which mail it is stands in its addresses: jane+CASE.ROW@example.org.
TAG = re.compile(r"\+([0-9a-z]+\.[0-9]+)@")
PASSWORDS = {"shop@login.example": "pencil, or c\u0153ur"}

PASSWORD_LOGINS = ("SCRAM-SHA-256", "PLAIN", "LOGIN")
TOKEN_LOGINS = ("OAUTHBEARER", "XOAUTH2")


@dataclass(frozen=True)
class Address:
    """Where a service is at home, and which logins it offers there."""

    host: str
    port: int
    tls_option: TlsOption
    mechanisms: tuple[str, ...] = PASSWORD_LOGINS + TOKEN_LOGINS
    # An impostor has the certificate of somebody else.
    is_impostor: bool = False

    @property
    def of_password(self) -> str:
        """The mechanism that a password is said by: the strongest."""
        return next(name for name in PASSWORD_LOGINS if name in self.mechanisms)

    @property
    def of_token(self) -> str:
        """The mechanism that an access token is said by."""
        return next(name for name in TOKEN_LOGINS if name in self.mechanisms)


@dataclass(frozen=True)
class Taken:
    """A message that a server took, and all that it knows of whoever brought it."""

    address: Address
    is_private: bool
    server_name: str | None
    ehlo: str
    login: tuple[str, str] | None
    way: str
    mail_from: str
    rcpt_tos: tuple[str, ...]
    content: bytes


@dataclass
class Books:
    """What all servers of a run share: how to treat the mail of a case, and what they took, by tag."""

    treatment: dict[str, str] = field(default_factory=dict)
    taken: dict[str, list[Taken]] = field(default_factory=dict)
    # Messages whose end was reached, taken or not.
    ended: dict[str, int] = field(default_factory=dict)
    # Messages from the null path, which are reports of others.
    reports: list[Taken] = field(default_factory=list)
    way_of: Callable[[tuple[int, int]], str] = lambda _ports: "none"


class House(Submission):
    """One server; it takes what it is given, unless the books say otherwise."""

    def __init__(self, address: Address, books: Books, accepts: Accepts) -> None:
        super().__init__(accepts, PASSWORDS)
        self.address = address
        self._books = books
        self._names: dict[int, str | None] = {}
        certified = "somebody-else.example" if address.is_impostor else address.host
        self._tls = server_context(certified) if address.tls_option != "none" else None
        if self._tls:
            self._tls.sni_callback = self._hear_name

    def _hear_name(self, visit: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
        self._names[id(visit)] = name

    async def start(self) -> asyncio.Server:
        """Listen on a port of this machine."""
        at_once = self.address.tls_option == "tls"
        offered = {*PASSWORD_LOGINS, *TOKEN_LOGINS}

        def protocol() -> SMTP:
            return SMTP(
                self,
                loop=asyncio.get_running_loop(),
                hostname=self.address.host,
                tls_context=None if at_once else self._tls,
                auth_require_tls=self.address.tls_option == "starttls",
                auth_exclude_mechanism=offered - set(self.address.mechanisms),
                authenticator=self.authenticate,
            )

        loop = asyncio.get_running_loop()
        server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=self._tls if at_once else None, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def handle_RCPT(  # noqa: N802 -- its name there
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Sequence[str]
    ) -> str:
        if address.startswith("bob+") and self._treatment(_tag_of(address)) == "refuses one":
            return "550 5.1.1 nobody of this name"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 -- its name there
        tag = _tag_of(envelope.mail_from or "", *envelope.rcpt_tos)
        books = self._books
        if envelope.mail_from in {"", "<>"}:
            books.reports.append(self._taken(server, session, envelope))
            return "250 2.0.0 kept"
        books.ended[tag] = books.ended.get(tag, 0) + 1
        is_first = books.ended[tag] == 1
        if is_first and self._treatment(tag) == "defers once":
            return "451 4.3.0 not just now"
        books.taken.setdefault(tag, []).append(self._taken(server, session, envelope))
        if is_first and self._treatment(tag) == "lost once":
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return "250 2.0.0 kept"

    def _treatment(self, tag: str) -> str:
        return self._books.treatment.get(tag.partition(".")[0], "accepts")

    def _taken(self, server: SMTP, session: Session, envelope: Envelope) -> Taken:
        tls: Mapping[str, Any] = session.ssl or {}
        told = tls.get("ssl_object") or (server.transport and server.transport.get_extra_info("ssl_object"))
        peer: Any = session.peer
        assert isinstance(envelope.original_content, bytes)
        return Taken(
            address=self.address,
            is_private=told is not None,
            server_name=self._names.get(id(told)),
            ehlo=session.host_name or "",
            login=session.auth_data if session.authenticated else None,
            way=self._books.way_of((peer[1], self.port)),
            mail_from=envelope.mail_from or "",
            rcpt_tos=tuple(envelope.rcpt_tos),
            content=envelope.original_content,
        )


def _tag_of(*addresses: str) -> str:
    return next((found[1] for address in addresses if (found := TAG.search(address))), "nobody's")
