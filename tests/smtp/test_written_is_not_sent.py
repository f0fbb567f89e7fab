"""A mail is in doubt only if its final dot has left this process while the connection lived."""

import asyncio
import socket

import pytest

from mailnode.errors import ErrorCode, SessionLost
from mailnode.smtp import stream
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.connect import connect
from support.impatient_server import ImpatientServer
from support.loops import LOOPS, on_loop
from support.messages import letter
from support.tls import ca_pem, server_context

PIECE = b"".join(b"%063d\r\n" % line for line in range(1000))
LARGE = letter(content=(b"Subject: large\r\n\r\n", *[PIECE] * 400), sender="ann@x.example")
READ = 300_000
TIMES = 6

loops = pytest.mark.parametrize("loop", LOOPS)
modes = pytest.mark.parametrize("tls_option", ["none", "tls"])
how = pytest.mark.parametrize("end", ["close", "reset"])


def server_of(tls_option, **settings):
    return ImpatientServer(tls=server_context() if tls_option == "tls" else None, **settings)


def client_of(server, tls_option):
    ca = ca_pem() if tls_option == "tls" else None
    return SmtpClient("127.0.0.1", server.port, tls_option=tls_option, ca=ca, max_sessions=1)


@loops
@modes
@how
class TestALargeMailToAServerThatReadsAPartOfIt:
    def test_and_goes_without_a_word_is_not_in_doubt(self, loop, tls_option, end, caplog, capfd):
        async def work():
            async with server_of(tls_option, content_bytes=READ, end=end) as server:
                for _ in range(TIMES):
                    async with client_of(server, tls_option) as client:
                        with pytest.raises(SessionLost) as lost:
                            await client.send(LARGE)
                    assert not lost.value.unknown
                    assert lost.value.code == ErrorCode.SESSION_LOST
                    assert lost.value.phase == "content"
                    assert lost.value.transient
                    assert "not ended" in lost.value.dialogue
            assert server.begun == TIMES

        on_loop(loop, work)
        assert caplog.text == ""
        assert capfd.readouterr().err == ""

    @pytest.mark.parametrize("words", ["552 5.3.4 too big for us", "421 4.3.2 going down"])
    def test_and_says_why_is_told_so(self, loop, tls_option, end, words, caplog, capfd):
        async def work():
            async with server_of(tls_option, content_bytes=READ, words=words, end=end) as server:
                for _ in range(TIMES):
                    async with client_of(server, tls_option) as client:
                        outcome = await client.send(LARGE)
                    assert str(outcome.reply) == words
                    assert outcome.phase == "content"
                    assert not outcome.accepted
                    assert "not ended" in outcome.dialogue

        on_loop(loop, work)
        assert caplog.text == ""
        assert capfd.readouterr().err == ""


@pytest.fixture
def narrow(monkeypatch):
    """Let every connection hold a few KB at most: what the server does not read stays in this process."""

    async def narrowed(server):
        sock = await connect(server)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        return sock

    monkeypatch.setattr(stream, "connect", narrowed)


@loops
@modes
@how
@pytest.mark.parametrize("size", [20_000, 60_000])
@pytest.mark.usefixtures("narrow")
def test_a_dot_that_waits_in_this_process_when_the_connection_breaks_was_not_sent(loop, tls_option, end, size, caplog):
    async def work():
        async with server_of(tls_option, content_bytes=0, end=end, narrow=True, hold=True) as server:
            async with client_of(server, tls_option) as client:
                sending = asyncio.create_task(client.send(letter(content=b"Subject: hi\r\n\r\n" + PIECE[:size])))
                await server.reached.wait()
                for _ in range(20):
                    await asyncio.sleep(0)
                server.released.set()
                with pytest.raises(SessionLost) as lost:
                    await sending
            assert not lost.value.unknown

    on_loop(loop, work)
    assert caplog.text == ""


@loops
@modes
@how
def test_a_small_mail_whose_dot_left_is_in_doubt(loop, tls_option, end, caplog):
    async def work():
        small = letter()
        async with server_of(tls_option, content_bytes=small.size, end=end) as server:
            async with client_of(server, tls_option) as client:
                with pytest.raises(SessionLost) as lost:
                    await client.send(small)
            assert lost.value.unknown

    on_loop(loop, work)
    assert caplog.text == ""


@loops
@modes
def test_words_that_came_before_a_reset_are_read_though_nobody_listened_then(loop, tls_option):
    async def work():
        async with server_of(tls_option, content_bytes=READ, words="552 5.3.4 too big", hold=True) as server:
            async with client_of(server, tls_option) as client:
                sending = asyncio.create_task(client.send(LARGE))
                await server.reached.wait()
                server.released.set()
                outcome = await sending
            assert outcome.reply.code == 552

    on_loop(loop, work)
