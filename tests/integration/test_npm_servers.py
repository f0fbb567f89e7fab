"""Haraka and npm's smtp-server: TLS closed behind a reply, mails that are too large, too much behind a dot."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from mailnode.app import Mailnode
from mailnode.environment import Environment
from mailnode.errors import Unsendable
from mailnode.message.email import Attachment, Email
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.server import TlsOption
from support.flows import to_server, write_flow
from support.npm_servers import NpmServer
from support.tls import ca_pem

MAILS = 60


def client_of(port: int, tls_option: TlsOption, max_sessions: int = 5) -> SmtpClient:
    return SmtpClient("127.0.0.1", port, tls_option=tls_option, ca=ca_pem(), max_sessions=max_sessions)


def small(*to: str) -> Email:
    return Email(from_="a@x.example", to=to, subject="your order", text="It comes.\n")


def large() -> Email:
    report = Attachment(filename="report.bin", content=bytes(22_000_000), content_type="application/octet-stream")
    return Email(from_="a@x.example", to="bob@y.example", subject="the report", text="Here.\n", attachments=[report])


class TestClosingTlsBehindEachReply:
    async def test_at_once(self, smtp_server: NpmServer) -> None:
        to = [f"ann-{number}@hasty.example" for number in range(MAILS)]
        start = len(smtp_server.log())
        async with asyncio.timeout(60), client_of(smtp_server.ports["hasty_port"], "tls") as client:
            outcomes = [one.outcome async for one in client.send_many(map(small, to))]
        assert all(outcome and outcome.accepted for outcome in outcomes)
        assert await smtp_server.received(start, MAILS) == Counter(to)

    async def test_through_the_queue(self, smtp_server: NpmServer, tmp_path: Path) -> None:
        to = [f"bob-{number}@hasty.example" for number in range(MAILS)]
        start = len(smtp_server.log())
        port = smtp_server.ports["hasty_port"]
        smtp = {"host": "127.0.0.1", "port": port, "tlsOption": "tls", "ca": ca_pem()}
        settings = to_server(port, smtp=smtp, asynchronous=True, to="{{ input.to }}")
        flow = write_flow(tmp_path, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})
        async with asyncio.timeout(60), Mailnode.open(Environment.read()) as mailnode:
            await asyncio.gather(*(mailnode.run(flow, input={"to": one}) for one in to))
            await mailnode.work(drain=True)
            assert dict(mailnode.outcomes) == {"sent": MAILS}
        assert await smtp_server.received(start, MAILS) == Counter(to)


class TestMailsThatAreTooLarge:
    @pytest.mark.parametrize("tls_option", ["none", "starttls"])
    async def test_a_552_in_the_midst_of_content_is_its_verdict(
        self, smtp_server: NpmServer, tls_option: TlsOption
    ) -> None:
        start = len(smtp_server.log())
        async with asyncio.timeout(60), client_of(smtp_server.ports["small_port"], tls_option) as client:
            outcome = await client.send(large())
        assert [str(one.reply) for one in outcome.refused] == ["552 5.3.4 message exceeds fixed maximum message size"]
        (refused,) = [one for one in smtp_server.events(start) if one["event"] == "refused"]
        assert refused["seen"] < outcome.message_size / 2

    async def test_what_a_server_says_of_its_limit_saves_the_way(self, haraka: NpmServer) -> None:
        async with client_of(haraka.port, "none") as client:
            with pytest.raises(Unsendable, match="at most 1048576"):
                await client.send(large())


async def test_haraka_hangs_up_on_much_behind_a_dot_and_gets_none_of_it(haraka: NpmServer) -> None:
    start = len(haraka.log())
    many = [f"r{number}@{'y' * 60}.{'z' * 60}.example" for number in range(70)]
    async with asyncio.timeout(60), client_of(haraka.port, "none", max_sessions=1) as client:
        outcomes = await asyncio.gather(*(client.send(small(*to)) for to in (["one@y.example"], many, many)))
    accepted = Counter(address for outcome in outcomes for address in outcome.accepted)
    assert "one@y.example" in accepted
    assert await haraka.received(start, accepted.total()) == accepted
