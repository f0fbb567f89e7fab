import asyncio
import datetime as dt
import errno
import socket
from typing import Any

import pytest
import trustme

from mailnode.errors import ErrorCode, TokenError
from mailnode.smtp import connect
from mailnode.smtp.bearer import TokenLogin
from mailnode.smtp.doctor.diagnose import DOCTOR_DEADLINES, examine
from mailnode.smtp.doctor.finding import Finding
from mailnode.smtp.proxy import parse_proxy
from mailnode.smtp.sasl import Login
from mailnode.smtp.server import Deadlines, ServerSettings
from support.aiosmtp import submission
from support.banner_server import served
from support.proxies import proxy
from support.scripted_smtp import DROP, HOLD, STALL, USUAL, ScriptedServer
from support.tls import ca_pem, self_signed_context, server_context
from support.tokens import Purse

SOON = Deadlines(
    connect=2,
    tls=0.5,
    silence=0.2,
    probe=0.2,
    greeting=0.6,
    ehlo=2,
    auth=2,
    mail=2,
    rcpt=2,
    data=2,
    block=2,
    content=2,
    quit=1,
)
USER = Login("user", "pencil-canary")
OFFER = ("PIPELINING", "SIZE 1000000", "8BITMIME", "SMTPUTF8", "AUTH PLAIN LOGIN")


async def look(server, tls_option="none", *, host="127.0.0.1", port=None, ca=None, **said):
    """Examine a server of the test's, without trying the ports that this machine may use for other things."""
    settings: dict[str, Any] = {"deadlines": SOON, "ca": ca or ca_pem()}
    settings |= {key: said.pop(key) for key in ("login", "allow_plaintext_auth", "deadlines", "proxy") if key in said}
    asked = ServerSettings(host=host, port=port or server.port, tls_option=tls_option, **settings)
    diagnosis = await examine(asked, **{"usual": (), **said})
    assert "canary" not in repr(diagnosis)
    assert "canary" not in str(diagnosis.to_json())
    return diagnosis


def steps(diagnosis):
    return [(finding.step, finding.status) for finding in diagnosis.findings]


def the(diagnosis, step):
    (finding,) = [finding for finding in diagnosis.findings if finding.step == step]
    return finding


def failed(diagnosis):
    (finding,) = diagnosis.failed
    assert not diagnosis.ok
    assert finding.hint
    return finding


def no_content_came(server):
    return not any(visit.count("DATA") or visit.contents for visit in server.visits)


class TestAllIsWell:
    async def test_every_step_is_a_finding_and_no_mail_is_sent(self):
        async with ScriptedServer(tls=server_context(), extensions=OFFER) as server:
            diagnosis = await look(server, "starttls", login=USER, sender="ann@x.example", recipients=["bob@y.example"])
        assert diagnosis.ok
        assert steps(diagnosis) == [
            (step, "ok")
            for step in ("resolve", "connect", "greeting", "ehlo", "tls", "ehlo", "auth", "mail", "rcpt", "quit")
        ]
        assert diagnosis.settings.to_json() == {"host": "127.0.0.1", "port": server.port, "tlsOption": "starttls"}
        assert [command.partition(" ")[0] for command in server.visit.commands] == [
            *("EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "RSET", "QUIT")
        ]
        assert len(server.visits) == 1
        assert no_content_came(server)

    async def test_it_is_told_what_was_found(self):
        heard: list[Finding] = []
        async with submission(tls=server_context(), implicit=True) as server:
            diagnosis = await look(
                server, "tls", login=Login("user", "pencil"), sender="ann@x.example", on_finding=heard.append
            )
        assert diagnosis.ok
        assert heard == list(diagnosis.findings)
        found = {finding.step: finding.found for finding in heard}
        assert found["resolve"] == "127.0.0.1"
        assert found["tls"].startswith("TLSv1.3, TLS_")
        for word in ("certificate for localhost, 127.0.0.1", "from trustme", "valid until 3000-01-01"):
            assert word in found["tls"]
        assert found["greeting"].startswith("220 submission.example")
        assert found["ehlo"].startswith("offers SIZE 33554432, 8BITMIME")
        assert "AUTH" in found["ehlo"]
        assert found["auth"] == "logged in as user by SCRAM-SHA-256"
        assert "<ann@x.example>: 250" in found["mail"]
        assert all(finding.ms >= 0 for finding in heard)

    async def test_without_login_and_sender_these_steps_are_skipped(self):
        async with ScriptedServer() as server:
            diagnosis = await look(server)
        assert diagnosis.ok
        assert steps(diagnosis)[-3:] == [("auth", "skipped"), ("mail", "skipped"), ("quit", "ok")]
        assert server.visit.commands[1:] == ["QUIT"]

    async def test_a_server_that_hangs_up_at_quit_is_well(self):
        async with ScriptedServer({"QUIT": DROP}) as server:
            assert (await look(server)).ok

    async def test_its_json_is_that_of_the_command_line(self):
        async with ScriptedServer() as server:
            told = (await look(server)).to_json()
        assert list(told) == ["ok", "findings", "settings"]
        assert list(told["findings"][0]) == ["step", "status", "found", "ms", "hint", "code"]


class TestTheWay:
    async def test_an_unknown_host(self):
        diagnosis = await look(None, host="mail.nowhere.invalid", port=587)
        finding = failed(diagnosis)
        assert (finding.step, finding.code) == ("resolve", "unknownHost")
        assert "spelling" in finding.hint
        assert diagnosis.settings is None

    async def test_a_closed_port(self, closed_port):
        finding = failed(await look(None, port=closed_port))
        assert (finding.step, finding.code) == ("connect", "connectFailed")
        assert "connection refused" in finding.found
        assert "587 and 465" in finding.hint

    async def test_a_closed_port_and_a_usual_one_that_works(self, closed_port):
        async with ScriptedServer(tls=server_context()) as server:
            usual = [(closed_port, "tls"), (server.port, "tls"), (server.port, "starttls")]
            diagnosis = await look(None, "tls", port=closed_port, usual=usual)
        assert diagnosis.settings.to_json() == {"host": "127.0.0.1", "port": server.port, "tlsOption": "starttls"}
        assert not diagnosis.ok

    async def test_a_port_that_takes_no_connection_and_refuses_none(self, silent_port):
        finding = failed(await look(None, port=silent_port, deadlines=Deadlines(connect=0.2)))
        assert (finding.step, finding.code) == ("connect", "timeout")
        assert "block" in finding.hint

    async def test_a_dead_address_among_good_ones_is_a_warning(self, names, closed_port):
        async with ScriptedServer() as server:
            names["mail.example.org"] = [
                (socket.AF_INET, ("127.0.0.1", closed_port)),
                (socket.AF_INET, ("127.0.0.1", server.port)),
            ]
            diagnosis = await look(server, host="mail.example.org")
        assert diagnosis.ok
        assert steps(diagnosis)[:3] == [("resolve", "ok"), ("connect", "ok"), ("connect", "warning")]
        assert diagnosis.findings[0].found == "127.0.0.1, 127.0.0.1"
        assert diagnosis.findings[2].found == "127.0.0.1: connection refused"
        assert diagnosis.findings[2].hint

    async def test_a_family_that_this_machine_has_no_way_to_is_named(self, names, monkeypatch):
        async def attempt(address):
            if address[0] == socket.AF_INET6:
                raise OSError(errno.ENETUNREACH, "")
            return await connect.attempt(address)

        monkeypatch.setattr("mailnode.smtp.doctor.reachability.attempt", attempt)
        async with ScriptedServer() as server:
            names["mail.example.org"] = [
                (socket.AF_INET6, ("2001:db8::1", server.port, 0, 0)),
                (socket.AF_INET, ("127.0.0.1", server.port)),
            ]
            diagnosis = await look(server, host="mail.example.org")
        assert diagnosis.findings[2].found == "2001:db8::1: network is unreachable"
        assert "IPv6" in diagnosis.findings[2].hint

    async def test_a_name_without_addresses(self, names):
        names["mail.example.org"] = []
        finding = failed(await look(None, host="mail.example.org", port=25))
        assert "no address" in finding.found


class TestThePort:
    async def test_tls_on_a_starttls_port(self):
        async with ScriptedServer(tls=server_context()) as server:
            diagnosis = await look(server, "tls")
        finding = failed(diagnosis)
        assert (finding.step, finding.code) == ("port", "tlsOnPlainPort")
        assert "set tlsOption to starttls" in finding.hint
        assert diagnosis.settings.to_json() == {"host": "127.0.0.1", "port": server.port, "tlsOption": "starttls"}

    async def test_tls_on_a_port_without_any_tls(self):
        async with ScriptedServer() as server:
            diagnosis = await look(server, "tls")
        assert failed(diagnosis).code == "tlsOnPlainPort"
        assert diagnosis.settings.tls_option == "none"

    @pytest.mark.parametrize("asked", ["starttls", "none"])
    async def test_plain_on_a_tls_port(self, asked):
        async with ScriptedServer(tls=server_context(), implicit_tls=True) as server:
            diagnosis = await look(server, asked)
        finding = failed(diagnosis)
        assert (finding.step, finding.code) == ("port", "plainOnTlsPort")
        assert "set tlsOption to tls" in finding.hint
        assert diagnosis.settings.to_json() == {"host": "127.0.0.1", "port": server.port, "tlsOption": "tls"}

    @pytest.mark.parametrize("asked", ["tls", "starttls", "none"])
    async def test_a_port_that_says_nothing(self, asked):
        async with ScriptedServer({"greeting": STALL}) as server:
            finding = failed(await look(server, asked))
        assert finding.step == "port"
        assert "sends nothing, neither in clear text nor in reply to a TLS hello" in finding.found

    @pytest.mark.parametrize(("asked", "step"), [("tls", "tls"), ("starttls", "greeting"), ("none", "greeting")])
    async def test_a_server_that_hangs_up_without_a_word(self, asked, step):
        async with ScriptedServer({"greeting": DROP}) as server:
            finding = failed(await look(server, asked))
        assert finding.step == step
        assert "closed the connection" in finding.found

    @pytest.mark.parametrize("asked", ["tls", "starttls", "none"])
    @pytest.mark.parametrize(
        ("greeting", "language", "word"),
        [
            (b"* OK [CAPABILITY IMAP4rev1] ready\r\n", "IMAP", "reading mail"),
            (b"+OK POP3 ready\r\n", "POP3", "reading mail"),
            (b"SSH-2.0-OpenSSH_9.9\r\n", "SSH", "465 or 587"),
            (b"hello\r\n", "something else", "465 or 587"),
        ],
    )
    async def test_a_port_of_another_protocol(self, asked, greeting, language, word):
        async with served(lambda writer, _octets: writer.write(greeting)) as server:
            finding = failed(await look(server, asked))
        assert finding.step == "port"
        assert f"speaks {language}, not SMTP" in finding.found
        assert word in finding.hint

    async def test_another_protocol_within_tls(self):
        async with served(lambda writer, _octets: writer.write(b"* OK ready\r\n"), tls=server_context()) as server:
            finding = failed(await look(server, "tls"))
        assert "speaks IMAP, not SMTP" in finding.found

    @pytest.mark.parametrize("asked", ["tls", "none"])
    async def test_a_web_server_says_nothing_unasked(self, asked):
        def answer(writer, octets):
            if octets:
                writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                writer.close()

        async with served(answer) as server:
            finding = failed(await look(server, asked))
        assert "speaks HTTP, not SMTP" in finding.found
        assert "web server" in finding.hint

    async def test_a_server_that_does_not_serve_us(self):
        async with ScriptedServer({"greeting": "554 5.7.1 blocked using zen.spamhaus.org"}) as server:
            finding = failed(await look(server))
        assert (finding.step, finding.code) == ("greeting", "serverRefused")
        assert "block list" in finding.hint

    async def test_a_server_that_stops_answering(self):
        async with ScriptedServer({"EHLO": STALL}) as server:
            deadlines = Deadlines(ehlo=0.2, silence=0.2, greeting=1)
            finding = failed(await look(server, deadlines=deadlines))
        assert (finding.step, finding.code) == ("ehlo", "timeout")
        assert "in time: 0.2 s" in finding.found


class TestTls:
    async def test_an_expired_certificate(self):
        async with ScriptedServer(tls=server_context(expired=True), implicit_tls=True) as server:
            finding = failed(await look(server, "tls"))
        assert (finding.step, finding.code) == ("tls", "badCertificate")
        assert "it expired on 2020-01-01" in finding.found
        assert "SHA-256" not in finding.found
        assert finding.hint == "ask the server's operator to renew the certificate"

    async def test_a_certificate_of_the_future(self):
        tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
        context = server_context(not_before=tomorrow, not_after=tomorrow + dt.timedelta(days=90))
        async with ScriptedServer(tls=context, implicit_tls=True) as server:
            finding = failed(await look(server, "tls"))
        assert f"it is not valid before {tomorrow:%Y-%m-%d}" in finding.found
        assert "clock" in finding.hint

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    async def test_a_certificate_of_another_name_whose_names_are_told(self, host):
        names = ("mail.example.org", "*.example.net", "192.0.2.1")
        async with ScriptedServer(tls=server_context(*names), implicit_tls=True) as server:
            finding = failed(await look(server, "tls", host=host))
        assert f"it is not for {host}" in finding.found
        assert "certificate for mail.example.org, *.example.net, 192.0.2.1" in finding.found
        assert finding.hint == "use a host name in the certificate: mail.example.org, 192.0.2.1"

    async def test_a_self_signed_certificate(self):
        async with ScriptedServer(tls=self_signed_context(), implicit_tls=True) as server:
            finding = failed(await look(server, "tls"))
        assert "the server signed it itself" in finding.found
        assert "it is not for 127.0.0.1" in finding.found
        assert "SHA-256" in finding.found
        assert "give that certificate as `ca`" in finding.hint

    async def test_an_authority_that_nobody_knows(self):
        async with ScriptedServer(tls=server_context(issuer=trustme.CA()), implicit_tls=True) as server:
            finding = failed(await look(server, "tls"))
        assert "it comes from an unknown authority" in finding.found
        assert "as `ca`" in finding.hint

    @pytest.mark.parametrize("asked", ["tls", "starttls"])
    async def test_past_a_bad_certificate_it_looks_on_and_says_no_password(self, asked):
        context = server_context(expired=True)
        async with ScriptedServer(tls=context, implicit_tls=asked == "tls", extensions=OFFER) as server:
            diagnosis = await look(server, asked, login=USER, sender="ann@x.example")
        assert failed(diagnosis).step == "tls"
        assert steps(diagnosis)[-2:] == [("ehlo", "ok"), ("auth", "skipped")]
        assert "AUTH PLAIN LOGIN (asked without trusting" in diagnosis.findings[-2].found
        assert not any(visit.count("AUTH") + visit.count("MAIL") for visit in server.visits)

    async def test_a_server_that_breaks_off_behind_its_bad_certificate(self):
        async with ScriptedServer({"greeting": DROP}, tls=server_context(expired=True), implicit_tls=True) as server:
            diagnosis = await look(server, "tls")
        assert "expired" in failed(diagnosis).found
        assert steps(diagnosis)[-1] == ("tls", "failed")

    async def test_a_certificate_that_ends_soon_is_a_warning(self):
        soon = dt.datetime.now(dt.UTC) + dt.timedelta(days=13)
        async with ScriptedServer(tls=server_context(not_after=soon), implicit_tls=True) as server:
            diagnosis = await look(server, "tls")
        assert diagnosis.ok
        assert the(diagnosis, "tls").status == "warning"
        assert "renew" in the(diagnosis, "tls").hint

    async def test_no_starttls_offered(self):
        async with ScriptedServer() as server:
            diagnosis = await look(server, "starttls")
        finding = failed(diagnosis)
        assert (finding.step, finding.code) == ("tls", "starttlsNotOffered")
        assert "tlsOption" in finding.hint
        assert diagnosis.settings.tls_option == "none"

    async def test_no_starttls_and_another_port_with_tls_which_is_better(self):
        async with ScriptedServer() as server, ScriptedServer(tls=server_context(), implicit_tls=True) as better:
            diagnosis = await look(server, "starttls", usual=[(better.port, "tls")])
        assert diagnosis.settings.to_json() == {"host": "127.0.0.1", "port": better.port, "tlsOption": "tls"}

    async def test_starttls_that_is_offered_and_not_used_is_a_warning(self, monkeypatch):
        monkeypatch.setattr("mailnode.smtp.stream.Stream.is_loopback", False)
        async with ScriptedServer(tls=server_context()) as server:
            diagnosis = await look(server)
        assert diagnosis.ok
        assert the(diagnosis, "ehlo").status == "warning"
        assert "set tlsOption to starttls" in the(diagnosis, "ehlo").hint


class TestLogin:
    async def test_no_auth_offered(self):
        async with ScriptedServer() as server:
            diagnosis = await look(server, login=USER)
        finding = failed(diagnosis)
        assert (finding.step, finding.code) == ("auth", "authNotOffered")
        assert "offers neither a login nor TLS" in finding.hint
        assert diagnosis.settings is None

    async def test_auth_that_is_offered_over_tls_only(self):
        script = {"EHLO": ["250-scripted\n250 STARTTLS", "250-scripted\n250-STARTTLS\n250 AUTH PLAIN"]}
        async with ScriptedServer(script, tls=server_context()) as server:
            diagnosis = await look(server, login=USER)
        assert failed(diagnosis).code == "authNotOffered"
        assert diagnosis.settings.tls_option == "starttls"

    async def test_a_wrong_password(self):
        async with submission(tls=server_context()) as server:
            diagnosis = await look(server, "starttls", login=Login("user", "canary"), sender="ann@x.example")
        finding = failed(diagnosis)
        assert (finding.step, finding.code) == ("auth", "authRefused")
        assert "535 5.7.8" in finding.found
        assert "check user name and password" in finding.hint
        assert steps(diagnosis)[-1] == ("auth", "failed")
        assert len(server.mechanisms) == 1
        assert diagnosis.settings is None

    async def test_a_providers_refusal_is_explained(self):
        said = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant."
        async with ScriptedServer({"AUTH": said}, extensions=OFFER) as server:
            assert "Microsoft 365" in failed(await look(server, login=USER)).hint

    async def test_a_password_in_clear_text_is_not_said(self, monkeypatch):
        monkeypatch.setattr("mailnode.smtp.stream.Stream.is_loopback", False)
        async with ScriptedServer(extensions=OFFER, tls=server_context()) as server:
            diagnosis = await look(server, login=USER)
        assert failed(diagnosis).code == "plaintextAuth"
        assert diagnosis.settings.tls_option == "starttls"
        assert not any(visit.count("AUTH") for visit in server.visits)

    async def test_a_password_in_clear_text_that_is_allowed_is_a_warning(self, monkeypatch):
        monkeypatch.setattr("mailnode.smtp.stream.Stream.is_loopback", False)
        async with ScriptedServer(extensions=OFFER) as server:
            diagnosis = await look(server, login=USER, allow_plaintext_auth=True)
        assert diagnosis.ok
        assert the(diagnosis, "auth").status == "warning"


class TestTokenLogin:
    OFFER = ("PIPELINING", "AUTH OAUTHBEARER XOAUTH2")
    REFUSED = "535 5.7.8 Username and Password not accepted"

    @staticmethod
    def login(*tokens):
        return TokenLogin("ann@x.example", Purse(*tokens))

    async def test_a_token_is_a_step_of_its_own(self):
        async with ScriptedServer(extensions=self.OFFER) as server:
            diagnosis = await look(server, login=self.login("canary"), sender="ann@x.example")
        assert diagnosis.ok
        assert steps(diagnosis)[-5:] == [(step, "ok") for step in ("ehlo", "token", "auth", "mail", "quit")]
        assert the(diagnosis, "auth").found == "logged in as ann@x.example by OAUTHBEARER"

    async def test_why_no_token_comes_is_told_and_nobody_is_bothered_with_a_mail(self):
        error = TokenError("the endpoint wants consent", code=ErrorCode.CONSENT_NEEDED, hint="give it again")
        async with ScriptedServer(extensions=self.OFFER) as server:
            diagnosis = await look(server, login=self.login(error), sender="ann@x.example")
        finding = failed(diagnosis)
        assert (finding.step, finding.found, finding.code) == ("token", "the endpoint wants consent", "consentNeeded")
        assert finding.hint == "give it again"
        assert steps(diagnosis)[-2:] == [("token", "failed"), ("quit", "ok")]
        assert server.visit.commands[1:] == ["QUIT"]
        assert diagnosis.settings is None

    async def test_a_refused_token_is_renewed_once(self):
        server = ScriptedServer({"AUTH": [self.REFUSED, "235 in"]}, extensions=self.OFFER, tls=server_context())
        async with server:
            diagnosis = await look(server, "starttls", login=self.login("canary", "canary2"), sender="ann@x.example")
        assert diagnosis.ok
        assert steps(diagnosis)[-6:] == [
            *[("token", "ok"), ("auth", "warning"), ("token", "ok"), ("auth", "ok"), ("mail", "ok"), ("quit", "ok")]
        ]
        refused, renewed = [finding for finding in diagnosis.findings if finding.step in {"auth", "token"}][1:3]
        assert self.REFUSED in refused.found
        assert renewed.found == "the access token was renewed"
        assert [visit.count("AUTH") for visit in server.visits] == [1, 1]
        assert [visit.commands[-1] for visit in server.visits] == ["QUIT", "QUIT"]

    async def test_a_second_refusal_is_final(self):
        async with ScriptedServer(
            {"AUTH": "334 eyJzdGF0dXMiOiI0MDAifQ==", "AQ==": self.REFUSED}, extensions=self.OFFER
        ) as server:
            diagnosis = await look(server, login=self.login("canary", "canary2"), sender="ann@x.example")
        finding = failed(diagnosis)
        assert (finding.step, finding.code) == ("auth", "authRefused")
        assert "it reports: status 400; the token had just been issued" in finding.found
        assert steps(diagnosis)[-1] == ("auth", "failed")
        assert len(server.visits) == 2

    async def test_a_token_that_can_not_be_renewed_is_told_with_its_refusal(self):
        error = TokenError("the endpoint is down", hint="try again later", transient=True)
        async with ScriptedServer({"AUTH": self.REFUSED}, extensions=self.OFFER) as server:
            diagnosis = await look(server, login=self.login("canary", error))
        assert failed(diagnosis).step == "token"
        assert [one for one in steps(diagnosis) if one[0] in {"token", "auth"}] == [
            *[("token", "ok"), ("auth", "warning"), ("token", "failed")]
        ]

    async def test_no_token_is_fetched_for_a_server_that_is_not_trusted(self):
        purse = Purse("canary")
        async with ScriptedServer(tls=server_context(expired=True), extensions=self.OFFER) as server:
            diagnosis = await look(server, "starttls", login=TokenLogin("ann@x.example", purse))
        assert steps(diagnosis)[-1] == ("auth", "skipped")
        assert not purse.asked


class TestEnvelope:
    async def test_a_refused_sender(self):
        refusal = "550 5.7.60 SMTP; Client does not have permissions to send as this sender"
        async with ScriptedServer({"MAIL": refusal}) as server:
            diagnosis = await look(server, sender="ann@x.example", recipients=["bob@y.example"])
        finding = failed(diagnosis)
        assert (finding.step, finding.code) == ("mail", "senderRefused")
        assert "<ann@x.example>: 550" in finding.found
        assert "Send As" in finding.hint
        assert server.visit.count("RCPT") == 0
        assert server.visit.commands[-1] == "QUIT"
        assert diagnosis.settings is None

    async def test_each_recipient_is_judged(self):
        async with ScriptedServer({"RCPT TO:<bad@": "550 5.1.1 User unknown"}) as server:
            diagnosis = await look(server, sender="ann@x.example", recipients=["bad@y.example", "bob@y.example"])
        assert [(finding.step, finding.status) for finding in diagnosis.findings[-3:]] == [
            ("rcpt", "failed"),
            ("rcpt", "ok"),
            ("quit", "ok"),
        ]
        assert failed(diagnosis).code == "recipientsRefused"
        assert server.visit.commands[-2:] == ["RSET", "QUIT"]
        assert no_content_came(server)

    async def test_a_farewell_ends_the_visit(self):
        async with ScriptedServer({"RCPT": ("421 4.7.0 too many", DROP)}) as server:
            diagnosis = await look(server, sender="ann@x.example", recipients=["a@y.example", "b@y.example"])
        assert failed(diagnosis).code == "serverRefused"
        assert steps(diagnosis)[-1] == ("rcpt", "failed")

    async def test_a_session_that_breaks_in_the_envelope(self):
        async with ScriptedServer({"MAIL": DROP}, tls=server_context()) as server:
            diagnosis = await look(server, sender="ann@x.example")
        assert (failed(diagnosis).step, failed(diagnosis).code) == ("mail", "sessionLost")
        assert diagnosis.settings is None
        assert len(server.visits) == 1

    async def test_a_sender_that_the_server_can_not_take(self):
        async with ScriptedServer(extensions=("SIZE 1000000",)) as server:
            diagnosis = await look(server, sender="ängi@x.example")
        assert failed(diagnosis).code == "smtputf8NotOffered"


class TestThroughAProxy:
    async def test_the_proxy_resolves_and_there_is_one_way(self):
        async with (
            ScriptedServer(tls=server_context("mail.example")) as server,
            proxy("http", known={"mail.example": "127.0.0.1"}) as between,
        ):
            diagnosis = await look(server, "starttls", host="mail.example", proxy=parse_proxy(between.url))
        assert diagnosis.ok
        assert steps(diagnosis)[:2] == [("resolve", "skipped"), ("connect", "ok")]
        assert "through the proxy http://127.0.0.1" in the(diagnosis, "connect").found

    async def test_a_proxy_on_this_machine_makes_no_server_of_it(self):
        async with ScriptedServer(tls=server_context()) as server, proxy("http") as between:
            diagnosis = await look(server, proxy=parse_proxy(between.url))
        assert the(diagnosis, "ehlo").status == "warning"

    async def test_a_proxy_that_is_not_there(self, closed_port):
        diagnosis = await look(None, port=25, proxy=parse_proxy(f"http://u:canary@127.0.0.1:{closed_port}"))
        assert failed(diagnosis).step == "connect"
        assert steps(diagnosis)[0] == ("resolve", "skipped")


async def test_cancelling_leaves_nothing_open():
    async with ScriptedServer({"EHLO": STALL}) as server:
        looking = asyncio.create_task(look(server))
        await server.reached("EHLO")
        looking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looking
        await server.visit.ended.wait()


def test_a_person_waits_no_minutes_and_yet_as_long_for_a_greeting_as_mail_does_before_it_asks():
    assert DOCTOR_DEADLINES.silence == Deadlines().silence < DOCTOR_DEADLINES.greeting <= 40
    assert max(seconds for name, seconds in vars(DOCTOR_DEADLINES).items() if name not in {"silence", "greeting"}) <= 15


@pytest.mark.parametrize("tls_option", ["none", "starttls"])
async def test_a_greeting_that_is_held_back_is_waited_for_without_a_word(tls_option):
    async with ScriptedServer({"greeting": [[HOLD, USUAL]]}, tls=server_context()) as server:
        looking = asyncio.create_task(look(server, tls_option, deadlines=DOCTOR_DEADLINES))
        await server.holding()
        assert not any(visit.octets for visit in server.visits)
        server.release()
        assert (await looking).ok
    assert sum(bool(visit.octets) for visit in server.visits) == 1


async def test_a_port_that_greets_in_clear_text_gets_no_tls_hello():
    async with ScriptedServer() as server:
        assert failed(await look(server, "starttls")).code == "starttlsNotOffered"
    assert not any(visit.octets.startswith(b"\x16\x03") for visit in server.visits)


async def test_a_port_that_hangs_up_or_speaks_is_listened_to_and_not_spoken_to():
    async with ScriptedServer({"greeting": "* OK IMAP4rev1 ready"}) as server:
        assert "speaks IMAP" in failed(await look(server, "none")).found
    assert not any(visit.octets for visit in server.visits)
