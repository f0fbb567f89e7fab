"""Whoever is cancelled, wherever: the others fare as if nothing had been, and nothing stays behind."""

import asyncio
import itertools

import pytest

from mailnode.smtp import session as session_module
from mailnode.smtp.sasl import Login
from mailnode.smtp.send_queue import SendRequest, SlotWithdrawn
from support.batch_outcomes import assert_truth, client_of, ending_of, endings_of, is_accepted, numbered
from support.messages import letter
from support.scripted_smtp import HOLD, LOCKSTEP, PAUSE, PIPELINING, STALL, USUAL, ScriptedServer
from support.tls import ca_pem, server_context

BATCH = 5
OPEN, PIPELINED, WAITING, LAST = 0, 1, 2, BATCH - 1
NOTHING = "<SessionPool: 0 leased, 0 idle, 0 waiting>"


class Batch:
    """Sends at once over one session: the first is open, the second is pipelined, the others wait."""

    def __init__(self, server, client, letters, settings=None):
        self.server = server
        self.client = client
        self.letters = letters
        self.sends = [
            asyncio.create_task(client.hand_over(SendRequest(one, **(settings or {}).get(number, {}))))
            for number, one in enumerate(letters)
        ]
        self.cancelled: set[int] = set()

    async def cancel(self, *numbers):
        """Cancel some, who end at once whatever the server does."""
        for number in numbers:
            self.sends[number].cancel()
        await asyncio.wait([self.sends[number] for number in numbers])
        self.cancelled.update(numbers)

    async def end(self):
        """Wait for the others and for one more, all of which must be accepted, and close the client."""
        self.server.release()
        endings = [ending_of(result) for result in await asyncio.gather(*self.sends, return_exceptions=True)]
        later = numbered([len(self.letters)])
        endings += await endings_of(self.client, later)
        await self.client.aclose()
        assert repr(self.client._pool) == NOTHING
        harmed = {number for number, ending in enumerate(endings) if not is_accepted(ending)}
        assert harmed <= self.cancelled
        self.letters += later
        return endings

    def judge(self, endings):
        """Hold what was said against what was taken, when the server has done all that it will."""
        assert_truth(self.server, self.letters, endings)


class TestAtAStage:
    @pytest.mark.parametrize(
        "cancelled", [(OPEN,), (PIPELINED,), (WAITING,), (OPEN, PIPELINED), (PIPELINED, WAITING, LAST)]
    )
    @pytest.mark.parametrize("extensions", [PIPELINING, LOCKSTEP])
    @pytest.mark.parametrize("stage", ["greeting", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "content", "dot"])
    async def test_the_others_are_accepted(self, stage, extensions, cancelled):
        server = ScriptedServer({stage: [(HOLD, USUAL), USUAL]}, extensions=(*extensions, "AUTH PLAIN"))
        async with server, client_of(server, login=Login("user", "pencil")) as client:
            batch = Batch(server, client, numbered(range(BATCH), is_large=stage == "content"))
            await server.holding()
            await batch.cancel(*cancelled)
            endings = await batch.end()
        batch.judge(endings)

    @pytest.mark.parametrize("cancelled", [(OPEN,), (LAST, OPEN)])
    @pytest.mark.parametrize("stage", ["STARTTLS", "tls"])
    async def test_the_others_are_accepted_over_tls(self, stage, cancelled):
        server = ScriptedServer({stage: [STALL, USUAL]}, tls=server_context())
        async with server, client_of(server, tls_option="starttls", ca=ca_pem()) as client:
            batch = Batch(server, client, numbered(range(BATCH)))
            await server.reached(stage)
            await batch.cancel(*cancelled)
            endings = await batch.end()
        batch.judge(endings)

    @pytest.mark.parametrize("number", [1, 3])
    @pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "content", "dot"])
    async def test_nobody_before_or_after_one_in_the_middle_is_harmed(self, stage, number):
        script = {f"{stage} of <m{number}@": [(HOLD, USUAL), USUAL]}
        async with ScriptedServer(script) as server, client_of(server) as client:
            batch = Batch(server, client, numbered(range(BATCH)))
            await server.holding()
            await batch.cancel(number)
            endings = await batch.end()
        batch.judge(endings)

    async def test_the_reply_to_a_sent_dot_is_awaited_though_the_pipelined_send_is_cancelled(self):
        async with ScriptedServer({"dot": [(HOLD, USUAL), USUAL]}) as server, client_of(server) as client:
            batch = Batch(server, client, numbered(range(BATCH)))
            await server.holding()
            await batch.cancel(PIPELINED, WAITING, LAST)
            assert not server.visit.ended.is_set()
            endings = await batch.end()
        batch.judge(endings)
        assert is_accepted(endings[OPEN])

    async def test_content_that_the_network_does_not_take(self):
        large = letter(content=(b"x" * 998 + b"\r\n",) * 20_000, sender="large@x.example")
        async with ScriptedServer({"content": [PAUSE, ""]}) as server, client_of(server) as client:
            batch = Batch(server, client, [large, *numbered(range(1, 3))])
            await server.reached("content")
            await batch.cancel(OPEN)
            endings = await batch.end()
        batch.judge(endings)

    @pytest.mark.parametrize("number", [OPEN, PIPELINED, LAST])
    async def test_the_callers_own_step_before_the_content(self, number):
        async def never():
            reached.set()
            await asyncio.Event().wait()

        reached = asyncio.Event()
        async with ScriptedServer() as server, client_of(server) as client:
            batch = Batch(server, client, numbered(range(BATCH)), {number: {"before_content": never}})
            await reached.wait()
            await batch.cancel(number)
            endings = await batch.end()
        batch.judge(endings)

    async def test_the_very_tick_in_which_the_slot_of_a_pipelined_message_is_withdrawn(self, monkeypatch):
        def withdrawn():
            asyncio.get_running_loop().call_soon(batch.sends[PIPELINED].cancel)
            return SlotWithdrawn()

        monkeypatch.setattr(session_module, "PIPELINE_SECONDS", 0.05)
        monkeypatch.setattr(session_module, "SlotWithdrawn", withdrawn)
        async with ScriptedServer({"dot": [(HOLD, USUAL), USUAL]}) as server, client_of(server) as client:
            batch = Batch(server, client, numbered(range(BATCH)))
            with pytest.raises(asyncio.CancelledError):
                await batch.sends[PIPELINED]
            batch.cancelled.add(PIPELINED)
            endings = await batch.end()
        batch.judge(endings)


class TestAtEveryTick:
    @pytest.mark.parametrize("is_warm", [False, True])
    @pytest.mark.parametrize("extensions", [PIPELINING, LOCKSTEP])
    @pytest.mark.parametrize("cancelled", [(OPEN,), (PIPELINED,), (LAST,), (OPEN, PIPELINED), tuple(range(BATCH))])
    async def test_the_others_are_accepted(self, cancelled, extensions, is_warm):
        for ticks in itertools.count():
            async with ScriptedServer(extensions=extensions) as server, client_of(server) as client:
                first = numbered([99]) if is_warm else []
                endings = await endings_of(client, first)
                batch = Batch(server, client, numbered(range(BATCH)))
                for _ in range(ticks):
                    await asyncio.sleep(0)
                is_over = all(batch.sends[number].done() for number in cancelled)
                await batch.cancel(*cancelled)
                endings = await batch.end() + endings
                batch.letters += first
            batch.judge(endings)
            if is_over:
                break
