"""Servers that bear two sessions at once, or twenty mails in each: nothing fails for that, is lost or comes twice."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from mailnode.app import Mailnode
from mailnode.environment import Environment
from mailnode.message.email import Email
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.server import TlsOption
from support.flows import to_server, write_flow
from support.tls import ca_pem

MAILS = 200
SESSIONS = 10


class Server(Protocol):
    def log(self) -> str: ...

    async def received(self, start: int, count: int) -> Counter[str]: ...

    def excess(self, start: int) -> int: ...

    async def idle(self) -> None: ...


@dataclass
class Peer:
    """A server with limits, and how to come to it."""

    server: Server
    port: int
    tls_option: TlsOption

    def client(self) -> SmtpClient:
        return SmtpClient("127.0.0.1", self.port, tls_option=self.tls_option, ca=ca_pem(), max_sessions=SESSIONS)


# OpenSMTPD of Debian 12 can't use its own key with the OpenSSL there.
_PEERS: list[tuple[str, TlsOption]] = [
    ("postfix", "none"),
    ("postfix", "tls"),
    ("opensmtpd", "none"),
    ("exim", "none"),
    ("exim", "tls"),
    ("haraka", "starttls"),
    ("haraka", "tls"),
    ("smtp_server", "none"),
    ("smtp_server", "tls"),
]


@pytest.fixture(params=_PEERS, ids=["-".join(one) for one in _PEERS])
async def peer(request: pytest.FixtureRequest) -> Peer:
    name, tls_option = request.param
    server = request.getfixturevalue(name)
    await server.idle()
    narrow = "narrow_" if hasattr(server, "narrow_port") else ""
    return Peer(server, getattr(server, f"{narrow}{'tls_' if tls_option == 'tls' else ''}port"), tls_option)


def addresses() -> list[str]:
    return [f"ann-{number}@bulk.example" for number in range(MAILS)]


async def test_at_once(peer: Peer) -> None:
    start = len(peer.server.log())
    emails = [Email(from_="a@x.example", to=one, subject="your order", text="It comes.\n") for one in addresses()]
    async with asyncio.timeout(60), peer.client() as client:
        handovers = [one async for one in client.send_many(emails)]
    assert {str(one.error) for one in handovers} == {"None"}
    outcomes = [one.outcome for one in handovers if one.outcome]
    assert {str(outcome.reply) for outcome in outcomes if not outcome.accepted} == set()
    assert len({outcome.message_id for outcome in outcomes}) == MAILS
    assert await peer.server.received(start, MAILS) == Counter(addresses())
    assert peer.server.excess(start)


async def test_through_the_queue(peer: Peer, tmp_path: Any) -> None:
    start = len(peer.server.log())
    smtp = {"host": "127.0.0.1", "port": peer.port, "tlsOption": peer.tls_option, "ca": ca_pem()}
    settings = to_server(peer.port, smtp=smtp, asynchronous=True, to="{{ input.to }}")
    flow = write_flow(tmp_path, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})
    async with asyncio.timeout(60), Mailnode.open(Environment.read()) as mailnode:
        await asyncio.gather(*(mailnode.run(flow, input={"to": one}) for one in addresses()))
        await mailnode.work(drain=True)
        outcomes = dict(mailnode.outcomes)
    assert outcomes == {"sent": MAILS}
    assert await peer.server.received(start, MAILS) == Counter(addresses())
