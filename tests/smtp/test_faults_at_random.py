"""Batches of any size, over some sessions, to servers that fail anywhere in any way, again and again."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.batch_outcomes import assert_truth, client_of, deadlines, ending_of, numbered
from support.scripted_smtp import DROP, HOLD, LOCKSTEP, PIPELINING, RESET, STALL, SWALLOW, TAKE, USUAL, ScriptedServer

MOST = 8
SLOW_SECONDS = 0.06


class Endless(bytes):
    """Octets that hypothesis need not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "an endless line"


STAGES = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "content", "dot", "RSET", "QUIT", "pipelined", "after dot")
TWICE = "250 2.0.0 ok\n250 2.0.0 and ok again"
ENDS = st.sampled_from([DROP, DROP, RESET, RESET, STALL])
GARBAGE = (b"\x00\xff what?\r\n", Endless(b"290 " + b"x" * 100_000), b"25")
REPLIES = st.sampled_from(
    [
        *GARBAGE,
        "450 4.3.0 later",
        "452 4.5.3 too many",
        "550 5.3.0 never",
        "503 5.5.1 out of order",
        "421 4.3.2 closing",
    ]
)
FAULTS = st.one_of(REPLIES, ENDS, st.tuples(REPLIES, ENDS), st.tuples(st.just(USUAL), ENDS), st.just((HOLD, USUAL)))
DOT_FAULTS = st.one_of(
    FAULTS, st.tuples(st.just(TAKE), ENDS), st.tuples(st.just(TAKE), st.sampled_from(GARBAGE)), st.just(TWICE)
)


@pytest.fixture(autouse=True)
def hasty(monkeypatch):
    """Withdraw the slot of a pipelined message as soon as a server is as slow as HOLD makes it here."""
    monkeypatch.setattr("mailnode.smtp.session.PIPELINE_SECONDS", SLOW_SECONDS / 3)


@st.composite
def scripts(draw):
    """Some faults, each at some stage after some times that all went well there, of any message or of one."""
    script = {}
    for _ in range(draw(st.integers(1, 4))):
        stage = draw(st.sampled_from(STAGES))
        if stage in {"MAIL", "RCPT", "RSET"}:
            faults = st.one_of(FAULTS, st.just(TWICE))
        else:
            faults = DOT_FAULTS if stage == "dot" else FAULTS
        if stage in {"pipelined", "after dot"}:
            faults = st.one_of(faults, st.just(SWALLOW))
        whose = draw(st.sampled_from(["", *[f" of <m{number}@" for number in range(MOST)]]))
        script[stage + whose] = [*[USUAL] * draw(st.integers(0, 3)), draw(faults), USUAL]
    return script


async def batch(client, letters, cancelled, wishes):
    """Send all at once, cancel some after so many ticks, and give what became of each."""
    sends = [asyncio.create_task(client.send(one, partial_delivery=wishes)) for one in letters]
    for tick in range(max(cancelled.values(), default=-1) + 1):
        for number, when in cancelled.items():
            if when == tick:
                sends[number % len(sends)].cancel()
        await asyncio.sleep(0)
    return [ending_of(result) for result in await asyncio.gather(*sends, return_exceptions=True)]


@settings(max_examples=200)
@given(
    script=scripts(),
    size=st.integers(1, MOST),
    sessions=st.integers(1, 3),
    extensions=st.sampled_from([PIPELINING, PIPELINING, LOCKSTEP]),
    split=st.sampled_from([0, 0, 1, 20]),
    is_large=st.booleans(),
    wishes=st.sampled_from(["allow", "refuse"]),
    cancelled=st.just({}) | st.dictionaries(st.integers(0, MOST - 1), st.integers(0, 150), max_size=3),
)
async def test_what_the_server_took_is_what_the_outcomes_say(
    script, size, sessions, extensions, split, is_large, wishes, cancelled
):
    letters = numbered(range(size + 1), is_large=is_large)
    is_mute = any(word in str(script) for word in ("STALL", "SWALLOW", "b'25'"))
    async with ScriptedServer(script, extensions=extensions, split=split) as server:
        asyncio.get_running_loop().call_later(SLOW_SECONDS, server.release)
        patience = deadlines(0.1 if is_mute else 5)
        async with client_of(server, max_sessions=sessions, deadlines=patience) as client:
            endings = await batch(client, letters[:size], cancelled, wishes)
            endings += await batch(client, letters[size:], {}, wishes)
        assert repr(client._pool) == "<SessionPool: 0 leased, 0 idle, 0 waiting>"
    assert_truth(server, letters, endings)
