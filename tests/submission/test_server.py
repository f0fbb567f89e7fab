"""The SMTP server at real sockets: clients that know how, and clients that do not."""

import asyncio
import logging
import os
import smtplib
import socket
from contextlib import suppress
from email.message import EmailMessage

import pytest

from mailnode.errors import StoreError, UsageError
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.sasl import Login
from mailnode.smtp.trust import client_context
from mailnode.submission.certificate import ServerCertificate
from mailnode.submission.doors import Doors
from mailnode.submission.events import ProtocolLimits
from mailnode.submission.gate import Reply
from mailnode.submission.link import Link
from mailnode.submission.server import SubmissionServer
from mailnode.submission.session import Limits
from support.gates import KeepingGate, listening
from support.messages import letter
from support.tls import authority, ca_pem, served_certificate, server_context

CONTENT = b"Subject: hi\r\n\r\n.a\r\n..b\r\n"
LOGIN = b"EHLO c\r\nAUTH PLAIN AHNob3AAcGVuY2ls\r\n"
MAIL = b"MAIL FROM:<ann@x.example>\r\nRCPT TO:<bob@y.example>\r\nDATA\r\n"


@pytest.fixture
def certificate(tmp_path):
    return served_certificate(tmp_path)


class Peer:
    """A client that says what it is told."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def at(cls, server, **how):
        return cls(*await asyncio.open_connection("127.0.0.1", server.port or server.tls_port, **how))

    async def say(self, data, replies=1):
        self.writer.write(data)
        return [await self.reply() for _ in range(replies)]

    async def reply(self):
        while (line := await self.reader.readline())[3:4] == b"-":
            pass
        return line.decode().rstrip()

    async def all(self):
        return (await self.reader.read()).decode()

    async def close(self):
        self.writer.close()
        await self.writer.wait_closed()


@pytest.mark.parametrize("tls_option", ["none", "starttls", "tls"])
async def test_our_own_client_sends(certificate, tls_option):
    gate = KeepingGate()
    port, tls_port = (None, 0) if tls_option == "tls" else (0, None)
    shown = None if tls_option == "none" else certificate
    async with listening(gate, port=port, tls_port=tls_port, certificate=shown) as server:
        client = SmtpClient(
            "127.0.0.1",
            server.port or server.tls_port,
            tls_option=tls_option,
            ca=ca_pem(),
            login=Login("shop", "pencil"),
            allow_plaintext_auth=True,
        )
        async with client:
            letters = [letter("bob@y.example", "cy@y.example", content=CONTENT * size) for size in (1, 1, 50_000)]
            outcomes = [await client.send(one) for one in letters]
    assert [one.status for outcome in outcomes for one in outcome.recipients] == ["accepted"] * 6
    assert [one.content for one in gate.taken] == [one.octets() for one in letters]
    assert {one.forward_paths for one in gate.taken} == {("bob@y.example", "cy@y.example")}


async def test_the_standard_library_sends(certificate):
    gate = KeepingGate()
    gate.refusals["no@y.example"] = Reply(550, "5.7.1", "Recipient rejected: not allowed for shop")
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "ann@x.example", "bob@y.example, no@y.example", "Hi"
    message.set_content("Grüße\n.\n", cte="8bit")

    def send(port, tls_port):
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.starttls(context=client_context(ca_pem()))
            client.login("shop", "pencil")
            assert client.send_message(message) == {
                "no@y.example": (550, b"5.7.1 Recipient rejected: not allowed for shop")
            }
        with smtplib.SMTP_SSL("127.0.0.1", tls_port, context=client_context(ca_pem())) as client:
            client.user, client.password = "shop", "pencil"
            client.ehlo()
            client.auth("LOGIN", client.auth_login)
            client.send_message(message, to_addrs=["jörg@y.example"])
            with pytest.raises(smtplib.SMTPSenderRefused) as refused:
                client.sendmail("ann@x.example", ["bob@y.example"], b"x" * (51 * 2**20))
            assert refused.value.smtp_code == 552

    async with listening(gate, port=0, tls_port=0, certificate=certificate) as server:
        await asyncio.to_thread(send, server.port, server.tls_port)
    assert [one.forward_paths for one in gate.taken] == [("bob@y.example",), ("jörg@y.example",)]
    assert [one.smtputf8 for one in gate.taken] == [False, True]
    assert all("Grüße\r\n.\r\n".encode() in one.content for one in gate.taken)
    assert gate.asked == ["shop from 127.0.0.1"] * 2


async def test_what_is_sent_in_clear_text_behind_starttls_is_not_heard(certificate):
    gate = KeepingGate()
    async with listening(gate, port=0, certificate=certificate) as server:
        peer = await Peer.at(server)
        assert (await peer.say(b"EHLO c\r\nSTARTTLS\r\nEHLO evil\r\nAUTH PLAIN AHNob3AAcGVuY2ls\r\n", 3))[2][
            :3
        ] == "220"
        await peer.writer.start_tls(client_context(ca_pem()), server_hostname="127.0.0.1")
        assert (await peer.say(b"MAIL FROM:<a@x.example>\r\nNOOP\r\n", 2)) == [
            "503 5.5.1 Error: send EHLO first",
            "250 2.0.0 Ok",
        ]
        await peer.close()
    assert gate.asked == []


async def test_a_password_in_clear_text_is_not_taken_from_other_machines(certificate):
    with pytest.raises(UsageError) as refused:
        SubmissionServer(KeepingGate(), Doors(host="0.0.0.0", port=0))
    assert "MAILNODE_SUBMISSION_CERT" in refused.value.hint
    with pytest.raises(UsageError):
        SubmissionServer(KeepingGate(), Doors(tls_port=0))
    SubmissionServer(KeepingGate(), Doors(host="0.0.0.0", port=0, certificate=certificate))


async def test_at_the_unix_socket_the_kernel_says_who_it_is(tmp_path):
    gate, path = KeepingGate(), tmp_path / "run" / "mail.sock"
    async with listening(gate, socket=path) as server:
        assert server.addresses == [str(path)]
        assert path.stat().st_mode & 0o777 == 0o666
        peer = Peer(*await asyncio.open_unix_connection(path))
        assert (await peer.say(b"EHLO c\r\n" + MAIL, 5))[-1][:3] == "354"
        assert (await peer.say(b"hi\r\n.\r\nQUIT\r\n", 2))[0] == "250 2.0.0 Ok: queued as 1"
        await peer.close()
        with pytest.raises(UsageError, match="in use"):
            async with listening(gate, socket=path):
                pass
    assert not path.exists()
    assert gate.taken[0].peer == f"uid {os.getuid()}"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with listening(gate, socket=path):  # left by a process that was killed
        assert path.exists()


async def test_places_that_cannot_be_used_are_told(tmp_path):
    async with listening() as server:
        with pytest.raises(UsageError, match=f"can't listen at 127.0.0.1:{server.port}: it is in use"):
            async with listening(port=server.port):
                pass
        assert server.addresses == [f"127.0.0.1:{server.port} (clear text)"]
    with pytest.raises(UsageError, match="can't listen at"):
        async with listening(socket=tmp_path / ("x" * 200)):
            pass


async def test_a_certificate_is_read_again_when_it_is_renewed(certificate, tmp_path, caplog):
    before = certificate.context()
    assert certificate.context() is before
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    renewed = authority().issue_cert("127.0.0.1")
    files[1].write_bytes(renewed.private_key_pem.bytes())
    os.utime(files[1], (1, 1))
    assert certificate.context() is before
    assert "stays in use" in caplog.text
    files[0].write_bytes(renewed.cert_chain_pems[0].bytes())
    os.utime(files[0], (2, 2))
    assert certificate.context() is not before
    files[0].unlink()
    with pytest.raises(UsageError, match="can't be read"):
        ServerCertificate(*files)


async def test_too_many_connections_are_told_so_and_strangers_make_room():
    limits = Limits(connections=3)
    gate = KeepingGate()
    async with listening(gate, limits=limits) as server:
        known = await Peer.at(server)
        assert (await known.say(LOGIN, 3))[-1][:3] == "235"
        idle = [await Peer.at(server) for _ in range(2)]
        assert [(await one.reply())[:3] for one in idle] == ["220", "220"]
        late = await Peer.at(server)
        assert (await late.say(LOGIN, 3))[-1][:3] == "235"
        assert (await idle[0].all()) == "421 4.7.0 mail.example Error: too many connections; try again later\r\n"
        last = await Peer.at(server)
        assert (await last.say(LOGIN, 3))[-1][:3] == "235"
        refused = await Peer.at(server)
        assert (await refused.all()).startswith("421 4.7.0")
        for one in (known, late, last):
            assert (await one.say(MAIL, 3))[-1][:3] == "354"
            assert (await one.say(b"hi\r\n.\r\n"))[0][:3] == "250"
        for one in (known, late, last, refused, *idle):
            await one.close()
    assert len(gate.taken) == 3


async def test_one_app_leaves_room_for_the_others(tmp_path):
    limits = Limits(connections_per_app=2)
    async with listening(limits=limits, port=0, socket=tmp_path / "s") as server:
        here = [await Peer.at(server) for _ in range(3)]
        codes = [(await one.say(LOGIN, 3))[-1] for one in here]
        assert [code[:3] for code in codes] == ["235", "235", "421"]
        assert "of this app" in codes[-1]
        assert await here[-1].all() == ""
        first = next(iter(server._sessions))
        await here[0].close()
        await asyncio.wait({first})
        again = await Peer.at(server)
        assert (await again.say(LOGIN, 3))[-1][:3] == "235"
        local = [Peer(*await asyncio.open_unix_connection(tmp_path / "s")) for _ in range(3)]
        said = [(await one.say(b"EHLO c\r\nMAIL FROM:<a@x>\r\n", 3))[-1] for one in local]
        assert [reply[:3] for reply in said] == ["250", "250", "421"]
        for one in (*here[1:], again, *local):
            await one.close()
    assert not server._of_apps


async def test_no_more_connections_are_kept_however_fast_they_come():
    gate = KeepingGate()
    gate.is_slow = True
    async with listening(gate, limits=Limits(connections=3)) as server:
        peers = []
        for _ in range(30):
            peers.append(await Peer.at(server))
            peers[-1].writer.write(LOGIN.replace(b"ls", b"lz"))
        assert (await peers[-1].reply())[:3] == "220"
        # Those whose connections end have not ended yet.
        assert len(server._sessions) <= 6
        gate.released.set()
        for one in peers:
            one.writer.transport.abort()


@pytest.mark.parametrize(
    ("sent", "limits"),
    [
        (b"", {"login_seconds": 0.05}),
        (b"EHLO c\r\nNO", {"login_seconds": 0.05}),
        (LOGIN + b"NO", {"command_seconds": 0.05}),
        (LOGIN + MAIL + b"Subject: hi\r\n", {"content_seconds": 0.05}),
        (LOGIN, {"session_seconds": 0.05}),
    ],
    ids=["nothing", "half a command", "half a command of an app", "half a message", "for too long"],
)
async def test_a_slow_client_is_told_to_go(sent, limits):
    async with listening(limits=Limits(**limits)) as server:
        peer = await Peer.at(server)
        peer.writer.write(sent)
        assert (await peer.all()).splitlines()[-1] == "421 4.4.2 mail.example Error: timeout exceeded"
        await peer.close()


async def test_a_client_that_says_a_byte_now_and_then_has_no_more_time():
    async with listening(limits=Limits(command_seconds=0.2)) as server:
        peer = await Peer.at(server)
        await peer.say(LOGIN, 3)
        ended = asyncio.create_task(peer.all())
        while not ended.done():
            peer.writer.write(b"N")
            await asyncio.wait({ended}, timeout=0.05)
        assert "421 4.4.2" in ended.result()
        await peer.close()


async def test_a_handshake_that_does_not_come_ends(certificate):
    limits = Limits(tls_seconds=0.05)
    async with listening(tls_port=0, certificate=certificate, limits=limits) as server:
        peer = await Peer.at(server)
        assert await peer.all() == ""
        await peer.close()


async def test_a_client_that_reads_no_replies_is_left():
    limits = Limits(reply_seconds=0.05, protocol=ProtocolLimits(idle_commands=10**9))
    async with listening(limits=limits) as server:
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1)
        with suppress(ConnectionError):
            while True:
                writer.write(b"EHLO c\r\n" * 10_000)
                await writer.drain()
        writer.transport.abort()


async def test_a_client_that_says_all_and_closes_its_side_gets_its_replies():
    gate = KeepingGate()
    async with listening(gate) as server:
        peer = await Peer.at(server)
        peer.writer.write(LOGIN + MAIL + b"hi\r\n.\r\nQUIT\r\n")
        peer.writer.write_eof()
        assert [line[:3] for line in (await peer.all()).splitlines()][-2:] == ["250", "221"]
        await peer.close()
    assert gate.taken[0].content == b"hi\r\n"


async def test_what_is_under_way_at_a_stop_gets_its_reply_and_then_421():
    gate = KeepingGate()
    gate.is_held = True
    server = SubmissionServer(gate, Doors(port=0), name="mail.example")
    async with server:
        idle, sending, amid = [await Peer.at(server) for _ in range(3)]
        await idle.reply()
        await sending.say(LOGIN + MAIL, 6)
        await amid.say(LOGIN + MAIL + b"first half\r\n", 6)
        sending.writer.write(b"hi\r\n.\r\n")
        await gate.held.wait()
        stopping = asyncio.create_task(server.stop())
        assert await idle.all() == "421 4.3.2 mail.example Service is shutting down; try again later\r\n"
        gate.released.set()
        assert (await sending.all()).splitlines() == [
            "250 2.0.0 Ok: queued as 1",
            "421 4.3.2 mail.example Service is shutting down; try again later",
        ]
        assert await amid.say(b"second half\r\n.\r\n") == ["250 2.0.0 Ok: queued as 2"]
        assert (await amid.all())[:3] == "421"
        await stopping
        with pytest.raises(ConnectionRefusedError):
            await Peer.at(server)
        for one in (idle, sending, amid):
            await one.close()


async def test_what_does_not_end_at_a_stop_is_cut_off_without_a_reply():
    gate = KeepingGate()
    gate.is_held = True
    server = SubmissionServer(gate, Doors(port=0))
    async with server:
        peer = await Peer.at(server)
        await peer.say(LOGIN + MAIL + b"hi\r\n.\r\n", 6)
        await gate.held.wait()
        await server.stop(0.1)
        assert await peer.all() == ""
        await peer.close()
    assert gate.taken == []


async def test_what_a_gate_raises_takes_nothing_and_ends_nothing(caplog):
    gate = KeepingGate()
    gate.errors = [ValueError("bug")]
    async with listening(gate) as server:
        peer = await Peer.at(server)
        assert (await peer.say(LOGIN, 3))[-1] == "454 4.7.0 Temporary authentication failure; try again later"
        gate.errors.clear()
        await peer.say(b"AUTH PLAIN AHNob3AAcGVuY2ls\r\n")
        gate.errors = [ValueError("bug"), StoreError("the database is away", hint="wait")]
        for _ in range(2):
            await peer.say(MAIL, 3)
            assert await peer.say(b"hi\r\n.\r\n") == [
                "451 4.3.0 Error: temporary failure, nothing was taken; try again later"
            ]
        await peer.say(MAIL, 3)
        assert (await peer.say(b"hi\r\n.\r\n"))[0][:3] == "250"
        await peer.close()
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING, logging.ERROR]
    assert "database is away" in caplog.text


async def test_content_of_all_clients_together_has_a_limit():
    gate = KeepingGate()
    async with listening(gate, limits=Limits(memory_bytes=1000)) as server:
        first, second = await Peer.at(server), await Peer.at(server)
        await first.say(LOGIN + MAIL, 6)
        first.writer.write(b"x" * 900)
        await second.say(LOGIN + MAIL, 6)
        while server._memory._left > 200:  # noqa: ASYNC110 -- nobody tells that it has come
            await asyncio.sleep(0)
        assert await second.say(b"y" * 900 + b"\r\n.\r\n") == [
            "452 4.3.1 Insufficient memory: too much is being received; try again later"
        ]
        assert (await first.say(b"\r\n.\r\n"))[0][:3] == "250"
        assert (await second.say(MAIL, 3))[-1][:3] == "354"
        assert (await second.say(b"y" * 900 + b"\r\n.\r\n"))[0][:3] == "250"
        await first.close()
        await second.close()
    assert server._memory._left == 1000


async def test_a_connection_over_tls_that_is_closing_already_can_be_ended():
    ours, theirs = socket.socketpair()
    taking = asyncio.create_task(Link.over(ours, server_context("localhost"), 60.0))
    _, writer = await asyncio.open_connection(sock=theirs, ssl=client_context(ca_pem()), server_hostname="localhost")
    link = await taking
    link._raw.close()
    await asyncio.wait_for(link.end(), 60)
    assert link._closed.done()
    writer.transport.abort()
