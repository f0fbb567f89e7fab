"""Every stage of a session goes wrong in every way, for the first, a middle and the last message of a batch."""

from dataclasses import replace
from typing import Any

import pytest

from mailnode.smtp.sasl import Login
from support.batch_outcomes import assert_truth, client_of, deadlines, endings_of, is_accepted, numbered
from support.scripted_smtp import DROP, PIPELINING, RESET, STALL, TAKE, USUAL, ScriptedServer
from support.tls import ca_pem, server_context

BATCH = 5
OPENING = ("greeting", "EHLO", "STARTTLS", "tls", "AUTH")
STAGES = (*OPENING, "MAIL", "RCPT", "DATA", "content", "dot", "RSET", "QUIT")
FAULTS = {
    "drop": DROP,
    "reset": RESET,
    "reset after a 250": (USUAL, RESET),
    "drop after a 250": (USUAL, DROP),
    "drop amid a reply": (b"25", DROP),
    "stall past the deadline": STALL,
    "garbage": b"\x00\xff\x16 what?\r\n",
    "an oversized line": b"250 " + b"x" * 100_000 + b"\r\n",
    "an endless reply": b"250-and\r\n" * 10_000,
    "4xx": "450 4.3.0 later",
    "5xx": "550 5.3.0 never",
    "421": ("421 4.3.2 closing", DROP),
    "421 without closing": "421 4.3.2 closing",
}

# Only these are short where the server stalls: what the other stages take is the machine's affair.
DEADLINES_OF = {
    "greeting": ("silence", "probe", "greeting"),
    "EHLO": ("ehlo",),
    "STARTTLS": ("tls",),
    "tls": ("tls",),
    "AUTH": ("auth",),
    "MAIL": ("mail",),
    "RCPT": ("rcpt",),
    "DATA": ("data",),
    "content": ("content",),
    "dot": ("content",),
    "RSET": ("mail",),
    "QUIT": ("quit",),
}


def script_of(stage, fault, number):
    """Make this stage of message `number` go wrong once; gives the script and the key of the fault in it."""
    if stage in OPENING:
        if number == 0:
            return {stage: [fault, USUAL]}, stage
        # The session before ends well, but without a word: the next one is opened for this message.
        return {f"dot of <m{number - 1}@": ("250 2.0.0 taken", DROP), stage: [USUAL, fault, USUAL]}, stage
    key = f"{stage} of <m{number}@"
    before = {f"RCPT of <m{number}@": "550 5.1.1 no such user"} if stage == "RSET" else {}
    return {**before, key: [fault, USUAL]}, key


def server_of(stage, script):
    """Offer what the stage needs."""
    tls = server_context() if stage in {"STARTTLS", "tls"} else None
    return ScriptedServer(script, tls=tls, extensions=(*PIPELINING, "AUTH PLAIN"))


def settings_of(stage, fault):
    """Make the client come to the stage, and lose its patience only where it must."""
    short = dict.fromkeys(DEADLINES_OF[stage] if fault is STALL else (), 0.25)
    settings: dict[str, Any] = {"deadlines": replace(deadlines(5), **short)}
    if stage in {"STARTTLS", "tls"}:
        settings |= {"tls_option": "starttls", "ca": ca_pem()}
    if stage == "AUTH":
        settings |= {"login": Login("user", "pencil")}
    if stage == "QUIT":
        settings |= {"idle_seconds": 0.0}
    return settings


class TestTheMatrix:
    @pytest.mark.parametrize("number", [0, 2, BATCH - 1])
    @pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
    @pytest.mark.parametrize("stage", STAGES)
    async def test_what_the_server_took_is_what_the_outcomes_say(self, stage, fault, number):
        letters = numbered(range(BATCH + 2), is_large=stage == "content")
        script, key = script_of(stage, fault, number)
        async with server_of(stage, script) as server:
            async with client_of(server, **settings_of(stage, fault)) as client:
                batch = 1 if stage == "QUIT" else BATCH  # nobody takes leave while messages wait
                endings = await endings_of(client, letters[:batch])
                for one in letters[batch:]:
                    endings += await endings_of(client, [one])
            assert server.has_played(key)
        assert_truth(server, letters, endings)
        assert all(map(is_accepted, endings[:number])), "an earlier message was harmed"
        harmed = sum(not is_accepted(ending) for ending in endings)
        if stage == "AUTH" and fault == FAULTS["5xx"]:
            assert harmed == len(endings) - number, "a login that was refused is not tried again so soon"
            return
        assert harmed <= (2 if stage == "RSET" else 1), "one fault harms one message"

    @pytest.mark.parametrize("end", [DROP, RESET, STALL])
    @pytest.mark.parametrize("number", [0, 2, BATCH - 1])
    async def test_a_message_taken_without_a_word_is_unknown_and_the_only_one(self, end, number):
        letters = numbered(range(BATCH))
        script = {f"dot of <m{number}@": (TAKE, end)}
        patience = replace(deadlines(5), content=0.25 if end is STALL else 5)
        async with ScriptedServer(script) as server, client_of(server, deadlines=patience) as client:
            endings = await endings_of(client, letters)
        assert_truth(server, letters, endings)
        assert [number] == [at for at, ending in enumerate(endings) if getattr(ending, "unknown", False)]

    async def test_the_batch_is_pipelined(self):
        letters = numbered(range(BATCH))
        async with ScriptedServer() as server, client_of(server) as client:
            assert all(map(is_accepted, await endings_of(client, letters)))
        assert [b"\r\n.\r\nMAIL FROM:" in group for group in server.visit.groups].count(True) == BATCH - 1
