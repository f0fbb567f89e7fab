"""No mail is given up untried, whenever a worker comes, and however the clock jumps."""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from mailnode.delivery import circuit_breaker
from mailnode.delivery.delivery import Terms
from mailnode.engine.embedded import EmbeddedEngine
from mailnode.store.tables import attempts, deliveries, routes
from support.deliveries import prepared, sending
from support.scripted_smtp import ScriptedServer

pytestmark = pytest.mark.usefixtures("database_kind")

LATER = Terms().for_queue(24)


async def drain(admin):
    await asyncio.wait_for(EmbeddedEngine().work(admin.queue_worker, drain=True), 60)


async def run_out_of_time(admin):
    await admin.database.write(lambda db: db.execute(deliveries.update().values(expires_at=1, due_at=1)))


async def errors(admin):
    reports = [(row.state, json.loads(row.result or "{}")) for row in await admin.rows(deliveries)]
    return [(state, (report.get("error") or {}).get("message")) for state, report in reports]


async def test_a_worker_that_comes_too_late_sends_it_all_the_same(tmp_path):
    async with ScriptedServer() as server:
        async with sending(tmp_path) as admin:
            await admin.dispatcher.queue(prepared(server.port, terms=LATER))
            await run_out_of_time(admin)
        async with sending(tmp_path) as admin:
            await drain(admin)
            assert await errors(admin) == [("sent", None)]
    assert len(server.accepted) == 1


async def test_one_that_was_tried_by_an_earlier_worker_is_tried_once_more_and_tells_what_came_of_that(tmp_path):
    async with ScriptedServer({"MAIL": ["451 4.3.0 busy", "452 4.3.1 no room"]}) as server:
        async with sending(tmp_path) as admin:
            await admin.dispatcher.queue(prepared(server.port, terms=LATER))
            await drain(admin)
            await admin.database.write(lambda db: db.execute(attempts.update().values(started_at=1)))
            await run_out_of_time(admin)
        async with sending(tmp_path) as admin:
            await drain(admin)
            ((state, words),) = await errors(admin)
            tried = [row.number for row in await admin.rows(attempts)]
    assert (state, tried) == ("failed", [1, 2])
    assert "not accepted within 24 h; the last attempt: " in words
    assert "452 4.3.1 no room" in words


async def test_behind_a_dead_server_one_try_is_made_for_all_and_each_tells_its_words(tmp_path):
    async with ScriptedServer() as server:
        port = server.port
    async with sending(tmp_path) as admin:
        for _ in range(300):
            await admin.dispatcher.queue(prepared(port, terms=LATER))
        await run_out_of_time(admin)
        await drain(admin)
        told = Counter(await errors(admin))
        ((state, words),) = told
        assert (state, len(await admin.rows(attempts))) == ("failed", 1)
        assert "not accepted within 24 h; the last attempt: " in words
        assert "connection refused" in words.lower()
        (entry, *_) = await admin.deliveries.list(states=["failed"])
        shown: Any = await admin.deliveries.show(entry["deliveryId"])
    assert entry["error"] == words
    assert shown["hint"] == shown["result"]["error"]["hint"]
    assert "slow" not in shown["hint"]


async def test_a_lane_that_another_worker_found_failing_is_tried_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(circuit_breaker, "FIRST_WAIT_MS", circuit_breaker.LONGEST_WAIT_MS)
    async with ScriptedServer({"greeting": ["421 4.3.2 not now", "220 hello"]}) as server:
        async with sending(tmp_path) as admin:
            for _ in range(3):
                await admin.dispatcher.queue(prepared(server.port, terms=LATER))
            await drain(admin)
            assert [row.failures for row in await admin.rows(routes)] == [1]
            await admin.database.write(lambda db: db.execute(attempts.update().values(started_at=1)))
            await run_out_of_time(admin)
        async with sending(tmp_path) as admin:
            await drain(admin)
            assert {state for state, _ in await errors(admin)} == {"queued"}  # its wait is not over
            await admin.database.write(lambda db: db.execute(routes.update().values(retry_at=0)))
            await drain(admin)
            assert {state for state, _ in await errors(admin)} == {"sent"}


async def test_mail_that_a_flow_waited_for_is_not_sent_after_its_time(tmp_path):
    async with ScriptedServer() as server:
        async with sending(tmp_path) as admin:
            await admin.outbox.begin(prepared(server.port))
            await run_out_of_time(admin)
        async with sending(tmp_path) as admin:
            await drain(admin)
            ((state, words),) = await errors(admin)
    assert (state, server.visits) == ("failed", [])
    assert "not accepted within 60 s" in words
