"""Processes that are stopped in the middle of a mail: by SIGSTOP, to go on when nobody expects them, or for good."""

import asyncio
import signal

import pytest

from mailnode.delivery.delivery import Terms
from mailnode.engine.embedded import EmbeddedEngine
from mailnode.store.tables import attempts, deliveries
from support.deliveries import prepared, sending
from support.forked_python import python
from support.messages import letter
from support.scripted_smtp import HOLD, RESET, ScriptedServer

LATER = Terms().for_queue(24)
# Larger than all buffers between the two, so that the worker is still writing when it is stopped.
BIG = letter(content=(b"x" * 70 + b"\r\n") * 400_000)


async def lease_over(admin):
    """Wait until the database says that the stopped process is dead: no event tells it."""
    (row,) = await admin.rows(deliveries)
    while not await admin.database.read(lambda db: admin.process.dead_among(db, [row.worker])):  # noqa: ASYNC110 -- see above
        await asyncio.sleep(0.5)


@pytest.mark.parametrize("end", ["451 4.3.0 later", "421 4.3.0 later", RESET])
async def test_a_queued_mail_that_fails_for_now_while_its_worker_stops_stays_in_the_queue(tmp_path, end):
    async with ScriptedServer({"dot": [[HOLD, end], ""]}) as server, sending(tmp_path) as admin:
        await admin.dispatcher.queue(prepared(server.port, terms=LATER))
        work = asyncio.create_task(EmbeddedEngine().work(admin.queue_worker))
        await server.holding()
        stop = asyncio.create_task(admin.queue_worker.stop())
        await asyncio.sleep(0)  # it is under way
        server.release()
        await stop
        await work
        (row,) = await admin.rows(deliveries)
        (attempt,) = await admin.rows(attempts)
    assert (row.state, row.result, attempt.phase) == ("queued", None, "content")
    assert row.maybe_accepted == (end is RESET)


async def test_a_flow_that_leaves_while_its_mail_is_claimed_leaves_no_claim_that_nobody_carries(tmp_path, monkeypatch):
    async with ScriptedServer() as server, sending(tmp_path) as admin:
        begin, is_claimed, may_answer = admin.outbox.begin, asyncio.Event(), asyncio.Event()

        async def slow_answer(draft):
            begun = await begin(draft)
            is_claimed.set()
            await may_answer.wait()
            return begun

        monkeypatch.setattr(admin.outbox, "begin", slow_answer)
        flow = asyncio.create_task(admin.deliver(server.port, key="run/node"))
        await is_claimed.wait()
        flow.cancel()
        may_answer.set()
        with pytest.raises(asyncio.CancelledError):
            await flow
        again = await admin.deliver(server.port, key="run/node")
    assert (again.result["status"], again.result["duplicate"]) == ("sent", True)
    assert len(server.accepted) == 1


async def test_one_accepted_copy_whoever_goes_on(tmp_path, home, database_kind):
    async with ScriptedServer({"content": [HOLD, "", ""]}) as server, sending(home) as admin:
        await admin.dispatcher.queue(prepared(server.port, BIG, terms=LATER))
        worker = await python(*("-m", "mailnode", "worker"), stderr=asyncio.subprocess.DEVNULL)
        await server.holding()
        worker.send_signal(signal.SIGSTOP)
        if database_kind == "postgres":
            await lease_over(admin)
        await EmbeddedEngine().work(admin.queue_worker, drain=True)
        (row,) = await admin.rows(deliveries)
        # On SQLite the lock of a process that is only stopped is not let go, and nobody sends beside it.
        assert row.state == ("sent" if database_kind == "postgres" else "handingOver")
        server.release()
        worker.send_signal(signal.SIGCONT)
        if database_kind == "postgres":
            await server.visits[0].ended.wait()
        else:
            await server.reached("dot")
        worker.terminate()
        await worker.wait()
        (row,) = await admin.rows(deliveries)
    assert row.state == "sent"
    assert len(server.accepted) == 1
