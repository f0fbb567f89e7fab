"""A server that hangs up right behind a reply that it owed: what it said counts, and nothing of the rest is lost."""

import pytest

from mailnode.smtp.client import SmtpClient
from mailnode.smtp.sasl import Login
from support.batch_outcomes import assert_truth, client_of, endings_of, is_accepted, numbered
from support.loops import LOOPS, on_loop
from support.scripted_smtp import CUT, DROP, PIPELINING, RESET, USUAL, ScriptedServer
from support.tls import ca_pem, server_context

# Over TLS the first says so (close_notify); the second closes TCP alone; the third resets it.
ENDS = {"close": DROP, "cut": CUT, "reset": RESET}
OPENING = ("greeting", "EHLO", "STARTTLS", "AUTH")
STAGES = (*OPENING, "MAIL", "RCPT", "DATA", "dot", "RSET", "QUIT")
BATCH = 4

loops = pytest.mark.parametrize("loop", LOOPS)
modes = pytest.mark.parametrize("tls_option", ["none", "starttls", "tls"])
ends = pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)


def server_of(script, tls_option):
    tls = None if tls_option == "none" else server_context()
    extensions = (*PIPELINING, "AUTH PLAIN")
    return ScriptedServer(script, tls=tls, implicit_tls=tls_option == "tls", extensions=extensions)


def settings_of(tls_option):
    return {"tls_option": tls_option, "ca": None if tls_option == "none" else ca_pem()}


@loops
@modes
@ends
class TestAServerThatClosesBehindEach250:
    def test_has_what_one_client_sends_at_once_each_mail_once(self, loop, tls_option, end, caplog):
        async def work():
            letters = numbered(range(20))
            settings = {"max_sessions": 3, **settings_of(tls_option)}
            script = {"dot": (USUAL, end)}
            async with server_of(script, tls_option) as server, client_of(server, **settings) as client:
                handovers = [one async for one in client.send_many(letters)]
            assert [one.error for one in handovers] == [None] * 20
            outcomes = {one.number: one.outcome for one in handovers if one.outcome}
            assert all(map(is_accepted, outcomes.values()))
            assert_truth(server, letters, [outcomes[number] for number in range(20)])

        on_loop(loop, work)
        assert caplog.text == ""

    def test_has_what_is_sent_one_after_the_other(self, loop, tls_option, end, caplog):
        async def work():
            letters = numbered(range(3))
            async with server_of({"dot": (USUAL, end)}, tls_option) as server:
                async with client_of(server, **settings_of(tls_option)) as client:
                    for one in letters[:2]:
                        assert is_accepted(await client.send(one))
                async with SmtpClient("127.0.0.1", server.port, **settings_of(tls_option)) as client:
                    assert is_accepted(await client.send(letters[2]))
            assert len(server.accepted) == 3

        on_loop(loop, work)
        assert caplog.text == ""


def script_of(stage, end, number):
    """Let it hang up behind this reply about one message, once; each message before it ends its session."""
    if stage == "QUIT":
        return {stage: (USUAL, end)}
    if stage in OPENING:
        return {f"dot of <m{number - 1}@": (USUAL, DROP), stage: [*[USUAL] * (number > 0), (USUAL, end), USUAL]}
    before = {f"RCPT of <m{number}@": "550 5.1.1 no such user"} if stage == "RSET" else {}
    return {**before, f"{stage} of <m{number}@": [(USUAL, end), USUAL]}


async def play(stage, end, number, tls_option):
    letters = numbered(range(BATCH + 1))
    settings = settings_of(tls_option)
    if stage == "AUTH":
        settings |= {"login": Login("user", "pencil")}
    script = script_of(stage, end, number)
    async with server_of(script, tls_option) as server, client_of(server, **settings) as client:
        endings = await endings_of(client, letters[:BATCH])
        endings += await endings_of(client, letters[BATCH:])
    assert_truth(server, letters, endings)
    assert sum(not is_accepted(ending) for ending in endings) <= (2 if stage == "RSET" else 1)
    if stage != "DATA":  # whose content may have been under way when the end came
        assert not any(getattr(ending, "unknown", False) for ending in endings)


@loops
@modes
@pytest.mark.parametrize("stage", STAGES)
def test_right_behind_any_reply_it_harms_one_message_at_most(loop, tls_option, stage, caplog):
    if stage == "STARTTLS" and tls_option != "starttls":
        return

    async def work():
        for end in ENDS.values():
            for number in (0, BATCH - 2):
                await play(stage, end, number, tls_option)

    on_loop(loop, work)
    assert caplog.text == ""
