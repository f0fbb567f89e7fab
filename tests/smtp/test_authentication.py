import base64
import socket

import pytest

from mailnode.errors import ErrorCode, LoginFailed, ServerRefused, SessionLost
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.sasl import Login
from mailnode.smtp.server import Deadlines
from support.aiosmtp import submission
from support.messages import letter
from support.scripted_smtp import DROP, RESET, STALL, ScriptedServer
from support.tls import ca_pem, server_context

USER = Login("user", "pencil")
PLAIN = "AUTH PLAIN " + base64.b64encode(b"\0user\0pencil").decode()
LETS_IN_BY_LOGIN = {"AUTH LOGIN": "334 VXNlcg==", "dXNlcg==": "334 UGFzcw==", "cGVuY2ls": "235 in"}


async def send(server, *, tls_option="none", login=USER, **settings):
    async with SmtpClient("127.0.0.1", server.port, tls_option=tls_option, login=login, **settings) as client:
        return await client.send(letter())


def offering(*mechanisms):
    return ("PIPELINING", f"AUTH {' '.join(mechanisms)}")


class TestPassword:
    @pytest.mark.parametrize("implicit", [True, False])
    @pytest.mark.parametrize(
        ("without", "mechanism"),
        [((), "SCRAM-SHA-256"), (("SCRAM-SHA-256",), "PLAIN"), (("SCRAM-SHA-256", "PLAIN"), "LOGIN")],
    )
    @pytest.mark.parametrize("login", [USER, Login("j\u00fcrg", "Gru\u00df, dich=")])
    async def test_the_strongest_mechanism_offered_lets_us_in(self, implicit, without, mechanism, login):
        async with submission(tls=server_context(), implicit=implicit, without=without) as server:
            outcome = await send(server, tls_option="tls" if implicit else "starttls", ca=ca_pem(), login=login)
        assert outcome.auth_mechanism == mechanism
        assert server.mechanisms == [mechanism]
        assert outcome.timings.auth_ms > 0
        assert len(server.envelopes) == 1

    @pytest.mark.parametrize("without", [(), ("SCRAM-SHA-256",), ("SCRAM-SHA-256", "PLAIN")])
    async def test_a_wrong_password_is_final_and_tried_once(self, without):
        async with submission(tls=server_context(), without=without) as server:
            with pytest.raises(LoginFailed) as caught:
                await send(server, tls_option="starttls", ca=ca_pem(), login=Login("user", "wrong"))
        refused = caught.value
        assert (refused.code, refused.phase, refused.transient) == (ErrorCode.AUTH_REFUSED, "auth", False)
        assert (refused.reply_code, refused.enhanced_status_code) == (535, "5.7.8")
        assert refused.hint
        assert "wrong" not in str(refused)
        assert len(server.mechanisms) == 1

    async def test_to_this_very_machine_a_password_may_go_in_clear_text(self):
        async with ScriptedServer({"AUTH": "235 in"}, extensions=offering("PLAIN")) as server:
            assert (await send(server)).auth_mechanism == "PLAIN"
        assert server.visit.commands[1] == PLAIN

    @pytest.mark.parametrize(
        "said",
        [
            "500 5.5.1 unrecognized command",
            "501 5.5.4 syntax error",
            "502 5.5.1 not implemented",
            "503 5.5.1 bad sequence",
            "504 5.7.4 Unrecognized authentication type",
            "534 5.7.9 Authentication mechanism is too weak",
            "535 5.7.8 Error: authentication failed: Invalid authentication mechanism",
            "535 Authentication mechanism not supported",
            "535 5.7.8 Error: authentication failed: no mechanism available",
            "535 unsupported authentication method",
            "553 5.3.0 Auth failure",
        ],
    )
    async def test_a_mechanism_that_is_not_for_us_gives_way_to_the_next(self, said):
        script = {"AUTH PLAIN": said, **LETS_IN_BY_LOGIN}
        async with ScriptedServer(script, extensions=offering("LOGIN", "PLAIN")) as server:
            assert (await send(server)).auth_mechanism == "LOGIN"
        assert server.visit.commands.count(PLAIN) == 1

    async def test_an_initial_response_that_is_not_understood_is_said_once_more_without(self):
        script = {"AUTH PLAIN ": "501 5.5.4 no initial response, please", "AUTH PLAIN": "334 "}
        script |= {PLAIN.split()[2]: "235 in"}
        async with ScriptedServer(script, extensions=offering("LOGIN", "PLAIN")) as server:
            assert (await send(server)).auth_mechanism == "PLAIN"
        assert server.visit.commands[1:4] == [PLAIN, "AUTH PLAIN", PLAIN.split()[2]]

    async def test_each_mechanism_that_is_refused_is_tried_once_and_the_last_word_told(self):
        script = {"AUTH PLAIN": "501 5.5.4 what", "AUTH LOGIN": "504 5.5.4 not this one either"}
        async with ScriptedServer(script, extensions=offering("LOGIN", "PLAIN")) as server:
            with pytest.raises(LoginFailed, match="not this one either") as caught:
                await send(server)
        assert server.visit.commands[1:4] == [PLAIN, "AUTH PLAIN", "AUTH LOGIN"]
        assert (caught.value.reply_code, caught.value.transient) == (504, False)
        assert "another port" in caught.value.hint

    @pytest.mark.parametrize(
        "said",
        [
            "535 5.7.8 Username and Password not accepted",
            "535 Authentication not successful with mechanism PLAIN",
            "534 5.7.9 Application-specific password required",
            "534 5.7.14 Please log in via your web browser",
            "550 5.7.1 account suspended",
            "454 4.7.0 not now",
        ],
    )
    async def test_a_refused_account_is_not_tried_by_another_mechanism(self, said):
        async with ScriptedServer({"AUTH": said}, extensions=offering("LOGIN", "PLAIN")) as server:
            with pytest.raises(LoginFailed):
                await send(server)
        assert server.visit.count("AUTH") == 1

    @pytest.mark.parametrize("end", [DROP, RESET])
    async def test_a_server_that_hangs_up_on_a_refusal_is_told_with_its_words(self, end):
        script = {"AUTH PLAIN": [["504 5.5.4 go away", end]]}
        async with ScriptedServer(script, extensions=offering("LOGIN", "PLAIN")) as server:
            with pytest.raises(LoginFailed, match="go away") as caught:
                await send(server)
        assert (caught.value.phase, caught.value.reply_code) == ("auth", 504)

    async def test_a_refused_password_is_not_tried_by_another_mechanism(self):
        async with ScriptedServer({"AUTH": "535 5.7.8 no"}, extensions=offering("LOGIN", "PLAIN")) as server:
            with pytest.raises(LoginFailed):
                await send(server)
        assert server.visit.count("AUTH") == 1
        assert server.visit.commands[-1] == "QUIT"

    @pytest.mark.parametrize("quoted", [PLAIN, PLAIN[:-4] + "...", "user pencil-and-paper"])
    async def test_a_server_that_quotes_the_login_is_not_quoted_with_it(self, quoted):
        login = Login("user", "pencil-and-paper") if "paper" in quoted else USER
        async with ScriptedServer({"AUTH": f"535 5.7.8 {quoted}"}, extensions=offering("PLAIN")) as server:
            with pytest.raises(LoginFailed, match=r"535 5\.7\.8 (AUTH PLAIN|user) \*\*\*") as caught:
                await send(server, login=login)
        assert "pencil" not in repr(vars(caught.value))
        assert PLAIN.split()[2][:12] not in repr(vars(caught.value))

    async def test_a_login_that_can_not_be_checked_now_is_transient(self):
        async with ScriptedServer({"AUTH": "454 4.7.0 database down"}, extensions=offering("PLAIN")) as server:
            with pytest.raises(LoginFailed) as caught:
                await send(server)
        assert caught.value.transient
        assert "later" in caught.value.hint

    async def test_a_421_to_auth_is_the_server_and_not_the_login(self):
        async with ScriptedServer({"AUTH": "421 4.3.2 bye"}, extensions=offering("PLAIN")) as server:
            with pytest.raises(ServerRefused) as caught:
                await send(server)
        assert (caught.value.phase, caught.value.transient) == ("auth", True)

    async def test_a_server_that_claims_success_without_its_proof_is_not_believed(self):
        async with ScriptedServer({"AUTH": "235 come in"}, extensions=offering("SCRAM-SHA-256")) as server:
            with pytest.raises(LoginFailed):
                await send(server)
        assert server.visit.count("MAIL") == 0

    async def test_a_server_that_asks_for_ever_is_left(self):
        async with ScriptedServer(
            {"AUTH": "334 ", "dXNl": "334 ", "cGVu": "334 "}, extensions=offering("LOGIN")
        ) as server:
            with pytest.raises(LoginFailed):
                await send(server)
        assert server.visit.count("MAIL") == 0

    async def test_auth_that_stalls_ends_in_its_phase(self):
        deadlines = Deadlines(auth=0.2)
        async with ScriptedServer({"AUTH": STALL}, extensions=offering("PLAIN")) as server:
            with pytest.raises(SessionLost) as caught:
                await send(server, deadlines=deadlines)
        assert (caught.value.phase, caught.value.code) == ("auth", ErrorCode.TIMEOUT)


class TestLoginFailsClosed:
    async def test_a_server_without_auth_gets_no_mail(self):
        async with ScriptedServer() as server:
            with pytest.raises(LoginFailed) as caught:
                await send(server)
        assert caught.value.code == ErrorCode.AUTH_NOT_OFFERED
        assert "offers neither a login nor TLS" in caught.value.hint
        assert "465 with tls, 587 with starttls" in caught.value.hint
        assert server.visit.count("MAIL") == 0

    async def test_a_server_that_offers_auth_over_tls_only_is_named_so(self):
        async with ScriptedServer(tls=server_context()) as server:
            with pytest.raises(LoginFailed) as caught:
                await send(server)
        assert "set tlsOption to starttls" in caught.value.hint

    async def test_a_server_with_other_mechanisms_only_is_named_so(self):
        async with ScriptedServer(extensions=offering("XOAUTH2")) as server:
            with pytest.raises(LoginFailed, match="XOAUTH2") as caught:
                await send(server)
        assert caught.value.code == ErrorCode.AUTH_NOT_OFFERED
        assert "passwords" in caught.value.hint

    async def test_auth_that_only_the_clear_text_ehlo_offered_does_not_count(self):
        ehlo = ["250-x\n250-AUTH PLAIN\n250 STARTTLS", "250 x"]
        async with ScriptedServer({"EHLO": ehlo}, tls=server_context()) as server:
            with pytest.raises(LoginFailed) as caught:
                await send(server, tls_option="starttls", ca=ca_pem())
        assert caught.value.code == ErrorCode.AUTH_NOT_OFFERED

    async def test_no_helo_is_tried_where_a_login_is_needed(self):
        async with ScriptedServer({"EHLO": "502 what?"}) as server:
            with pytest.raises(ServerRefused):
                await send(server)
        assert server.visit.count("HELO") == 0

    @pytest.mark.parametrize("allowed", [True, False])
    async def test_to_another_machine_a_password_goes_over_tls_or_by_permission(self, allowed):
        address = _own_address()
        async with ScriptedServer({"AUTH": "235 in"}, extensions=offering("PLAIN"), host="0.0.0.0") as server:
            settings = {"tls_option": "none", "login": USER, "allow_plaintext_auth": allowed}
            async with SmtpClient(address, server.port, **settings) as client:
                if allowed:
                    assert (await client.send(letter())).accepted
                    return
                with pytest.raises(LoginFailed) as caught:
                    await client.send(letter())
        assert "offers no TLS: use one that does (465 with tls, 587 with starttls)" in caught.value.hint
        assert "allowPlaintextAuth" in caught.value.hint
        assert caught.value.code == ErrorCode.PLAINTEXT_AUTH
        assert server.visit.count("AUTH") == 0


def _own_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # a datagram socket only chooses its address; nothing is sent
        except OSError:
            pytest.skip("this machine has no address but loopback")
        return probe.getsockname()[0]
