import asyncio
import contextlib
import gc
import socket
import ssl
import threading
import warnings
from types import SimpleNamespace

import pytest
import trustme

from mailnode.errors import ErrorCode, LoginFailed, ServerRefused, SessionLost, SettingsError, TlsFailed
from mailnode.smtp.channel import interrupted_wait
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.sasl import Login
from mailnode.smtp.server import Deadlines, ServerSettings, TlsOption
from mailnode.smtp.stream import Stream
from support.aiosmtp import submission
from support.messages import letter
from support.scripted_smtp import DROP, HOLD, RESET, STALL, USUAL, ScriptedServer
from support.tls import ca_pem, server_context

SOON = Deadlines(connect=5, tls=0.5, silence=0.3, probe=0.3, greeting=0.3)
ASKED_SOON = Deadlines(silence=0.1)


class At:
    """Where a plain asyncio server listens."""

    def __init__(self, server):
        self.port = server.sockets[0].getsockname()[1]


async def send(server, tls_option, *, ca=None, host="127.0.0.1", **settings):
    async with SmtpClient(host, server.port, tls_option=tls_option, ca=ca or ca_pem(), **settings) as client:
        return await client.send(letter())


class TestHandshake:
    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    async def test_implicit_tls_with_a_server_that_is_not_ours(self, host):
        async with submission(tls=server_context(), implicit=True, login=False) as server:
            outcome = await send(server, "tls", host=host)
        assert outcome.tls_version == "TLSv1.3"
        assert len(server.envelopes) == 1

    async def test_starttls_with_a_server_that_is_not_ours(self):
        async with submission(tls=server_context(), login=False) as server:
            outcome = await send(server, "starttls")
        assert outcome.tls_version == "TLSv1.3"
        assert len(server.envelopes) == 1

    async def test_a_session_over_tls_is_reused(self):
        async with (
            ScriptedServer(tls=server_context(), implicit_tls=True) as server,
            SmtpClient("127.0.0.1", server.port, tls_option="tls", ca=ca_pem()) as client,
        ):
            for _ in range(3):
                assert (await client.send(letter())).accepted
        assert len(server.visits) == 1
        assert server.visit.commands[-1] == "QUIT"

    async def test_a_session_that_is_closing_already_ends_at_once(self):
        over, context = threading.Event(), server_context()
        with socket.create_server(("127.0.0.1", 0)) as listening:

            def serve():  # and read nothing after the handshake, not even that the client closes
                with context.wrap_socket(listening.accept()[0], server_side=True):
                    over.wait(10)

            served = asyncio.create_task(asyncio.to_thread(serve))
            port = listening.getsockname()[1]
            stream = await Stream.open(ServerSettings(host="127.0.0.1", port=port, tls_option="none"))
            await stream.start_tls(ssl.create_default_context(cadata=ca_pem()), "127.0.0.1", 5)
            stream.close()
            stream.close()
            stream.abort()
            async with asyncio.timeout(5):
                await stream.closed()
            over.set()
            await served

    async def test_after_starttls_the_extensions_are_those_of_the_second_ehlo(self):
        async with ScriptedServer(tls=server_context(), extensions=("SIZE 100",)) as server:
            await send(server, "starttls", ehlo_name="client.example")
        assert server.visit.commands[:4] == [
            "EHLO client.example",
            "STARTTLS",
            "EHLO client.example",
            "MAIL FROM:<ann@x.example> SIZE=19",
        ]

    async def test_tls_1_1_is_not_spoken(self):
        context = server_context()
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        async with ScriptedServer(tls=context, implicit_tls=True) as server:
            with pytest.raises(TlsFailed) as caught:
                await send(server, "tls", deadlines=SOON)
        assert caught.value.code == ErrorCode.TLS_FAILED


class TestAClientCertificate:
    """A server that wants one says so by an alert: in TLS 1.3 only when the handshake is over for us."""

    @pytest.mark.parametrize("tls_option", ["tls", "starttls"])
    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    async def test_that_is_wanted_is_named(self, tls_option, version):
        context = server_context()
        context.maximum_version = version
        context.verify_mode = ssl.CERT_REQUIRED
        with _wanting(context, tls_option) as server, pytest.raises(TlsFailed) as caught:
            await send(server, tls_option)
        assert (caught.value.code, caught.value.phase) == (ErrorCode.TLS_FAILED, "tls")
        assert "client certificate" in f"{caught.value} {caught.value.hint}"
        assert not caught.value.transient


@contextlib.contextmanager
def _wanting(context, tls_option):
    """A server in a thread, whose refusal of a handshake is sent: asyncio keeps the alert back."""

    def serve():
        sock, _ = listener.accept()
        with sock:
            if tls_option == "starttls":
                for said in (b"220 hi", b"250-hi\r\n250 STARTTLS", b"220 go on"):
                    sock.sendall(said + b"\r\n")
                    if not said.startswith(b"220 go"):
                        sock.recv(1000)
            with contextlib.suppress(OSError):  # ssl.SSLError is one
                context.wrap_socket(sock.dup(), server_side=True, suppress_ragged_eofs=False)
            sock.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                while sock.recv(1000):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield SimpleNamespace(port=listener.getsockname()[1])
        thread.join()


class TestCertificates:
    @pytest.mark.parametrize("tls_option", ["tls", "starttls"])
    @pytest.mark.parametrize(
        ("context", "word"),
        [
            (lambda: server_context(expired=True), "expired"),
            (lambda: server_context("mail.example.org"), "another"),
            (lambda: server_context(issuer=trustme.CA()), "as `ca`"),
        ],
        ids=["expired", "wrong name", "unknown authority"],
    )
    async def test_a_bad_certificate_is_refused_and_explained(self, tls_option, context, word):
        async with ScriptedServer(tls=context(), implicit_tls=tls_option == "tls") as server:
            with pytest.raises(TlsFailed, match="can't be trusted") as caught:
                await send(server, tls_option)
        assert (caught.value.code, caught.value.phase) == (ErrorCode.BAD_CERTIFICATE, "tls")
        assert word in f"{caught.value}; {caught.value.hint}"
        assert not caught.value.transient
        assert not any(visit.count("MAIL") for visit in server.visits)

    async def test_the_systems_store_does_not_know_a_private_authority(self):
        async with (
            ScriptedServer(tls=server_context(), implicit_tls=True) as server,
            SmtpClient("127.0.0.1", server.port) as client,
        ):
            with pytest.raises(TlsFailed) as caught:
                await client.send(letter())
        assert caught.value.code == ErrorCode.BAD_CERTIFICATE

    async def test_a_wrong_host_name_is_refused_though_the_authority_is_known(self):
        async with ScriptedServer(tls=server_context("127.0.0.1"), implicit_tls=True) as server:
            with pytest.raises(TlsFailed) as caught:
                await send(server, "tls", host="localhost")
        assert "name" in caught.value.hint

    @pytest.mark.parametrize(
        "ca", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\u00fc"]
    )
    async def test_a_ca_that_is_none_is_a_bad_setting(self, ca):
        async with (
            ScriptedServer(tls=server_context(), implicit_tls=True) as server,
            SmtpClient("127.0.0.1", server.port, ca=ca) as client,
        ):
            with pytest.raises(SettingsError) as caught:
                await client.send(letter())
        assert (caught.value.key, caught.value.message) == ("ca", "there is no certificate in it")


class TestWrongMode:
    @pytest.mark.parametrize(
        ("ehlo", "hint"),
        [
            ("250-scripted\r\n250-STARTTLS\r\n250 SIZE", "speaks STARTTLS: set tlsOption to starttls"),
            ("250-scripted\r\n250 SIZE", "offers no TLS: use one that does"),
            ("502 5.5.1 what", "begins in clear text: set tlsOption to starttls (none,"),
            (DROP, "begins in clear text: set tlsOption to starttls (none,"),
        ],
    )
    async def test_tls_to_a_port_that_greets_in_clear_names_the_setting(self, ehlo, hint):
        async with ScriptedServer({"EHLO": ehlo}) as server:
            with pytest.raises(TlsFailed) as caught:
                await send(server, "tls")
        assert caught.value.code == ErrorCode.TLS_ON_PLAIN_PORT
        assert hint in caught.value.hint

    @pytest.mark.parametrize("tls_option", ["tls", "starttls"])
    async def test_an_inbox_has_no_tls_and_the_hint_says_so(self, tls_option, inbox):
        with pytest.raises(TlsFailed) as caught:
            await send(inbox, tls_option)
        assert f"port {inbox.port} offers no TLS" in caught.value.hint

    @pytest.mark.parametrize("tls_option", ["none", "starttls"])
    async def test_clear_text_to_a_port_that_wants_tls_names_the_setting(self, tls_option):
        async with ScriptedServer(tls=server_context(), implicit_tls=True) as server:
            with pytest.raises(TlsFailed) as caught:
                await send(server, tls_option, deadlines=ASKED_SOON)
        assert caught.value.code == ErrorCode.PLAIN_ON_TLS_PORT
        assert "set tlsOption to tls" in caught.value.hint

    @pytest.mark.parametrize("end", [b"", b"\n"])
    async def test_a_port_that_answers_our_clear_text_with_a_tls_alert_is_found_out(self, end):
        async with ScriptedServer({"greeting": [[b"\x15\x03\x01\x00\x02\x02\x28" + end, DROP]]}) as server:
            with pytest.raises(TlsFailed) as caught:
                await send(server, "starttls")
        assert caught.value.code == ErrorCode.PLAIN_ON_TLS_PORT
        assert len(server.visits) == 1

    async def test_a_slow_greeting_is_waited_for_after_the_port_was_asked(self):
        asked = asyncio.Event()
        done = asyncio.Event()
        visits = []

        async def visit(reader, writer):
            """Greet only when a second visitor has come, who says a TLS hello."""
            visits.append(writer)
            if len(visits) == 1:
                await asked.wait()
                writer.write(b"554 5.7.1 not today\r\n")
                await reader.read()
                done.set()
            else:
                asked.set()
            writer.close()

        server = await asyncio.start_server(visit, "127.0.0.1", 0)
        async with server:
            with pytest.raises(ServerRefused, match="not today"):
                await send(At(server), "none", deadlines=ASKED_SOON)
            await done.wait()

    async def test_a_tls_server_that_hangs_up_is_no_clear_text_one(self):
        async with ScriptedServer({"greeting": DROP}) as server:
            with pytest.raises(TlsFailed) as caught:
                await send(server, "tls", deadlines=SOON)
        assert (caught.value.code, caught.value.transient) == (ErrorCode.TLS_FAILED, True)

    async def test_a_handshake_that_stalls_ends(self):
        async with ScriptedServer({"greeting": STALL}) as server:
            with pytest.raises(TlsFailed) as caught:
                await send(server, "tls", deadlines=SOON)
        assert (caught.value.code, caught.value.phase) == (ErrorCode.TIMEOUT, "tls")
        assert "sends nothing, neither in clear text nor in reply to a TLS hello" in str(caught.value)


class TestSilence:
    """Servers that hold their greeting back list who talks before it, so nobody does: neither in TLS nor in clear."""

    @pytest.mark.parametrize("tls_option", ["none", "starttls"])
    async def test_a_slow_greeting_is_waited_for_without_a_word(self, tls_option):
        async with ScriptedServer({"greeting": [[HOLD, USUAL]]}, tls=server_context()) as server:
            sending = asyncio.create_task(send(server, tls_option))
            await server.holding()
            assert not server.visit.octets
            server.release()
            assert (await sending).accepted
        assert len(server.visits) == 1

    def test_half_a_minute_goes_by_before_a_port_is_asked_for_tls_and_five_before_it_is_left(self):
        assert (Deadlines().silence, Deadlines().greeting) == (30, 300)

    @pytest.mark.parametrize("tls_option", ["none", "starttls"])
    async def test_a_port_is_not_asked_for_tls_where_there_is_no_time_for_it(self, tls_option):
        async with ScriptedServer({"greeting": STALL}) as server:
            with pytest.raises(SessionLost, match="accepts the connection but sends nothing for 0") as caught:
                await send(server, tls_option, deadlines=Deadlines(greeting=0.2))
        assert (caught.value.code, caught.value.phase) == (ErrorCode.TIMEOUT, "greeting")
        assert f"127.0.0.1:{server.port}" in str(caught.value)
        assert "set tlsOption to tls" in caught.value.hint
        assert [bytes(visit.octets) for visit in server.visits] == [b""]

    async def test_a_port_that_was_asked_in_vain_is_told_so(self):
        deadlines = Deadlines(silence=0.1, probe=0.1, greeting=0.3)
        async with ScriptedServer({"greeting": STALL}) as server:
            with pytest.raises(
                SessionLost, match="sends nothing, neither in clear text nor in reply to a TLS hello"
            ) as caught:
                await send(server, "none", deadlines=deadlines)
        assert (caught.value.code, caught.value.phase) == (ErrorCode.TIMEOUT, "greeting")
        assert len(server.visits) == 2

    @pytest.mark.parametrize("end", [DROP, RESET])
    async def test_a_port_that_hangs_up_without_a_word_is_not_asked_either(self, end):
        async with ScriptedServer({"greeting": end}) as server:
            with pytest.raises(SessionLost, match="sent no greeting") as caught:
                await send(server, "starttls")
        assert (caught.value.code, caught.value.phase) == (ErrorCode.SESSION_LOST, "greeting")
        assert "set tlsOption to tls" in caught.value.hint
        assert len(server.visits) == 1

    @pytest.mark.parametrize(("tls_option", "word"), [("none", "sends nothing"), ("tls", "TLS hello")])
    async def test_who_loses_patience_is_told_what_was_waited_for(self, tls_option, word):
        async with ScriptedServer({"greeting": STALL}) as server:
            with pytest.raises(TimeoutError) as caught:
                async with asyncio.timeout(0.2):
                    await send(server, tls_option)
        waited_for = interrupted_wait(caught.value)
        assert waited_for is not None
        assert word in waited_for.message
        assert waited_for.phase == ("greeting" if tls_option == "none" else "tls")
        assert "connecting to 127.0.0.1" in waited_for.dialogue

    @pytest.mark.parametrize("stage", ["EHLO", "AUTH", "MAIL", "dot"])
    async def test_who_loses_patience_later_is_told_in_which_phase(self, stage):
        async with ScriptedServer({stage: STALL}, extensions=("AUTH PLAIN",)) as server:
            with pytest.raises(TimeoutError) as caught:
                async with asyncio.timeout(0.3):
                    await send(server, "none", login=Login("user", "pencil"))
        waited_for = interrupted_wait(caught.value)
        assert waited_for is not None
        assert waited_for.phase == {"dot": "content"}.get(stage, stage.lower())


class TestStarttlsFailsClosed:
    @pytest.mark.parametrize("tls_option", ["tls", "starttls"])
    async def test_a_login_at_a_port_without_tls_is_told_of_all_that_it_needs(self, tls_option):
        async with ScriptedServer(extensions=("AUTH PLAIN",)) as server:
            with pytest.raises(TlsFailed) as caught:
                await send(server, tls_option, login=Login("user", "pencil"))
        assert "465 with tls, 587 with starttls" in caught.value.hint
        assert "allowPlaintextAuth" in caught.value.hint

    async def test_a_server_without_it_gets_no_mail(self):
        async with ScriptedServer() as server:
            with pytest.raises(TlsFailed) as caught:
                await send(server, "starttls")
        assert caught.value.code == ErrorCode.STARTTLS_NOT_OFFERED
        assert "tlsOption" in caught.value.hint
        assert server.visit.commands[-1] == "QUIT"
        assert server.visit.count("MAIL") == 0

    async def test_no_helo_is_tried_where_starttls_is_needed(self):
        async with ScriptedServer({"EHLO": "502 what?"}) as server:
            with pytest.raises(ServerRefused, match="502 what"):
                await send(server, "starttls")
        assert server.visit.count("HELO") == 0

    @pytest.mark.parametrize(("code", "transient"), [("454", True), ("501", False)])
    async def test_a_refusal_of_it_gets_no_mail(self, code, transient):
        async with ScriptedServer({"STARTTLS": f"{code} 4.7.0 not now"}, tls=server_context()) as server:
            with pytest.raises(TlsFailed) as caught:
                await send(server, "starttls")
        assert (caught.value.reply_code, caught.value.transient) == (int(code), transient)
        assert server.visit.count("MAIL") == 0

    async def test_replies_put_behind_the_220_are_dropped(self):
        """An attacker between answers our second EHLO, in clear text, before the handshake (RFC 3207 6)."""
        forged = "220 go on\n250-evil\n250 SIZE 1\n535 5.7.8 give up"
        async with ScriptedServer({"STARTTLS": forged}, tls=server_context()) as server:
            outcome = await send(server, "starttls")
        assert outcome.accepted
        assert outcome.tls_version == "TLSv1.3"

    async def test_a_handshake_that_is_dropped_is_no_session_in_clear_text(self):
        async with ScriptedServer({"STARTTLS": ("220 go on", DROP)}, tls=server_context()) as server:
            with pytest.raises(TlsFailed) as caught:
                await send(server, "starttls")
        assert caught.value.phase == "tls"
        assert server.visit.commands[-1] == "STARTTLS"


class TestCancelling:
    @pytest.mark.parametrize("script", [{"greeting": STALL}, {"STARTTLS": ("220 go on", STALL)}, {"STARTTLS": STALL}])
    async def test_a_handshake_that_is_cancelled_leaves_nothing_open(self, script):
        mode: TlsOption = "tls" if "greeting" in script else "starttls"
        async with (
            ScriptedServer(script, tls=server_context()) as server,
            SmtpClient("127.0.0.1", server.port, tls_option=mode, ca=ca_pem()) as client,
        ):
            sending = asyncio.create_task(client.send(letter()))
            await server.reached(next(iter(script)))
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            await server.visit.ended.wait()
            assert repr(client._pool) == "<SessionPool: 0 leased, 0 idle, 0 waiting>"


def test_a_refused_login_leaves_no_socket_to_a_server_that_reads_no_more():
    done, tls = threading.Event(), server_context()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve():
            with tls.wrap_socket(listening.accept()[0], server_side=True) as peer:
                for said in (b"220 x ESMTP", b"250-x\r\n250 AUTH PLAIN", b"535 5.7.8 no"):
                    peer.sendall(said + b"\r\n")
                    if not said.startswith(b"535"):
                        peer.recv(1000)
                done.wait(60)

        async def log_in():
            async with SmtpClient(
                "127.0.0.1", listening.getsockname()[1], tls_option="tls", ca=ca_pem(), login=Login("jane", "wrong")
            ) as client:
                with pytest.raises(LoginFailed):
                    await client.send(letter())

        server = threading.Thread(target=serve)
        server.start()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ResourceWarning)
            asyncio.run(log_in())
            gc.collect()
        done.set()
        server.join()
    assert [str(one.message) for one in caught if one.category is ResourceWarning] == []
