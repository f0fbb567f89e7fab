"""One round trip a message: the next one's commands in the write of this one's final dot, and when not."""

import asyncio
import itertools
import re

import pytest

from mailnode.errors import ErrorCode, SessionLost, Unsendable
from mailnode.smtp import session
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.send_queue import SendRequest
from mailnode.smtp.server import Deadlines
from support.messages import letter
from support.scripted_smtp import DROP, HOLD, LOCKSTEP, PIPELINING, RESET, STALL, ScriptedServer

PIPELINED_WRITE = re.compile(rb"\r\n\.\r\nMAIL FROM:.*\r\nDATA\r\n$", re.DOTALL)


def client_of(server, **settings):
    settings = {"max_sessions": 1, "ehlo_name": "client.example", **settings}
    return SmtpClient("127.0.0.1", server.port, tls_option="none", **settings)


def numbered(number, **said):
    return letter(f"r{number}@y.example", content=b"Subject: %d\r\n\r\nhi\r\n" % number, **said)


async def send_all(server, messages, **settings):
    async with client_of(server, **settings) as client:
        return await asyncio.gather(*[client.send(message) for message in messages], return_exceptions=True)


def pipelined_writes(visit):
    return [group for group in visit.groups if b"\r\n.\r\nMAIL" in group]


async def test_a_message_takes_one_round_trip_while_others_wait():
    async with ScriptedServer() as server:
        outcomes = await send_all(server, [numbered(n) for n in range(5)])
    assert all(outcome.accepted for outcome in outcomes)
    greeted, *groups = server.visit.groups
    assert greeted.startswith(b"EHLO")
    assert groups[0].startswith(b"MAIL FROM")
    assert groups[0].endswith(b"DATA\r\n")
    assert all(PIPELINED_WRITE.search(group) for group in groups[1:5])
    assert groups[5:] == [b"Subject: 4\r\n\r\nhi\r\n.\r\n", b"QUIT\r\n"]
    assert [accepted.forward_paths for accepted in server.accepted] == [
        (f"RCPT TO:<r{n}@y.example>",) for n in range(5)
    ]


async def test_nothing_is_pipelined_while_the_pool_has_room():
    async with ScriptedServer() as server:
        await send_all(server, [numbered(n) for n in range(3)], max_sessions=3)
    assert len(server.visits) == 3
    assert not any(pipelined_writes(visit) for visit in server.visits)


async def test_nothing_is_pipelined_on_a_server_that_would_crash_of_it():
    async with ScriptedServer({"greeting": "220 mail.example Dovecot (Debian) ready."}) as server:
        outcomes = await send_all(server, [numbered(n) for n in range(5)])
    assert all(outcome.accepted for outcome in outcomes)
    assert not pipelined_writes(server.visit)
    assert sum(group.startswith(b"MAIL") and group.endswith(b"DATA\r\n") for group in server.visit.groups) == 5


async def test_a_server_without_pipelining_is_asked_one_thing_at_a_time():
    async with ScriptedServer(extensions=LOCKSTEP) as server:
        outcomes = await send_all(server, [numbered(n) for n in range(3)])
    assert all(outcome.accepted for outcome in outcomes)
    assert all(group.count(b"\r\n") == 1 or group.endswith(b"\r\n.\r\n") for group in server.visit.groups)


async def test_refusals_of_one_message_are_not_those_of_its_neighbours():
    script = {
        "MAIL FROM:<bad": "550 5.7.1 not you",
        "RCPT TO:<r3@": "550 5.1.1 nobody",
        "dot": ["250 ok", "554 spam", "250 ok"],
    }
    messages = [numbered(n, sender="bad@x.example" if n == 1 else "ann@x.example") for n in range(6)]
    async with ScriptedServer(script) as server:
        outcomes = await send_all(server, messages)
    assert [outcome.reply.code for outcome in outcomes] == [250, 550, 554, 550, 250, 250]
    assert [accepted.content for accepted in server.accepted] == [b"Subject: %d\r\n\r\nhi\r\n" % n for n in (0, 4, 5)]


async def test_all_or_nothing_is_pipelined_up_to_its_last_recipient():
    async with ScriptedServer() as server, client_of(server) as client:
        messages = [letter(f"a{n}@y.example", f"b{n}@y.example") for n in range(3)]
        outcomes = await asyncio.gather(*[client.send(message, partial_delivery="refuse") for message in messages])
    assert all(len(outcome.accepted) == 2 for outcome in outcomes)
    assert all(
        group.endswith(b"RCPT TO:<b%d@y.example>\r\n" % n) for n, group in enumerate(pipelined_writes(server.visit), 1)
    )


async def test_nothing_is_pipelined_behind_a_message_with_too_many_recipients():
    script = {"RCPT TO:<c0@": ["452 4.5.3 too many", "250 ok"]}
    async with ScriptedServer(script) as server:
        outcomes = await send_all(server, [letter("a0@y.example", "c0@y.example"), numbered(1)])
    assert [outcome.accepted for outcome in outcomes] == [("a0@y.example", "c0@y.example"), ("r1@y.example",)]
    assert [len(pipelined_writes(visit)) for visit in server.visits] == [1]
    assert [len(accepted.forward_paths) for accepted in server.accepted] == [1, 1, 1]


async def test_a_long_group_is_not_pipelined_and_waits_first_in_line():
    many = letter(*[f"r{n}@{'y' * 60}.example" for n in range(60)], content=b"Subject: many\r\n\r\nhi\r\n")
    async with ScriptedServer() as server:
        outcomes = await send_all(server, [numbered(1), many, numbered(2)])
    assert all(outcome.accepted for outcome in outcomes)
    assert max(len(group) for group in pipelined_writes(server.visit)) < session.PIPELINE_BYTES
    assert [accepted.content.split(b"\r\n")[0] for accepted in server.accepted] == [
        b"Subject: 1",
        b"Subject: many",
        b"Subject: 2",
    ]


async def test_who_can_not_be_sent_steps_aside_for_the_next_in_line():
    strange = numbered(1, sender="jürgen@x.example")
    extensions = [keyword for keyword in PIPELINING if keyword != "SMTPUTF8"]
    async with ScriptedServer(extensions=extensions) as server:
        first, second, third = await send_all(server, [numbered(0), strange, numbered(2)])
    assert first.accepted
    assert third.accepted
    assert isinstance(second, Unsendable)
    assert second.code == ErrorCode.SMTPUTF8_NOT_OFFERED
    assert len(pipelined_writes(server.visit)) == 1


class TestALostSession:
    @pytest.mark.parametrize("step", [DROP, RESET])
    async def test_leaves_at_most_the_message_whose_dot_was_out_unknown(self, step):
        async with ScriptedServer({"dot": ["250 ok", step, "250 ok"]}) as server:
            first, second, third, fourth = await send_all(server, [numbered(n) for n in range(4)])
        assert first.accepted
        assert third.accepted
        assert fourth.accepted
        assert isinstance(second, SessionLost)
        assert second.unknown
        assert len(server.accepted) == 3

    async def test_means_that_no_message_is_pipelined_to_this_host_any_more(self):
        async with ScriptedServer({"dot": ["250 ok", DROP, "250 ok"]}) as server:
            await send_all(server, [numbered(n) for n in range(6)])
        assert len(pipelined_writes(server.visits[0])) == 2
        assert not pipelined_writes(server.visits[1])

    async def test_in_the_pipelined_group_costs_only_a_second_try(self):
        async with ScriptedServer({"MAIL": ["250 ok", DROP, "250 ok"]}) as server:
            outcomes = await send_all(server, [numbered(n) for n in range(4)])
        assert all(outcome.accepted for outcome in outcomes)
        assert len(server.accepted) == 4


class TestAFarewell:
    async def test_to_a_pipelined_group_is_no_verdict_on_its_message(self):
        async with ScriptedServer({"MAIL": ["250 ok", ("421 enough", DROP), "250 ok"]}) as server:
            outcomes = await send_all(server, [numbered(n) for n in range(3)])
        assert all(outcome.accepted for outcome in outcomes)
        assert pipelined_writes(server.visits[1])

    async def test_after_the_same_number_of_messages_twice_is_taken_for_a_rule(self):
        script = {"MAIL": ["250 ok", "250 ok", ("421 enough", DROP)] * 2 + ["250 ok"]}
        async with ScriptedServer(script) as server:
            outcomes = await send_all(server, [numbered(n) for n in range(8)])
        assert all(outcome.accepted for outcome in outcomes)
        assert [visit.count("MAIL") for visit in server.visits] == [3, 3, 2, 2]
        assert [visit.commands[-1] for visit in server.visits[2:]] == ["QUIT", "QUIT"]


class TestAServerThatOnlyClaimsPipelining:
    @pytest.mark.parametrize("refusal", ["503 5.5.1 out of order", "554 5.5.0 synchronization error"])
    async def test_by_refusing_pipelined_messages_gets_one_group_a_message(self, refusal):
        async with ScriptedServer({"MAIL": ["250 ok", refusal, "250 ok"]}) as server:
            outcomes = await send_all(server, [numbered(n) for n in range(4)])
        assert all(outcome.accepted for outcome in outcomes)
        assert not pipelined_writes(server.visits[-1])
        assert server.visits[-1].groups[1].endswith(b"DATA\r\n")

    async def test_by_refusing_a_group_is_asked_one_thing_at_a_time(self):
        async with ScriptedServer({"RCPT": ["503 5.5.1 out of order", "250 ok"]}) as server:
            outcomes = await send_all(server, [numbered(n) for n in range(3)])
        assert all(outcome.accepted for outcome in outcomes)
        assert b"MAIL FROM:<ann@x.example> SIZE=%d\r\n" % numbered(0).size in server.visits[-1].groups

    @pytest.mark.parametrize("step", [DROP, STALL])
    async def test_by_ending_or_falling_silent_in_mid_group_is_asked_one_thing_at_a_time(self, step):
        async with ScriptedServer({"RCPT": [step, "250 ok"]}) as server:
            outcomes = await send_all(server, [numbered(n) for n in range(3)], deadlines=Deadlines(rcpt=0.2))
        assert all(outcome.accepted for outcome in outcomes)
        assert len(server.accepted) == 3

    async def test_and_refuses_one_by_one_too_has_the_last_word(self):
        async with ScriptedServer({"RCPT": "503 5.5.1 log in first"}) as server:
            (outcome,) = await send_all(server, [numbered(0)])
        assert outcome.refused[0].reply.code == 503
        assert not server.accepted


class TestSessionLimits:
    async def test_a_refused_session_waits_for_those_that_the_server_bears(self):
        async with ScriptedServer({"greeting": ["220 one", "220 two", "421 4.7.0 too many sessions"]}) as server:
            outcomes = await send_all(server, [numbered(n) for n in range(20)], max_sessions=5)
        assert all(outcome.accepted for outcome in outcomes)
        assert sum(bool(visit.contents) for visit in server.visits) == 2

    async def test_without_any_session_the_refusal_stands(self):
        async with ScriptedServer({"greeting": "421 4.7.0 too many sessions"}) as server:
            outcomes = await send_all(server, [numbered(n) for n in range(3)], max_sessions=2)
        assert [str(outcome.code) for outcome in outcomes] == ["serverRefused"] * 3


async def test_queue_groups_take_turns():
    async with ScriptedServer() as server, client_of(server) as client:
        bulk = [client.hand_over(SendRequest(numbered(n), queue_group="bulk")) for n in range(20)]
        await asyncio.gather(*bulk, client.hand_over(SendRequest(numbered(99), queue_group="alert")))
    order = [accepted.content.split()[1] for accepted in server.accepted]
    assert order.index(b"99") <= 2


async def test_a_message_is_told_of_its_dot_while_the_pipelined_one_still_waits():
    async with ScriptedServer({"MAIL": ["250 ok", [HOLD, "250 ok"]]}) as server, client_of(server) as client:
        first, second = [asyncio.create_task(client.send(numbered(n))) for n in range(2)]
        await asyncio.wait([first], timeout=10)
        assert not second.done()
        has_heard = first.done()
        server.release()
        assert has_heard
        assert (await second).accepted
    assert len(pipelined_writes(server.visit)) == 1


async def test_a_server_that_takes_long_for_a_dot_loses_the_pipelined_message_to_another_session(monkeypatch):
    monkeypatch.setattr(session, "PIPELINE_SECONDS", 0.05)
    script = {"dot": [[HOLD, "250 ok"], "250 ok"]}
    async with ScriptedServer(script) as server, client_of(server, max_sessions=2) as client:
        sends = [asyncio.create_task(client.send(numbered(n))) for n in range(6)]
        # Whose dot is held depends on which session opens first.
        for ended in itertools.islice(asyncio.as_completed(sends), 5):
            await ended
        assert [send.done() for send in sends].count(False) == 1
        server.release()
        outcomes = await asyncio.gather(*sends)
    assert all(outcome.accepted for outcome in outcomes)
    assert len(server.accepted) == 6
