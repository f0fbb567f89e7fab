"""The engine of a SQLite file, whose worker sees what other processes have queued."""

import asyncio

from mailnode.delivery.delivery import Terms
from mailnode.engine import embedded
from mailnode.engine.embedded import EmbeddedEngine
from support.deliveries import prepared, sending
from support.scripted_smtp import ScriptedServer

LATER = Terms().for_queue(24)


async def test_what_another_process_has_queued_is_sent_without_a_look_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "LOOK_SECONDS", 3600)
    async with ScriptedServer() as server, sending(tmp_path) as worker, sending(tmp_path) as other:
        work = asyncio.create_task(EmbeddedEngine(worker.database.log).work(worker.queue_worker))
        for count in (1, 2):  # the worker sleeps when the second comes
            while not worker.queue_worker.supervised.status.succeeded_at:  # noqa: ASYNC110 -- a time has no event
                await asyncio.sleep(0.01)
            await other.dispatcher.queue(prepared(server.port, terms=LATER))
            while len(server.accepted) < count:  # noqa: ASYNC110 -- a count has no event
                await asyncio.sleep(0.01)
        await worker.queue_worker.stop()
        await work
    assert len(server.accepted) == 2


async def test_a_log_that_is_away_is_no_trouble(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "LOOK_SECONDS", 0.05)
    async with ScriptedServer() as server, sending(tmp_path) as worker, sending(tmp_path) as other:
        work = asyncio.create_task(EmbeddedEngine(tmp_path / "nowhere").work(worker.queue_worker))
        await other.dispatcher.queue(prepared(server.port, terms=LATER))
        await server.reached("dot")
        await worker.queue_worker.stop()
        await work
