"""Servers that lie: words without end, words before their time, around STARTTLS, in AUTH, and in certificates."""

import asyncio
import datetime as dt
import ipaddress
import ssl
import tracemalloc
from base64 import b64encode
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mailnode.errors import LoginFailed, SmtpError, TlsFailed
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.sasl import Login
from support.batch_outcomes import deadlines
from support.messages import letter
from support.scripted_smtp import PIPELINING, RESET, STALL, TAKE, USUAL, ScriptedServer
from support.tls import ca_pem, server_context

MB = 2**20
# Much more than a client needs for what it keeps of a reply, much less than what is said to it.
MOST_OCTETS = 8 * MB
ENDLESS = {
    "a line": b"2" * 65536,
    "a reply": b"250-and on\r\n" * 5000,
    "replies": b"250 ok\r\n" * 8000,
    "empty lines": b"\r\n" * 32768,
    "NUL": bytes(65536),
    "keywords": b"".join(b"250-X%06d\r\n" % number for number in range(5000)),
}
GREETING, EHLO = b"220 liar.example\r\n", b"250-liar.example\r\n250-PIPELINING\r\n250 SIZE 1000000\r\n"
# What was said in good order before the lie begins.
STAGES = {
    "greeting": (),
    "EHLO": (GREETING,),
    "MAIL": (GREETING, EHLO),
    "content": (GREETING, EHLO, b"250 ok\r\n250 ok\r\n354 go\r\n"),
}


@asynccontextmanager
async def liar(talk):
    """Run a server that does this with each connection; gives its port."""
    tasks: set[Any] = set()

    async def serve(reader, writer):
        tasks.add(asyncio.current_task())
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client has seen enough, or the test is over
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
        await server.wait_closed()


async def refused(port, error=SmtpError, *, message=None, **settings):
    """Send a letter in vain, within bounds of time and memory."""
    fitting = {"tls_option": "none", "ehlo_name": "client.example", "deadlines": deadlines(1), **settings}
    tracemalloc.start()
    try:
        async with asyncio.timeout(60), SmtpClient("127.0.0.1", port, **fitting) as client:
            with pytest.raises(error) as caught:
                await client.send(message or letter())
        assert tracemalloc.get_traced_memory()[1] < MOST_OCTETS
    finally:
        tracemalloc.stop()
    assert caught.value.hint
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600
    return caught.value


# The first of many replies to the content is its reply.
@pytest.mark.parametrize(("stage", "what"), sorted(set(product(STAGES, ENDLESS)) - {("content", "replies")}))
async def test_what_has_no_end_is_given_up(stage, what):
    async def talk(reader, writer):
        for said in STAGES[stage]:
            writer.write(said)
            await reader.read(65536)
        while True:
            writer.write(ENDLESS[what])
            await writer.drain()

    async with liar(talk) as port:
        await refused(port, deadlines=deadlines(0.3))


@pytest.mark.parametrize("stage", STAGES)
async def test_a_reply_that_drips_is_given_up_in_time(stage):
    async def talk(reader, writer):
        for said in STAGES[stage]:
            writer.write(said)
            await reader.read(65536)
        for octet in b"2" + b"5" * 10_000:
            writer.write(bytes([octet]))
            await asyncio.sleep(0.05)

    async with liar(talk) as port:
        error = await refused(port)
    assert error.code == ("unknownOutcome" if stage == "content" else "timeout")


async def test_a_million_keywords_are_refused_before_anybody_counts_them():
    async def talk(reader, writer):
        writer.write(GREETING)
        await reader.read(1000)
        for _ in range(200):
            writer.write(ENDLESS["keywords"])
            await writer.drain()
        writer.write(b"250 X\r\n")
        await reader.read()

    async with liar(talk) as port:
        assert "too long" in (await refused(port)).message


@pytest.mark.parametrize("early", [b"250 ok\r\n", b"250 ok\r\n" * 9, b"354 go\r\n", b"235 in\r\n", b"250-a\r\n"])
@pytest.mark.parametrize("stage", ["greeting", "EHLO", "MAIL", "DATA"])
async def test_an_answer_before_the_question_ends_the_session_and_nothing_counts_as_taken(stage, early):
    usual = {
        "greeting": "220 liar.example",
        "EHLO": "250-liar.example\n250 SIZE 99999",
        "MAIL": "250 ok",
        "DATA": "354 go",
    }
    said = usual[stage].replace("\n", "\r\n").encode() + b"\r\n" + early
    async with ScriptedServer({stage: said, "dot": [STALL]}) as server:
        error = await refused(server.port)
    outcome = getattr(error, "outcome", None)
    assert outcome is None or not outcome.accepted
    assert server.accepted == []


@pytest.mark.parametrize(
    "behind",
    [
        b"250 ok\r\n",
        b"250-evil.example\r\n250 AUTH PLAIN\r\n",
        b"250-half a reply",
        b"\r\n\r\n",
        b"\x16\x03\x01\x00\x05hello",
        b"\x15\x03\x03\x00\x02\x02\x28",
    ],
    ids=["a reply", "an EHLO", "half a reply", "empty lines", "a record", "an alert"],
)
async def test_what_stands_behind_the_220_of_starttls_opens_nothing(behind):
    login = Login("user", "pencil")
    async with ScriptedServer({"STARTTLS": [(b"220 go\r\n" + behind), USUAL]}, tls=server_context()) as server:
        settings = {"tls_option": "starttls", "ca": ca_pem(), "login": login}
        await refused(server.port, **settings)
    assert b"AUTH" not in b"".join(bytes(visit.octets) for visit in server.visits)


@pytest.mark.parametrize("challenge", ["A" * MB, b64encode(bytes(MB)).decode(), "=", "\u00fc" * 1000, "r=" * 5000])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
async def test_a_challenge_of_any_size_or_kind_is_answered_or_refused(mechanism, challenge):
    async with ScriptedServer({"AUTH": f"334 {challenge}"}, extensions=(*PIPELINING, f"AUTH {mechanism}")) as server:
        error = await refused(server.port, login=Login("user", "pencil"))
    assert "pencil" not in f"{error} {error.hint} {error.dialogue}"


async def test_challenges_without_end_are_refused():
    login = Login("user", "pencil")
    script = {"AUTH": "334 VXNlcm5hbWU6", "": "334 VXNlcm5hbWU6", "d": "334 VXNlcm5hbWU6", "c": "334 VXNlcm5hbWU6"}
    async with ScriptedServer(script, extensions=(*PIPELINING, "AUTH LOGIN")) as server:
        await refused(server.port, LoginFailed, login=login)
    assert len(server.visit.commands) < 8


async def test_a_mail_that_was_taken_before_its_end_was_there_is_not_said_to_be_sent():
    async with ScriptedServer({"content": "250 2.0.0 taken already"}) as server:
        error = await refused(server.port, message=letter(content=(b"x" * 70 + b"\r\n",) * 200_000))
    assert server.accepted == []
    assert error.hint


async def test_a_reset_right_after_the_dot_is_said_to_be_unknown():
    async with ScriptedServer({"dot": (TAKE, RESET)}) as server:
        assert (await refused(server.port)).unknown


def certificate(*, names=(), common_name="", usage=ExtendedKeyUsageOID.SERVER_AUTH, starts=-1, ends=1, is_ca=False):
    """What a server presents that an authority of ours vouches for, though it should not; and that authority."""
    today = dt.datetime.now(dt.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    root, leaf = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("root", common_name or "leaf")
    )

    def build(subject, key, *extensions, begins=-2, until=2):
        made = x509.CertificateBuilder(root, subject, key.public_key(), x509.random_serial_number())
        made = made.not_valid_before(today + dt.timedelta(begins)).not_valid_after(today + dt.timedelta(until))
        for extension, is_critical in extensions:
            made = made.add_extension(extension, is_critical)
        return made.sign(keys[0], hashes.SHA256())

    authority = build(root, keys[0], (x509.BasicConstraints(ca=True, path_length=None), True))
    extensions = [(x509.BasicConstraints(ca=is_ca, path_length=None), True), (x509.ExtendedKeyUsage([usage]), False)]
    if names:
        extensions.append((x509.SubjectAlternativeName(list(names)), False))
    own = build(leaf, keys[1], *extensions, begins=starts, until=ends)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    return context, own, keys[1], authority.public_bytes(Encoding.PEM).decode()


TRAPS: dict[str, dict[str, Any]] = {
    "a name with NUL in it": {"names": [x509.DNSName("localhost\0.evil.example")]},
    "the name in the subject, others beside it": {"common_name": "localhost", "names": [x509.DNSName("a.example")]},
    "a wildcard for everything": {"names": [x509.DNSName("*")]},
    "a wildcard within a label": {"names": [x509.DNSName("local*")]},
    "an address as a name": {"names": [x509.DNSName("127.0.0.1")], "host": "127.0.0.1"},
    "another address": {"names": [x509.IPAddress(ipaddress.ip_address("127.0.0.2"))], "host": "127.0.0.1"},
    "a name as an address of mail": {"names": [x509.RFC822Name("localhost")]},
    "not valid yet": {"names": [x509.DNSName("localhost")], "starts": 1, "ends": 2},
    "valid no more": {"names": [x509.DNSName("localhost")], "starts": -2, "ends": -1},
    "for clients": {"names": [x509.DNSName("localhost")], "usage": ExtendedKeyUsageOID.CLIENT_AUTH},
    "for code": {"names": [x509.DNSName("localhost")], "usage": ExtendedKeyUsageOID.CODE_SIGNING},
    "a longer name": {"names": [x509.DNSName("localhost.evil.example")]},
    "a name before it": {"names": [x509.DNSName("evil.localhost")]},
}


def presented(folder, *, host="localhost", **traits):
    context, own, key, ca = certificate(**traits)
    path = folder / "chain.pem"
    path.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + own.public_bytes(Encoding.PEM)
    )
    context.load_cert_chain(path)
    return context, host, ca


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("tls_option", ["tls", "starttls"])
async def test_no_password_falls_into_a_trap(tmp_path, trap, tls_option):
    context, host, ca = presented(tmp_path, **TRAPS[trap])
    async with (
        ScriptedServer(tls=context, implicit_tls=tls_option == "tls", extensions=(*PIPELINING, "AUTH PLAIN")) as server,
        SmtpClient(host, server.port, tls_option=tls_option, ca=ca, login=Login("user", "pencil")) as client,
    ):
        with pytest.raises(TlsFailed) as caught:
            await client.send(letter())
    assert caught.value.code == "badCertificate"
    assert caught.value.hint
    assert str(caught.value).isprintable()
    assert not any(visit.count("AUTH") or visit.count("MAIL") for visit in server.visits)


async def test_what_the_traps_are_made_with_makes_good_certificates_too(tmp_path):
    context, host, ca = presented(tmp_path, names=[x509.DNSName("localhost")])
    async with (
        ScriptedServer(tls=context, implicit_tls=True) as server,
        SmtpClient(host, server.port, tls_option="tls", ca=ca) as client,
    ):
        assert (await client.send(letter())).accepted
