"""Whoever is cancelled, wherever: the others fare as if nothing had been, and nothing stays behind."""

import asyncio
import itertools

import pytest

from mailnode.smtp import session as session_module
from mailnode.smtp.sasl import Login
from mailnode.smtp.send_queue import SendRequest, SlotWithdrawn
from support.batch_outcomes import assert_truth, client_of, fate_of, fates_of, is_accepted, numbered
from support.messages import letter
from support.scripted_smtp import HOLD, LOCKSTEP, PAUSE, PIPELINING, STALL, USUAL, ScriptedServer
from support.tls import ca_pem, server_context

BATCH = 5
OPEN, RIDING, WAITING, LAST = 0, 1, 2, BATCH - 1
NOTHING = "<SessionPool: 0 leased, 0 idle, 0 waiting>"


class Batch:
    """Sends under way, all at once and over one session: the first is open, the second rides, the others wait."""

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
        fates = [fate_of(result) for result in await asyncio.gather(*self.sends, return_exceptions=True)]
        later = numbered([len(self.letters)])
        fates += await fates_of(self.client, later)
        await self.client.aclose()
        assert repr(self.client._pool) == NOTHING
        harmed = {number for number, fate in enumerate(fates) if not is_accepted(fate)}
        assert harmed <= self.cancelled
        self.letters += later
        return fates

    def judge(self, fates):
        """Hold what was said against what was taken, when the server has done all that it will."""
        assert_truth(self.server, self.letters, fates)


class TestAtAStage:
    @pytest.mark.parametrize("cancelled", [(OPEN,), (RIDING,), (WAITING,), (OPEN, RIDING), (RIDING, WAITING, LAST)])
    @pytest.mark.parametrize("extensions", [PIPELINING, LOCKSTEP])
    @pytest.mark.parametrize("stage", ["greeting", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "content", "dot"])
    async def test_the_others_are_accepted(self, stage, extensions, cancelled):
        server = ScriptedServer({stage: [(HOLD, USUAL), USUAL]}, extensions=(*extensions, "AUTH PLAIN"))
        async with server, client_of(server, login=Login("user", "pencil")) as client:
            batch = Batch(server, client, numbered(range(BATCH), is_large=stage == "content"))
            await server.holding()
            await batch.cancel(*cancelled)
            fates = await batch.end()
        batch.judge(fates)

    @pytest.mark.parametrize("cancelled", [(OPEN,), (LAST, OPEN)])
    @pytest.mark.parametrize("stage", ["STARTTLS", "tls"])
    async def test_the_others_are_accepted_over_tls(self, stage, cancelled):
        server = ScriptedServer({stage: [STALL, USUAL]}, tls=server_context())
        async with server, client_of(server, tls_option="starttls", ca=ca_pem()) as client:
            batch = Batch(server, client, numbered(range(BATCH)))
            await server.reached(stage)
            await batch.cancel(*cancelled)
            fates = await batch.end()
        batch.judge(fates)

    @pytest.mark.parametrize("number", [1, 3])
    @pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "content", "dot"])
    async def test_nobody_before_or_after_one_in_the_middle_is_harmed(self, stage, number):
        script = {f"{stage} of <m{number}@": [(HOLD, USUAL), USUAL]}
        async with ScriptedServer(script) as server, client_of(server) as client:
            batch = Batch(server, client, numbered(range(BATCH)))
            await server.holding()
            await batch.cancel(number)
            fates = await batch.end()
        batch.judge(fates)

    async def test_a_dot_that_is_out_is_waited_for_though_nobody_rides_any_more(self):
        async with ScriptedServer({"dot": [(HOLD, USUAL), USUAL]}) as server, client_of(server) as client:
            batch = Batch(server, client, numbered(range(BATCH)))
            await server.holding()
            await batch.cancel(RIDING, WAITING, LAST)
            assert not server.visit.ended.is_set()
            fates = await batch.end()
        batch.judge(fates)
        assert is_accepted(fates[OPEN])

    async def test_content_that_the_network_does_not_take(self):
        large = letter(content=(b"x" * 998 + b"\r\n",) * 20_000, sender="large@x.example")
        async with ScriptedServer({"content": [PAUSE, ""]}) as server, client_of(server) as client:
            batch = Batch(server, client, [large, *numbered(range(1, 3))])
            await server.reached("content")
            await batch.cancel(OPEN)
            fates = await batch.end()
        batch.judge(fates)

    @pytest.mark.parametrize("number", [OPEN, RIDING, LAST])
    async def test_the_callers_own_step_before_the_content(self, number):
        async def never():
            reached.set()
            await asyncio.Event().wait()

        reached = asyncio.Event()
        async with ScriptedServer() as server, client_of(server) as client:
            batch = Batch(server, client, numbered(range(BATCH)), {number: {"before_content": never}})
            await reached.wait()
            await batch.cancel(number)
            fates = await batch.end()
        batch.judge(fates)

    async def test_the_very_tick_in_which_one_who_rides_is_let_off(self, monkeypatch):
        def let_off():
            asyncio.get_running_loop().call_soon(batch.sends[RIDING].cancel)
            return SlotWithdrawn()

        monkeypatch.setattr(session_module, "PIPELINE_SECONDS", 0.05)
        monkeypatch.setattr(session_module, "SlotWithdrawn", let_off)
        async with ScriptedServer({"dot": [(HOLD, USUAL), USUAL]}) as server, client_of(server) as client:
            batch = Batch(server, client, numbered(range(BATCH)))
            with pytest.raises(asyncio.CancelledError):
                await batch.sends[RIDING]
            batch.cancelled.add(RIDING)
            fates = await batch.end()
        batch.judge(fates)


class TestAtEveryTick:
    @pytest.mark.parametrize("is_warm", [False, True])
    @pytest.mark.parametrize("extensions", [PIPELINING, LOCKSTEP])
    @pytest.mark.parametrize("cancelled", [(OPEN,), (RIDING,), (LAST,), (OPEN, RIDING), tuple(range(BATCH))])
    async def test_the_others_are_accepted(self, cancelled, extensions, is_warm):
        for ticks in itertools.count():
            async with ScriptedServer(extensions=extensions) as server, client_of(server) as client:
                first = numbered([99]) if is_warm else []
                fates = await fates_of(client, first)
                batch = Batch(server, client, numbered(range(BATCH)))
                for _ in range(ticks):
                    await asyncio.sleep(0)
                is_over = all(batch.sends[number].done() for number in cancelled)
                await batch.cancel(*cancelled)
                fates = await batch.end() + fates
                batch.letters += first
            batch.judge(fates)
            if is_over:
                break
