"""Limits of a server's: of sessions, of recipients, of time. None of them costs a mail."""

import asyncio
from dataclasses import replace

import pytest

from mailnode.errors import ErrorCode, LoginFailed, ServerRefused, SessionLost
from mailnode.smtp.doctor.diagnose import examine
from mailnode.smtp.refusal import is_recipient_limit, is_session_limit, is_time_limit
from mailnode.smtp.reply import ReplyParser
from mailnode.smtp.sasl import Login
from mailnode.smtp.server import ServerSettings
from support.batch_outcomes import assert_truth, client_of, deadlines, endings_of, is_accepted, numbered
from support.loops import LOOPS, on_loop
from support.messages import letter
from support.scripted_smtp import CUT, DROP, LOCKSTEP, PIPELINING, RESET, USUAL, ScriptedServer
from support.tls import ca_pem, server_context

USER = Login("user", "pencil")
# What befalls the third session and all that follow, and in which TLS mode.
EXCESS = {
    "closed": ("greeting", DROP, "none"),
    "reset": ("greeting", RESET, "none"),
    "closed for STARTTLS": ("greeting", DROP, "starttls"),
    "closed in the handshake": ("tls", CUT, "tls"),
    "reset in the handshake": ("tls", RESET, "tls"),
    "closed behind the handshake": ("greeting", DROP, "tls"),
    "421": ("greeting", ("421 4.7.0 no", DROP), "none"),
    "550 to EHLO": ("EHLO", "550 too many connections from your host", "none"),
    "554": ("greeting", ("554 5.7.1 Too many concurrent sessions", DROP), "tls"),
    "432 to AUTH": ("AUTH", "432 4.3.2 Concurrent connections limit exceeded", "starttls"),
    "550 to AUTH": ("AUTH", "550 5.7.1 Too many simultaneous logins", "starttls"),
    "closed at AUTH": ("AUTH", DROP, "starttls"),
}


def reply(text):
    (one,) = ReplyParser().feed(text.encode() + b"\r\n")
    return one


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(("stage", "act", "tls_option"), EXCESS.values(), ids=EXCESS)
def test_of_60_mails_none_is_lost_to_a_server_that_bears_two_sessions(loop, stage, act, tls_option, caplog):
    async def work():
        letters = numbered(range(60), recipients=1)
        tls = None if tls_option == "none" else server_context()
        offer = (*PIPELINING, "AUTH PLAIN")
        server = ScriptedServer(
            {stage: [USUAL, USUAL, act], "HELO": act}, tls=tls, implicit_tls=tls_option == "tls", extensions=offer
        )
        settings = {
            "tls_option": tls_option,
            "ca": ca_pem() if tls else None,
            "login": USER if stage == "AUTH" else None,
        }
        # Whoever hangs up in the handshake is asked in clear text too, and this one would say nothing.
        patience = replace(deadlines(5), probe=0.2)
        async with server, client_of(server, max_sessions=6, deadlines=patience, **settings) as client:
            handovers = [one async for one in client.send_many(letters)]
        assert [one.error for one in handovers] == [None] * 60
        outcomes = {one.number: one.outcome for one in handovers if one.outcome}
        assert all(map(is_accepted, outcomes.values()))
        assert_truth(server, letters, [outcomes[number] for number in range(60)])
        assert sum(bool(visit.contents) for visit in server.visits) <= 2
        assert len(server.visits) < 30

    on_loop(loop, work)
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ({"greeting": DROP}, SessionLost),
        ({"greeting": "554 too many connections"}, ServerRefused),
        ({"AUTH": "550 too many sessions"}, LoginFailed),
    ],
)
async def test_without_any_session_each_send_ends_and_may_be_tried_again(script, kind):
    settings = {"max_sessions": 3, "login": USER}
    offer = (*PIPELINING, "AUTH PLAIN")
    async with ScriptedServer(script, extensions=offer) as server, client_of(server, **settings) as client:
        ends = await asyncio.gather(*[client.send(letter()) for _ in range(6)], return_exceptions=True)
        assert repr(client._pool) == "<SessionPool: 0 leased, 0 idle, 0 waiting>"
    assert {type(end) for end in ends} == {kind}
    assert all(end.transient for end in ends if isinstance(end, (SessionLost, ServerRefused, LoginFailed)))


@pytest.mark.parametrize(
    "text",
    [
        "421 4.7.0 Too many concurrent SMTP connections; please try again later.",
        "421 4.7.0 localhost Error: too many connections from 127.0.0.1",
        "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded",
        "550 Too many sessions",
        "554 5.7.0 Maximum number of connections reached",
        "554 connection limit exceeded",
    ],
)
def test_limits_of_sessions_are_known_by_their_words(text):
    assert is_session_limit(reply(text))


@pytest.mark.parametrize(
    "text",
    [
        "535 5.7.8 Too many failed login attempts",
        "535 5.7.8 Too many login attempts, please try again later",
        "535 5.7.0 Too many tries",
        "550 5.7.1 Too many attempts: account locked",
        "550 5.7.1 Too many bad commands",
        "550 Too many messages today",
        "554 5.4.6 Too many hops",
        "550 5.7.1 Client was not authenticated",
        "220 too many sessions",
    ],
)
def test_and_nothing_else_is_taken_for_one(text):
    assert not is_session_limit(reply(text))


@pytest.mark.parametrize(
    "text", ["451 timeout", "451 4.4.2 Timed out", "450 session idle too long", "421 4.4.2 time-out, closing"]
)
def test_limits_of_time_are_known_by_their_words(text):
    assert is_time_limit(reply(text))
    assert not is_time_limit(reply("5" + text[1:]))


TOO_MANY = (
    "550 too many recipients",
    "550 5.5.3 Too many recipients",
    "553 Too many recipients specified",
    "554 5.5.3 no more",
    "554 5.7.1 too many rcpts",
    "451 4.5.3 Too many recipients this session",
)


@pytest.mark.parametrize("text", TOO_MANY)
@pytest.mark.parametrize("extensions", [PIPELINING, LOCKSTEP])
async def test_recipients_that_are_too_many_go_in_a_next_transaction(text, extensions):
    script = {"RCPT TO:<r2": [text, "250 ok"]}
    letters = numbered([0], recipients=3)
    async with ScriptedServer(script, extensions=extensions) as server, client_of(server) as client:
        (outcome,) = await endings_of(client, letters)
    assert is_accepted(outcome)
    assert [len(one.forward_paths) for one in server.accepted] == [2, 1]
    assert_truth(server, letters, [outcome])


@pytest.mark.parametrize(
    "text",
    [
        "550 5.1.1 too many recipients of that name: user unknown",
        "550 no such user",
        "553 5.1.3 bad address",
        "554 5.7.1 relay access denied",
        "552 5.2.2 quota",
    ],
)
def test_what_a_recipient_is_refused_for_is_no_limit(text):
    assert not is_recipient_limit(reply(text))


class TestASenderThatIsRefusedForTheTimeThatHasPassed:
    @pytest.mark.parametrize("text", ["451 timeout", "450 4.4.2 idle for too long", "421 4.4.2 idle"])
    @pytest.mark.parametrize("extensions", [PIPELINING, LOCKSTEP])
    async def test_on_a_reused_session_gets_a_fresh_one(self, text, extensions):
        script = {"MAIL": ["250 ok", text, "250 ok"]}
        async with ScriptedServer(script, extensions=extensions) as server, client_of(server) as client:
            for _ in range(2):
                assert (await client.send(letter())).accepted
        assert len(server.visits) == 2

    async def test_on_a_fresh_one_is_told_so(self):
        async with ScriptedServer({"MAIL": "451 timeout"}) as server, client_of(server) as client:
            outcome = await client.send(letter())
        assert (outcome.phase, outcome.reply.code, len(server.visits)) == ("mail", 451, 1)

    async def test_but_not_for_another_reason(self):
        async with ScriptedServer({"MAIL": ["250 ok", "451 greylisted"]}) as server, client_of(server) as client:
            await client.send(letter())
            outcome = await client.send(letter())
        assert (outcome.reply.code, len(server.visits)) == (451, 1)


@pytest.mark.parametrize(
    ("stage", "usual", "phase"),
    [
        ("greeting", "220 hello", "greeting"),
        ("EHLO", "250-scripted\n250 AUTH PLAIN", "ehlo"),
        ("AUTH", "235 in", "auth"),
        ("MAIL", "250 ok", "mail"),
        ("RCPT", "250 ok", "rcpt"),
    ],
)
async def test_two_replies_to_one_command_are_told_with_its_phase_by_send_and_by_verify(stage, usual, phase):
    script = {stage: f"{usual}\n250 and again"}
    async with ScriptedServer(script, extensions=(*LOCKSTEP, "AUTH PLAIN")) as server:
        async with client_of(server, login=USER) as client:
            with pytest.raises(SessionLost) as lost:
                await client.send(letter())
        settings = ServerSettings(
            host="127.0.0.1", port=server.port, tls_option="none", login=USER, deadlines=deadlines(2)
        )
        diagnosis = await examine(settings, sender="ann@x.example", recipients=["bob@y.example"], usual=())
        away = await examine(settings, usual=())
    assert (lost.value.code, lost.value.phase, lost.value.unknown) == (ErrorCode.BAD_REPLY, phase, False)
    failed = [(one.step, one.code) for one in diagnosis.findings if one.status == "failed"]
    assert failed == [(phase, ErrorCode.BAD_REPLY)]
    if phase not in {"mail", "rcpt"}:  # which are not asked without a sender
        assert [(one.step, one.code) for one in away.findings if one.status == "failed"] == failed
