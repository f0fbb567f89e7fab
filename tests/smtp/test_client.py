import asyncio
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

import mailnode
from mailnode.errors import ComposeError, ErrorCode, LoginFailed, SessionLost, SettingsError, Unsendable, UsageError
from mailnode.message.email import Email
from mailnode.message.envelope import Envelope, Message
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.sasl import Login
from mailnode.smtp.send_queue import SendRequest
from mailnode.smtp.server import Deadlines, ServerSettings, TlsOption
from support.aiosmtp import submission
from support.messages import letter
from support.scripted_smtp import DROP, LOCKSTEP, PAUSE, PIPELINING, RESET, STALL, ScriptedServer
from support.tls import ca_pem, server_context

MAIL, RCPT, DATA = "MAIL FROM:<ann@x.example> SIZE=19\r\n", "RCPT TO:<bob@y.example>\r\n", "DATA\r\n"
CONTENT = b"Subject: hi\r\n\r\nhi\r\n"
# For what must stall: as short as a deadline may be and still be none of the server's slowness.
IMPATIENT = Deadlines(
    connect=5,
    tls=5,
    silence=0.2,
    probe=0.2,
    greeting=0.2,
    ehlo=0.2,
    auth=0.2,
    mail=0.2,
    rcpt=0.2,
    data=0.2,
    block=0.2,
    content=0.2,
    quit=0.2,
)


WITH_LOGIN = ("PIPELINING", "AUTH PLAIN")


def client_of(server, **settings):
    return SmtpClient("127.0.0.1", server.port, tls_option="none", ehlo_name="client.example", **settings)


async def send(server, message=None, *, partial_delivery="allow", **settings):
    async with client_of(server, **settings) as client:
        return await client.send(message or letter(), partial_delivery=partial_delivery)


def statuses(outcome):
    return [recipient.status for recipient in outcome.recipients]


class TestReadyMade:
    """Messages of other programs."""

    CONTENT = b"From: ann@x.example\r\nMessage-ID: <1@x>\r\nDate: x\r\nContent-Type: text/plain; charset=utf-8\r\n"
    CONTENT += b"Content-Transfer-Encoding: 8bit\r\n\r\n.na\xc3\xafve\r\n"
    TO_BOB = Envelope("ann@x.example", ("bob@y.example",))

    async def test_bytes_go_out_as_they_came_and_say_that_they_have_eight_bits(self):
        async with ScriptedServer() as server, client_of(server) as client:
            outcome = await client.send(self.CONTENT, self.TO_BOB)
        assert server.accepted[0].content == self.CONTENT
        assert b"BODY=8BITMIME\r\n" in server.visit.octets
        assert outcome.accepted

    async def test_where_a_server_takes_seven_bits_they_are_encoded(self):
        async with ScriptedServer(extensions=("PIPELINING", "SIZE 0")) as server, client_of(server) as client:
            await client.send(self.CONTENT, self.TO_BOB)
        assert b"BODY=" not in server.visit.octets
        sent = message_from_bytes(server.accepted[0].content)
        assert sent.get_payload(decode=True) == ".naïve\r\n".encode()
        assert server.accepted[0].content.isascii()
        assert f"SIZE={len(server.accepted[0].content)}\r\n".encode() in server.visit.octets

    async def test_a_header_in_raw_bytes_is_sent_as_it_is_only_where_smtputf8_is(self):
        raw = "From: J\u00fcrg <ann@x.example>\r\nSubject: Cron <root@box> echo Gr\u00fc\u00dfe\r\nX-Old: ".encode()
        content = raw + b"na\xefve\r\nTo: bob@b\xc3\xbccher.example\r\n" + self.CONTENT.partition(b"\r\n")[2]
        async with ScriptedServer() as server, client_of(server) as client:
            await client.send(content, self.TO_BOB)
        assert server.accepted[0].content == content
        for offered, has_body in ((("8BITMIME",), True), ((), False)):
            async with ScriptedServer(extensions=offered) as server, client_of(server) as client:
                await client.send(content, self.TO_BOB)
            [mail] = server.accepted
            assert (mail.content.isascii(), "SMTPUTF8" in mail.reverse_path) == (not has_body, False)
            sent = message_from_bytes(mail.content, policy=policy.default)
            assert sent["From"] == "J\u00fcrg <ann@x.example>"
            assert sent["Subject"] == "Cron <root@box> echo Gr\u00fc\u00dfe"
            assert (sent["X-Old"], sent["To"]) == ("na\u00efve", "bob@xn--bcher-kva.example")
            assert sent.get_payload(decode=True) == ".na\u00efve\r\n".encode()

    @pytest.mark.parametrize(
        ("field", "words"),
        [
            (b"DKIM-Signature: v=1\r\nSubject: \xc3\xbc", "DKIM signature"),
            (b"To: \xc3\xbc@y.example", "before the @"),
            (b"Content-Disposition: inline; filename=\xc3\xbc", "content-disposition is not in ASCII"),
        ],
    )
    async def test_what_no_header_in_ascii_can_say_is_not_sent(self, field, words):
        async with ScriptedServer(extensions=("8BITMIME",)) as server, client_of(server) as client:
            with pytest.raises(Unsendable, match=f"SMTPUTF8.*{words}") as caught:
                await client.send(field + b"\r\n" + self.CONTENT, self.TO_BOB)
        assert caught.value.code == ErrorCode.SMTPUTF8_NOT_OFFERED
        assert caught.value.hint
        assert not server.accepted

    async def test_where_that_would_break_a_signature_it_is_not_sent(self):
        async with ScriptedServer(extensions=("PIPELINING",)) as server, client_of(server) as client:
            with pytest.raises(Unsendable, match=r"8BITMIME.*DKIM") as caught:
                await client.send(b"DKIM-Signature: v=1\r\n" + self.CONTENT, self.TO_BOB)
            assert await client.send(letter())
        assert caught.value.code == ErrorCode.EIGHT_BIT_NOT_OFFERED
        assert caught.value.hint
        assert len(server.accepted) == 1

    async def test_many_of_any_kind(self):
        standard = EmailMessage()
        standard["From"], standard["To"] = "ann@x.example", "bob@y.example"
        standard.set_content("Hi\n")
        async with ScriptedServer() as server, client_of(server) as client:
            ends = [end async for end in client.send_many([letter(), standard, b"", Email(from_="a@b.c", to="d@e.f")])]
        assert sorted((end.number, end.outcome is not None) for end in ends) == [(0, 1), (1, 1), (2, 0), (3, 1)]
        assert len(server.accepted) == 3


class TestTheWire:
    async def test_a_session_is_exactly_these_octets(self):
        async with ScriptedServer() as server:
            await send(server)
        assert (
            server.visit.octets
            == b"EHLO client.example\r\n" + (MAIL + RCPT + DATA).encode() + CONTENT + b".\r\nQUIT\r\n"
        )

    async def test_the_group_is_one_write_and_content_with_its_dot_another(self):
        async with ScriptedServer() as server:
            await send(server)
        assert server.visit.groups[1:3] == [(MAIL + RCPT + DATA).encode(), CONTENT + b".\r\n"]

    async def test_without_pipelining_each_command_is_a_write(self):
        async with ScriptedServer(extensions=LOCKSTEP) as server:
            await send(server)
        assert server.visit.groups[1:5] == [MAIL.encode(), RCPT.encode(), DATA.encode(), CONTENT + b".\r\n"]

    async def test_a_session_is_reused_and_greets_once(self):
        async with ScriptedServer() as server, client_of(server) as client:
            outcomes = [await client.send(letter()) for _ in range(3)]
        assert len(server.visits) == 1
        assert server.visit.count("EHLO") == 1
        assert [outcome.timings.connect_ms > 0 for outcome in outcomes] == [True, False, False]

    async def test_a_message_of_many_blocks_arrives_whole(self):
        blocks = tuple(b".%07d\r\n" % number * 1000 for number in range(200))
        async with ScriptedServer() as server:
            await send(server, letter(content=blocks))
        assert server.accepted[0].content == b"".join(blocks)

    async def test_replies_split_at_every_octet_are_understood(self):
        async with ScriptedServer({"RCPT": "550-5.1.1 nein\n550 5.1.1 gel\u00f6scht"}, split=1) as server:
            outcome = await send(server)
        assert outcome.reply.text == "nein gel\u00f6scht"

    async def test_helo_will_do_where_ehlo_is_not_known(self):
        async with ScriptedServer({"EHLO": "502 5.5.1 what?"}) as server:
            outcome = await send(server)
        assert outcome.accepted
        assert server.visit.commands[1:3] == ["HELO client.example", "MAIL FROM:<ann@x.example>"]

    async def test_our_address_is_the_ehlo_name_of_a_host_without_a_domain(self, monkeypatch):
        monkeypatch.setattr("socket.gethostname", lambda: "laptop")
        async with ScriptedServer() as server, SmtpClient("127.0.0.1", server.port, tls_option="none") as client:
            await client.send(letter())
        assert server.visit.commands[0] == "EHLO [127.0.0.1]"

    async def test_the_hosts_name_is_the_ehlo_name_when_it_has_a_dot(self, monkeypatch):
        monkeypatch.setattr("socket.gethostname", lambda: "pc.example.org")
        async with ScriptedServer() as server, SmtpClient("localhost", server.port, tls_option="none") as client:
            await client.send(letter())
        assert server.visit.commands[0] == "EHLO pc.example.org"

    async def test_quit_is_sent_also_after_a_refusal(self):
        async with ScriptedServer({"dot": "554 5.7.1 spam"}) as server:
            await send(server)
        assert server.visit.commands[-1] == "QUIT"


class TestTheOutcome:
    async def test_it_tells_who_was_accepted_and_what_was_said(self):
        async with ScriptedServer({"RCPT TO:<cy@": "550 5.1.1 no such user"}) as server:
            outcome = await send(server, letter("bob@y.example", "cy@y.example"))
        assert outcome.accepted == ("bob@y.example",)
        assert [(one.address, one.status, str(one.reply)) for one in outcome.refused] == [
            ("cy@y.example", "refused", "550 5.1.1 no such user")
        ]
        assert (outcome.phase, str(outcome.reply)) == ("content", "250 2.0.0 taken")
        assert (outcome.host, outcome.tls_version, outcome.auth_mechanism) == ("127.0.0.1", "", "")
        assert outcome.message_size == len(CONTENT)

    async def test_refused_content_is_refused_for_everybody(self):
        async with ScriptedServer({"dot": "554 5.7.1 spam"}) as server:
            outcome = await send(server, letter("bob@y.example", "cy@y.example"))
        assert statuses(outcome) == ["refused", "refused"]
        assert (outcome.phase, outcome.accepted) == ("content", ())

    @pytest.mark.parametrize("extensions", [PIPELINING, LOCKSTEP])
    @pytest.mark.parametrize(
        ("stage", "phase"), [("MAIL", "mail"), ("RCPT", "rcpt"), ("DATA", "data"), ("dot", "content")]
    )
    @pytest.mark.parametrize(("code", "status"), [("450", "deferred"), ("550", "refused"), ("421", "deferred")])
    async def test_a_refusal_at_any_stage_is_the_outcome(self, extensions, stage, phase, code, status):
        async with ScriptedServer({stage: f"{code} no"}, extensions=extensions) as server:
            outcome = await send(server)
        assert (outcome.phase, outcome.reply.code, statuses(outcome)) == (phase, int(code), [status])
        assert server.accepted == []

    @pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "dot"])
    async def test_a_refusal_wins_over_the_close_that_follows_it(self, stage):
        async with ScriptedServer({stage: ("554 5.7.1 go away", DROP)}) as server:
            outcome = await send(server)
        assert outcome.reply.text == "go away"

    @pytest.mark.parametrize("refusal", ["421 4.3.0 going down", "552 5.3.4 too large"])
    async def test_a_refusal_amid_content_is_the_outcome_and_the_dot_is_kept_back(self, refusal):
        blocks = (b"x" * 998 + b"\r\n",) * 20_000
        message = letter(content=(b"Subject: x\r\n\r\n", *blocks))
        async with ScriptedServer({"content": (refusal, STALL)}) as server:
            outcome = await send(server, message)
        assert str(outcome.reply) == refusal
        assert b"\r\n.\r\n" not in server.visit.octets

    async def test_a_250_amid_content_is_no_answer(self):
        message = letter(content=(b"x" * 998 + b"\r\n",) * 20_000)
        async with ScriptedServer({"content": ("250 thanks", STALL)}) as server:
            with pytest.raises(SessionLost) as caught:
                await send(server, message)
        assert (caught.value.code, caught.value.unknown) == (ErrorCode.BAD_REPLY, False)

    async def test_nobody_accepted_and_a_354_is_answered_by_a_lone_dot(self):
        script = {"RCPT": "550 no", "DATA": ["354 go on", "354 go on"]}
        async with ScriptedServer(script) as server, client_of(server) as client:
            outcome = await client.send(letter())
            assert statuses(outcome) == ["refused"]
        assert server.visit.contents == [b""]
        assert server.visit.count("QUIT") == 1

    async def test_a_354_after_a_refused_sender_drops_the_session(self):
        async with ScriptedServer({"MAIL": "550 no", "RCPT": "250 ok", "DATA": "354 go on"}) as server:
            outcome = await send(server)
        assert (outcome.phase, outcome.reply.code) == ("mail", 550)
        assert server.visit.commands[-1] == "DATA"
        assert server.visit.contents == []

    @pytest.mark.parametrize("refused", ["RCPT", "DATA"])
    async def test_a_sender_that_was_not_used_is_reset_in_the_next_ones_group(self, refused):
        script = {refused: ["550 no", "250 ok" if refused == "RCPT" else "354 go on"]}
        async with ScriptedServer(script) as server, client_of(server) as client:
            assert not (await client.send(letter())).accepted
            assert (await client.send(letter())).accepted
        assert len(server.visits) == 1
        assert ("RSET\r\n" + MAIL + RCPT + DATA).encode() in server.visit.groups

    @pytest.mark.parametrize("extensions", [PIPELINING, LOCKSTEP])
    @pytest.mark.parametrize("reply", ["500 what?", "451 not now"])
    async def test_a_session_whose_reset_is_refused_is_replaced(self, reply, extensions):
        script = {"RCPT": ["550 no", "250 ok"], "RSET": reply}
        async with ScriptedServer(script, extensions=extensions) as server, client_of(server) as client:
            assert not (await client.send(letter())).accepted
            assert (await client.send(letter())).accepted
            assert (await client.send(letter())).accepted
        first, second = server.visits
        assert (first.count("RSET"), first.contents, second.count("MAIL")) == (1, [], 2)

    @pytest.mark.parametrize("extensions", [PIPELINING, LOCKSTEP])
    @pytest.mark.parametrize("refused", ["MAIL", "dot"])
    async def test_a_refused_sender_or_content_leaves_nothing_to_reset(self, refused, extensions):
        script = {refused: ["550 no", "450 not now", "250 ok"]}
        async with ScriptedServer(script, extensions=extensions) as server, client_of(server) as client:
            outcomes = [await client.send(letter()) for _ in range(3)]
        assert [bool(outcome.accepted) for outcome in outcomes] == [False, False, True]
        assert server.visit.count("MAIL") == 3
        assert server.visit.count("RSET") == 0

    async def test_a_reset_that_a_refused_sender_came_behind_is_not_sent_again(self):
        script = {"RCPT": ["550 no", "503 no sender", "250 ok"], "MAIL": ["250 ok", "550 no", "250 ok"]}
        async with ScriptedServer(script) as server, client_of(server) as client:
            outcomes = [await client.send(letter()) for _ in range(3)]
        assert [outcome.phase for outcome in outcomes] == ["rcpt", "mail", "content"]
        assert [group.startswith(b"RSET") for group in server.visit.groups if b"MAIL" in group] == [False, True, False]

    async def test_partial_delivery_refused_sends_nobody_anything(self):
        script = {"RCPT TO:<cy@": "550 5.1.1 no such user"}
        async with ScriptedServer(script) as server:
            outcome = await send(server, letter("bob@y.example", "cy@y.example"), partial_delivery="refuse")
        assert statuses(outcome) == ["refused", "refused"]
        assert server.visit.count("DATA") == 0

    async def test_partial_delivery_refused_delivers_when_all_are_accepted(self):
        async with ScriptedServer() as server:
            outcome = await send(server, letter("bob@y.example", "cy@y.example"), partial_delivery="refuse")
        assert statuses(outcome) == ["accepted", "accepted"]

    @pytest.mark.parametrize("extensions", [PIPELINING, LOCKSTEP])
    @pytest.mark.parametrize("refusal", ["452 4.5.3 too many recipients", "552 too many recipients"])
    async def test_recipients_too_many_for_one_transaction_get_the_next_at_once(self, extensions, refusal):
        paths = [f"r{number}@y.example" for number in range(5)]
        replies = ["250 ok", "250 ok", refusal, refusal, refusal, "250 ok", "250 ok", refusal, "250 ok"]
        async with ScriptedServer({"RCPT": replies}, extensions=extensions) as server:
            outcome = await send(server, letter(*paths))
        assert outcome.accepted == tuple(paths)
        assert [len(accepted.forward_paths) for accepted in server.accepted] == [2, 2, 1]

    async def test_unsendable_messages_leave_the_session_as_it_is(self):
        async with ScriptedServer(extensions=("PIPELINING", "SIZE 10")) as server, client_of(server) as client:
            with pytest.raises(Unsendable) as caught:
                await client.send(letter())
            assert caught.value.code == ErrorCode.OVER_SERVER_SIZE
            with pytest.raises(Unsendable):
                await client.send(letter("j\u00fcrg@y.example", content=b"x\r\n"))
            assert (await client.send(letter(content=b"x\r\n"))).accepted
        assert len(server.visits) == 1
        assert server.visit.count("MAIL") == 1


class TestVerify:
    @pytest.mark.parametrize("implicit", [True, False])
    async def test_it_tells_what_the_server_showed_over_tls_and_quits_without_a_mail(self, implicit):
        async with submission(tls=server_context(), implicit=implicit) as server:
            option: TlsOption = "tls" if implicit else "starttls"
            login = Login("user", "pencil")
            async with SmtpClient("127.0.0.1", server.port, tls_option=option, ca=ca_pem(), login=login) as client:
                info = await client.verify()
        assert (info.host, info.port) == ("127.0.0.1", server.port)
        assert (info.tls_version, info.auth_mechanism) == ("TLSv1.3", "SCRAM-SHA-256")
        assert "PLAIN" in info.extensions.auth
        assert (server.mechanisms, server.envelopes) == (["SCRAM-SHA-256"], [])

    async def test_without_tls_and_login_it_greets_and_quits(self):
        async with ScriptedServer() as server, client_of(server) as client:
            info = await client.verify()
        assert (info.tls_version, info.auth_mechanism, info.extensions.pipelining) == ("", "", True)
        assert server.visit.commands == ["EHLO client.example", "QUIT"]

    async def test_a_refused_login_is_the_error_of_send_and_is_not_tried_again_at_once(self):
        server = ScriptedServer({"AUTH": "535 5.7.8 no"}, extensions=WITH_LOGIN)
        async with server, client_of(server, login=Login("user", "pencil")) as client:
            for was_tried in (True, False):
                with pytest.raises(LoginFailed) as caught:
                    await client.verify()
                assert caught.value.was_tried == was_tried
        assert len(server.visits) == 1

    async def test_of_a_client_that_is_closed_it_is_a_misuse(self):
        async with ScriptedServer() as server:
            async with client_of(server) as client:
                pass
            with pytest.raises(UsageError, match="closed"):
                await client.verify()


class TestAClient:
    async def test_shows_its_server_and_user_and_no_secret(self):
        client = SmtpClient("mail.example.org", 587, login=Login("jane", "pencil"), proxy="socks5://me:key@127.0.0.1:1")
        shown = "<SmtpClient mail.example.org:587, starttls, user 'jane': 0 leased, 0 idle, 0 waiting>"
        assert repr(client) == shown

    async def test_of_settings_has_just_these(self):
        settings = ServerSettings(host="mail.example.org", port=465, tls_option="tls", login=Login("jane", "pencil"))
        assert SmtpClient.from_settings(settings).server is settings
        with pytest.raises(UsageError, match="max_sessions"):
            SmtpClient.from_settings(settings, max_sessions=0)


class TestBeforeContent:
    async def test_it_is_awaited_between_the_354_and_the_content(self):
        async with ScriptedServer() as server, client_of(server) as client:

            async def look():
                assert server.visit.commands[-1] == "DATA"
                assert server.visit.octets.endswith(b"DATA\r\n")
                seen.append(True)

            seen: list[bool] = []
            await client.hand_over(SendRequest(letter(), before_content=look))
        assert seen == [True]

    async def test_it_is_not_called_where_nobody_was_accepted(self):
        async def fail():
            pytest.fail("nothing is handed over")

        async with ScriptedServer({"RCPT": "550 no"}) as server, client_of(server) as client:
            await client.hand_over(SendRequest(letter(), before_content=fail))

    async def test_what_it_raises_drops_the_session_without_content(self):
        async def fail():
            raise RuntimeError("claimed by another")

        async with ScriptedServer() as server, client_of(server) as client:
            with pytest.raises(RuntimeError, match="claimed by another"):
                await client.hand_over(SendRequest(letter(), before_content=fail))
            assert repr(client._pool) == "<SessionPool: 0 leased, 0 idle, 0 waiting>"
        assert server.visit.octets.endswith(b"DATA\r\n")


class TestLostSessions:
    @pytest.mark.parametrize("extensions", [PIPELINING, LOCKSTEP])
    @pytest.mark.parametrize("step", [DROP, RESET, STALL])
    @pytest.mark.parametrize(
        ("stage", "phase"),
        [
            ("greeting", "greeting"),
            ("EHLO", "ehlo"),
            ("MAIL", "mail"),
            ("RCPT", "rcpt"),
            ("DATA", "data"),
            ("dot", "content"),
        ],
    )
    async def test_a_session_lost_at_any_stage_says_where_and_whether_the_mail_may_be_out(
        self, extensions, step, stage, phase
    ):
        async with ScriptedServer({stage: step}, extensions=extensions) as server:
            with pytest.raises(SessionLost) as caught:
                await send(server, deadlines=IMPATIENT)
        lost = caught.value
        assert f"127.0.0.1:{server.port}" in str(lost) == lost.message
        assert (lost.phase, lost.unknown) == (phase, stage == "dot")
        expected = ErrorCode.TIMEOUT if step is STALL else ErrorCode.SESSION_LOST
        assert lost.code == (ErrorCode.UNKNOWN_OUTCOME if stage == "dot" else expected)
        assert lost.hint
        assert lost.transient

    @pytest.mark.parametrize("step", [DROP, RESET, PAUSE])
    async def test_a_session_lost_amid_content_is_not_unknown(self, step):
        message = letter(content=(b"x" * 998 + b"\r\n",) * 20_000)
        async with ScriptedServer({"content": step}) as server:
            with pytest.raises(SessionLost) as caught:
                await send(server, message, deadlines=IMPATIENT)
        assert (caught.value.unknown, caught.value.phase) == (False, "content")

    @pytest.mark.parametrize("garbage", [b"hello\r\n", b"250 ok" + b"x" * 20000, b"354 what\r\n", b"\x00\xff\x00\n"])
    async def test_garbage_to_the_dot_leaves_the_mail_unknown(self, garbage):
        async with ScriptedServer({"dot": garbage}) as server:
            with pytest.raises(SessionLost) as caught:
                await send(server)
        assert (caught.value.code, caught.value.unknown) == (ErrorCode.UNKNOWN_OUTCOME, True)

    async def test_half_a_reply_to_the_dot_is_none(self):
        async with ScriptedServer({"dot": (b"250 tak", DROP)}) as server:
            with pytest.raises(SessionLost) as caught:
                await send(server)
        assert caught.value.unknown

    async def test_what_is_known_comes_with_the_loss(self):
        async with ScriptedServer({"RCPT TO:<cy@": "550 no", "dot": DROP}) as server:
            with pytest.raises(SessionLost) as caught:
                await send(server, letter("bob@y.example", "cy@y.example"))
        outcome = caught.value.outcome
        assert [(one.status, one.reply and one.reply.code) for one in outcome.recipients] == [
            ("deferred", None),
            ("refused", 550),
        ]
        assert (outcome.phase, outcome.reply.code) == ("data", 354)

    async def test_a_loss_in_a_later_transaction_keeps_what_the_first_one_reached(self):
        script = {"RCPT": ["250 ok", "452 too many", "250 ok"], "dot": ["250 taken", DROP]}
        async with ScriptedServer(script) as server:
            with pytest.raises(SessionLost) as caught:
                await send(server, letter("bob@y.example", "cy@y.example"))
        assert caught.value.unknown
        assert caught.value.outcome.accepted == ("bob@y.example",)

    async def test_nothing_said_is_no_outcome(self):
        async with ScriptedServer({"MAIL": DROP}) as server:
            with pytest.raises(SessionLost) as caught:
                await send(server)
        assert caught.value.outcome is None

    async def test_an_unread_source_leaves_no_half_mail(self):
        class Broken(Message):
            def blocks(self):
                yield b"x" * 100 + b"\r\n"
                yield b"y" * 100 + b"\r\n"
                raise RuntimeError("disk gone")

        message = letter()
        async with ScriptedServer() as server:
            with pytest.raises(RuntimeError, match="disk gone"):
                await send(server, Broken(message.envelope, message.fields, message.message_id, message.size, ()))
        assert b"\r\n.\r\n" not in server.visit.octets
        assert server.accepted == []


class TestStaleSessions:
    async def test_a_session_closed_while_idle_is_noticed_before_use(self):
        async with ScriptedServer() as server, client_of(server) as client:
            await client.send(letter())
            await server.hang_up()
            assert (await client.send(letter())).accepted
        assert [visit.count("MAIL") for visit in server.visits] == [1, 1]

    @pytest.mark.parametrize("step", [DROP, RESET])
    async def test_a_reused_session_that_dies_without_a_word_is_tried_once_more(self, step):
        async with ScriptedServer({"MAIL": ["250 ok", step, "250 ok"]}) as server, client_of(server) as client:
            await client.send(letter())
            assert (await client.send(letter())).accepted
        assert len(server.visits) == 2
        assert len(server.accepted) == 2

    async def test_a_421_to_mail_on_a_reused_session_is_tried_once_more(self):
        script = {"MAIL": ["250 ok", ("421 4.7.0 too many messages in this session", DROP), "250 ok"]}
        async with ScriptedServer(script) as server, client_of(server) as client:
            await client.send(letter())
            assert (await client.send(letter())).accepted
        assert len(server.accepted) == 2

    async def test_a_login_that_is_over_in_mid_session_is_tried_once_more(self):
        script = {"MAIL": ["250 ok", "530 5.7.0 Authentication required", "250 ok"], "AUTH": "235 in"}
        async with (
            ScriptedServer(script, extensions=WITH_LOGIN) as server,
            client_of(server, login=Login("user", "pencil")) as client,
        ):
            await client.send(letter())
            assert (await client.send(letter())).accepted
        assert [visit.count("AUTH") for visit in server.visits] == [1, 1]
        assert len(server.accepted) == 2

    @pytest.mark.parametrize("login", [None, Login("user", "pencil")])
    async def test_a_fresh_session_that_is_asked_for_a_login_has_nothing_more_to_say(self, login):
        script = {"MAIL": "530 5.7.0 Authentication required", "AUTH": "235 in"}
        async with ScriptedServer(script, extensions=WITH_LOGIN) as server, client_of(server, login=login) as client:
            assert not (await client.send(letter())).accepted
        assert len(server.visits) == 1

    async def test_it_is_tried_only_once_more(self):
        async with ScriptedServer({"MAIL": ["250 ok", DROP, DROP]}) as server, client_of(server) as client:
            await client.send(letter())
            with pytest.raises(SessionLost):
                await client.send(letter())
        assert len(server.visits) == 2

    async def test_a_fresh_session_that_dies_is_not_tried_again(self):
        async with ScriptedServer({"MAIL": DROP}) as server:
            with pytest.raises(SessionLost):
                await send(server)
        assert len(server.visits) == 1

    async def test_a_session_that_dies_in_mid_group_is_tried_once_more_one_command_at_a_time(self):
        async with ScriptedServer({"RCPT": ["250 ok", DROP]}) as server, client_of(server) as client:
            await client.send(letter())
            with pytest.raises(SessionLost):
                await client.send(letter())
        assert len(server.visits) == 2
        assert server.visit.groups[1:] == [b"MAIL FROM:<ann@x.example> SIZE=19\r\n", b"RCPT TO:<bob@y.example>\r\n"]

    async def test_a_word_too_much_after_the_reply_ends_the_session_and_not_the_mail(self):
        async with ScriptedServer({"dot": "250 taken\n250 and taken again"}) as server, client_of(server) as client:
            assert (await client.send(letter())).accepted
            assert (await client.send(letter())).accepted
        assert len(server.visits) == 2

    async def test_a_421_to_the_dot_ends_the_session_and_nothing_is_said_twice(self):
        async with ScriptedServer({"dot": ["421 4.3.2 bye", "250 ok"]}) as server, client_of(server) as client:
            assert statuses(await client.send(letter())) == ["deferred"]
            assert (await client.send(letter())).accepted
        assert len(server.visits) == 2
        assert server.visits[0].count("QUIT") == 0


class TestSettings:
    @pytest.mark.parametrize(
        ("port", "tls_option", "expected"),
        [
            (None, None, (465, "tls")),
            (465, None, (465, "tls")),
            (25, None, (25, "starttls")),
            (587, None, (587, "starttls")),
            (2525, None, (2525, "starttls")),
            (1025, None, (1025, "tls")),
            (None, "tls", (465, "tls")),
            (None, "starttls", (587, "starttls")),
            (None, "none", (25, "none")),
            (465, "starttls", (465, "starttls")),
            (587, "tls", (587, "tls")),
        ],
    )
    def test_port_and_tls_mode_fill_each_other_in_and_never_change_what_is_given(self, port, tls_option, expected):
        server = SmtpClient("mail.example.org", port, tls_option=tls_option).server
        assert (server.port, server.tls_option) == expected

    @pytest.mark.parametrize(
        ("settings", "key"),
        [
            ({"host": ""}, "host"),
            ({"host": "a b"}, "host"),
            ({"host": "smtp://mail.example.org"}, "host"),
            ({"host": "a\r\nb"}, "host"),
            ({"host": "\u2260.example"}, "host"),
            ({"port": 0}, "port"),
            ({"port": 65536}, "port"),
            ({"port": "25"}, "port"),
            ({"tls_option": "ssl"}, "tlsOption"),
            ({"ehlo_name": "a\r\nMAIL FROM:<x@y>"}, "ehloName"),
            ({"ehlo_name": ""}, "ehloName"),
            ({"ehlo_name": "[a"}, "ehloName"),
        ],
    )
    def test_a_setting_that_can_not_be_is_refused_with_its_name(self, settings, key):
        with pytest.raises(SettingsError) as caught:
            SmtpClient(**{"host": "mail.example.org", **settings})
        assert caught.value.key == key
        assert caught.value.hint

    def test_a_host_of_other_letters_becomes_what_dns_knows(self):
        assert SmtpClient("b\u00dccher.example").server.host == "xn--bcher-kva.example"
        assert SmtpClient("[::1]").server.host == "::1"

    def test_a_pool_of_none_is_refused(self):
        with pytest.raises(UsageError):
            SmtpClient("mail.example.org", max_sessions=0)

    async def test_a_closed_client_says_so(self):
        client = SmtpClient("mail.example.org")
        await client.aclose()
        with pytest.raises(UsageError, match="closed"):
            await client.send(letter())


class TestCancelling:
    @pytest.mark.parametrize("stage", ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "content", "dot"])
    async def test_a_send_cancelled_at_any_wait_leaves_nothing_open(self, stage):
        message = letter(content=(b"x" * 998 + b"\r\n",) * 100)
        async with ScriptedServer({stage: STALL}) as server, client_of(server) as client:
            sending = asyncio.create_task(client.send(message))
            await server.reached(stage)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            await server.visit.ended.wait()
            assert repr(client._pool) == "<SessionPool: 0 leased, 0 idle, 0 waiting>"


async def test_a_reply_to_nothing_ends_the_session_and_harms_no_message():
    async with ScriptedServer({"dot": ["250 taken\r\n250 and again", "250 ok"]}) as server, client_of(server) as client:
        outcomes = [await client.send(letter()) for _ in range(2)]
    assert all(outcome.accepted for outcome in outcomes)
    assert len(server.visits) == 2


async def test_a_loss_among_the_rest_of_too_many_recipients_is_not_tried_from_the_start():
    script = {"RCPT": ["250 ok", "452 4.5.3 too many", DROP, "250 ok"]}
    async with ScriptedServer(script) as server, client_of(server) as client:
        with pytest.raises(SessionLost) as caught:
            await client.send(letter("bob@y.example", "cy@y.example"))
    assert not caught.value.unknown
    assert caught.value.outcome.accepted == ("bob@y.example",)
    assert len(server.accepted) == 1


async def test_the_door_without_a_loop_says_what_to_do_where_one_runs():
    with pytest.raises(UsageError, match="event loop") as caught:
        mailnode.send(Email(from_="a@x.example", to="b@y.example", text="hi"), "127.0.0.1")
    assert caught.value.hint.startswith("use `await SmtpClient(host, port).send(email)`")


def test_what_is_no_email_goes_to_no_server():
    with pytest.raises(ComposeError, match="an Email is required"):
        mailnode.send("hi", "127.0.0.1", 9)  # type: ignore[arg-type]  # what a program without types may do
    with pytest.raises(SettingsError, match=r"^tlsOption: 'ssl' is not a valid value"):
        SmtpClient("127.0.0.1", tls_option="ssl")  # type: ignore[arg-type]  # the same
    with pytest.raises(SettingsError, match=r"^host: '' is not a valid value"):
        SmtpClient("")
