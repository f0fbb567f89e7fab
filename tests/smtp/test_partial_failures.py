"""Batches in which single commands are refused, and servers that can't do what they offer."""

import asyncio

import pytest

from mailnode.smtp.outcome import Outcome
from mailnode.smtp.send_queue import SendRequest
from support.batch_outcomes import assert_truth, client_of, deadlines, endings_of, is_accepted, numbered
from support.scripted_smtp import DROP, LOCKSTEP, PIPELINING, RESET, STALL, SWALLOW, TAKE, USUAL, ScriptedServer

BATCH = 5
TOO_MANY = "452 4.5.3 too many recipients"


async def send_batch(script, letters, *, extensions=PIPELINING, split=0, seconds=5.0, sessions=1):
    """Send them all at once, hold what is said against what was taken, and give the server and the endings."""
    async with ScriptedServer(script, extensions=extensions, split=split) as server:
        async with client_of(server, max_sessions=sessions, deadlines=deadlines(seconds)) as client:
            endings = await endings_of(client, letters)
            assert repr(client._pool).startswith("<SessionPool: 0 leased")
        assert repr(client._pool) == "<SessionPool: 0 leased, 0 idle, 0 waiting>"
    assert_truth(server, letters, endings)
    return server, endings


def statuses(ending):
    assert isinstance(ending, Outcome)
    return "".join(recipient.status[0] for recipient in ending.recipients)


class TestRefusals:
    """Of message `{}`, which has three recipients; a, r, d: accepted, refused, deferred."""

    REFUSALS = (
        ({"MAIL FROM:<m{}@": "550 5.7.1 not you"}, "rrr"),
        ({"MAIL FROM:<m{}@": "451 4.7.1 not now"}, "ddd"),
        ({"RCPT TO:<r1.m{}@": "550 5.1.1 no such user"}, "ara"),
        ({"RCPT TO:<r0.m{}@": "450 4.2.1 later", "RCPT TO:<r2.m{}@": "550 5.1.1 no"}, "dar"),
        ({"RCPT of <m{}@": "550 5.1.1 no such user"}, "rrr"),
        ({"RCPT of <m{}@": "550 5.1.1 no such user", "DATA of <m{}@": "354 go on"}, "rrr"),
        ({"RCPT of <m{}@": [USUAL, TOO_MANY, TOO_MANY, USUAL, TOO_MANY, USUAL]}, "aaa"),
        ({"RCPT of <m{}@": [USUAL, TOO_MANY, "550 5.1.1 no", USUAL]}, "aar"),
        ({"RCPT of <m{}@": TOO_MANY}, "ddd"),
        ({"DATA of <m{}@": "451 4.3.0 disk full"}, "ddd"),
        ({"DATA of <m{}@": "554 5.3.0 never"}, "rrr"),
        ({"RCPT TO:<r1.m{}@": "550 5.1.1 no", "DATA of <m{}@": "451 4.3.0 later"}, "drd"),
        ({"content of <m{}@": ("552 5.3.4 too large", DROP)}, "rrr"),
        ({"content of <m{}@": ("421 4.3.2 closing", DROP)}, "ddd"),
        ({"dot of <m{}@": "554 5.7.1 spam"}, "rrr"),
        ({"dot of <m{}@": ("421 4.3.2 closing", DROP)}, "ddd"),
        ({"dot of <m{}@": "421 4.3.2 closing"}, "ddd"),
    )

    @pytest.mark.parametrize("number", [0, 2, BATCH - 1])
    @pytest.mark.parametrize("is_large", [False, True], ids=["small", "large"])
    @pytest.mark.parametrize(("extensions", "split"), [(PIPELINING, 0), (PIPELINING, 1), (LOCKSTEP, 0)])
    @pytest.mark.parametrize(("refusal", "expected"), REFUSALS)
    async def test_they_concern_their_message_alone(self, refusal, expected, extensions, split, is_large, number):
        letters = numbered(range(BATCH), recipients=3, is_large=is_large)
        script = {key.format(number): action for key, action in refusal.items()}
        _, endings = await send_batch(script, letters, extensions=extensions, split=split)
        wanted = ["aaa"] * BATCH
        wanted[number] = expected
        assert [statuses(ending) for ending in endings] == wanted

    async def test_a_loss_in_a_second_transaction_leaves_the_first_one_accepted(self):
        letters = numbered(range(BATCH), recipients=3)
        script = {"RCPT of <m1@": [USUAL, TOO_MANY, TOO_MANY, USUAL], "dot of <m1@": [USUAL, (TAKE, RESET)]}
        server, endings = await send_batch(script, letters)
        assert endings[1].outcome.accepted == ("r0.m1@y.example",)
        assert [is_accepted(ending) for ending in endings] == [True, False, True, True, True]
        assert len(server.visits) == 2


class TestAMessageThatIsNone:
    @pytest.mark.parametrize("number", [0, 1, 3, BATCH - 1])
    @pytest.mark.parametrize("what", ["size", "blocks"])
    async def test_what_it_raises_is_its_own(self, what, number):
        class Broken:
            def __init__(self, message):
                self.message = message

            def __getattr__(self, name):
                return getattr(self.message, name)

            @property
            def size(self):
                return self.read("size") or self.message.size

            def blocks(self):
                return self.read("blocks") or self.message.blocks()

            def read(self, this):
                if this == what:
                    raise RuntimeError("disk gone")

        letters = numbered(range(BATCH))
        letters[number] = Broken(letters[number])
        async with ScriptedServer() as server, client_of(server) as client:
            ends = await asyncio.gather(*map(client.hand_over, map(SendRequest, letters)), return_exceptions=True)
        assert isinstance(ends.pop(number), RuntimeError)
        assert all(map(is_accepted, ends))
        assert len(server.accepted) == BATCH - 1


class TestServersThatPromiseTooMuch:
    """They offer PIPELINING, and can't do it: not at all, or not behind the end of a content."""

    @pytest.mark.parametrize("sessions", [1, 2])
    @pytest.mark.parametrize("stage", ["pipelined", "after dot"])
    @pytest.mark.parametrize(
        "deed",
        ["503 5.5.1 one at a time", "554 5.5.0 out of step", SWALLOW, STALL, DROP, RESET, (SWALLOW, "503 what?")],
    )
    async def test_every_message_arrives_all_the_same(self, deed, stage, sessions):
        letters = numbered(range(BATCH))
        seconds = 5.0 if isinstance(deed, str) or deed in {DROP, RESET} else 0.4
        _, endings = await send_batch({stage: deed}, letters, seconds=seconds, sessions=sessions)
        assert all(map(is_accepted, endings))
