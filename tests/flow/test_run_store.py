import asyncio
from contextlib import AbstractContextManager, ExitStack, closing
from typing import Any

import pytest
from sqlalchemy import Connection

from mailnode.app import Mailnode
from mailnode.delivery.capacity import Capacity
from mailnode.delivery.claims import Claims
from mailnode.delivery.recovery import Defect, defect_attempt
from mailnode.delivery.result import result_of
from mailnode.errors import DeliveryError, StoreError
from mailnode.flow.run_queries import Runs
from mailnode.flow.run_store import RunStore, store_outcomes
from mailnode.store.database import Database
from mailnode.store.sqlite import SqliteFile
from mailnode.store.tables import runs
from support.database import gather_writes_behind
from support.flows import to_server, write_flow
from support.scripted_smtp import HOLD, USUAL, ScriptedServer


async def test_of_two_machines_that_begin_one_run_at_once_one_does_it_and_the_other_waits(postgres_url, tmp_path):
    with ExitStack() as stack:
        databases = [stack.enter_context(closing(Database.open(postgres_url))) for _ in range(2)]
        one, other = (RunStore(db, stack.enter_context(db.register(tmp_path))) for db in databases)
        state: dict[str, Any] = {"nodes": [], "input": {}, "context": {}}
        for number in range(20):
            tasks = {
                asyncio.create_task(run_store.begin(f"run{number}", "flow", "x")): run_store
                for run_store in (one, other)
            }
            done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            (first,) = done
            assert first.result() is None
            await tasks[first].end(f"run{number}", "done", state)
            assert await waiting.pop() == state


@pytest.mark.usefixtures("database_kind")
async def test_a_run_that_is_cancelled_is_taken_up_under_its_id_by_the_same_process(tmp_path):
    async with ScriptedServer({"dot": [[HOLD, USUAL], ""]}) as server, Mailnode.open() as mailnode:
        flow = write_flow(tmp_path, {"id": "a", "type": "sendSmtpEmail", "settings": to_server(server.port)})
        run = asyncio.create_task(mailnode.run(flow, run_id="order-17"))
        await server.holding()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        left = await mailnode.runs.show("order-17")
        server.release()
        again = await mailnode.run(flow, run_id="order-17")
    assert (left["status"], again.status, again.is_repeat) == ("interrupted", "done", False)
    assert again.nodes[0].result["status"] == "sent"
    assert len(server.accepted) == 1


@pytest.mark.usefixtures("database_kind")
async def test_outcomes_of_one_run_that_are_stored_at_once_are_all_in_it(tmp_path):
    nodes = [
        {"id": name, "type": "sendSmtpEmail", "settings": to_server(port, asynchronous=True)}
        for name, port in (("a", 1), ("b", 2))
    ]
    async with Mailnode.open() as mailnode:
        await mailnode.run(write_flow(tmp_path, *nodes), run_id="order-17")
        outbox = mailnode._dispatcher._outbox
        database = outbox._database
        batch = await Claims(database, outbox._process, store_outcomes).take(Capacity().free)
        sent, broken = [claim.delivery for claim in batch.claims]
        defect = Defect(*defect_attempt(broken, RuntimeError("boom"), "connect", 0), is_awaited=True)
        ends = [outbox.store_end(sent, result_of(sent, status="sent"), None), outbox.store_defect(defect)]
        await gather_writes_behind(database, ends)
        run = await mailnode.runs.show("order-17")
    statuses = {node["result"]["deliveryId"]: node["result"]["status"] for node in run["nodes"] or ()}
    assert statuses == {sent.id: "sent", broken.id: "failed"}


async def test_a_run_that_is_cancelled_as_it_begins_is_left_to_whoever_begins_it_next(tmp_path, monkeypatch):
    with closing(Database.open(tmp_path / "runs.db")) as database, database.register(tmp_path) as worker:
        write, is_written, may_answer = database.write_alike, asyncio.Event(), asyncio.Event()

        async def slow_answer(work: Any, item: Any) -> Any:
            answer = await write(work, item)
            is_written.set()
            await may_answer.wait()
            return answer

        monkeypatch.setattr(database, "write_alike", slow_answer)
        run_store = RunStore(database, worker)
        begins = asyncio.create_task(run_store.begin("order-17", "flow", "x"))
        await is_written.wait()
        begins.cancel()
        may_answer.set()
        with pytest.raises(asyncio.CancelledError):
            await begins
        assert await run_store.begin("order-17", "flow", "x") is None


async def test_a_state_that_can_not_be_read_fails_its_own_run_alone(tmp_path):
    with (
        closing(Database.open(tmp_path / "mailnode.db")) as database,
        database.register(tmp_path / "workers") as worker,
    ):
        run_store = RunStore(database, worker)
        for number in range(2):
            await run_store.begin(f"run{number}", "flow", "x")
            await run_store.end(f"run{number}", "done", {"nodes": [], "input": {}, "context": {}})
        damaged = runs.update().where(runs.c.id == "run0").values(state="{")
        await database.write(lambda db: db.execute(damaged))
        answers = await asyncio.gather(
            *(run_store.begin(f"run{number}", "flow", "x") for number in range(2)), return_exceptions=True
        )
        assert (type(answers[0]), answers[1]) == (StoreError, {"nodes": [], "input": {}, "context": {}})
        assert {one["run"] for one in await Runs(database, worker).list()} == {"run0", "run1"}
        assert (await Runs(database, worker).show("run0"))["nodes"] is None


@pytest.fixture
def commits(monkeypatch):
    """How many transactions have been opened that write, as the only item."""
    opened, writing = [0], SqliteFile.writing

    def counted(self: SqliteFile) -> AbstractContextManager[Connection]:
        opened[0] += 1
        return writing(self)

    monkeypatch.setattr(SqliteFile, "writing", counted)
    return opened


@pytest.mark.parametrize(("run_id", "expected"), [(None, 3), ("order-17", 4)])
async def test_a_run_of_one_node_that_waits_takes_three_commits_and_one_more_to_claim_an_id(
    run_id, expected, tmp_path, commits
):
    async with ScriptedServer() as server, Mailnode.open() as mailnode:
        flow = write_flow(tmp_path, {"id": "a", "type": "sendSmtpEmail", "settings": to_server(server.port)})
        await mailnode.run(flow)
        commits[0] = 0
        run = await mailnode.run(flow, run_id=run_id)
        assert commits[0] == expected
        stored = await mailnode.runs.show(run.id)
    assert (stored["status"], stored["nodes"]) == ("done", run.to_json()["nodes"])
    assert run.nodes[0].result["status"] == "sent"


async def test_a_run_that_sends_nothing_is_stored_with_its_end(tmp_path, commits):
    async with Mailnode.open() as mailnode:
        settings = {**to_server(1), "to": "{{ input.nobody }}", "stopOnError": True}
        flow = write_flow(tmp_path, {"id": "a", "type": "sendSmtpEmail", "settings": settings})
        commits[0] = 0
        run = await mailnode.run(flow)
        stored = await mailnode.runs.show(run.id)
    assert (commits[0], stored["status"], stored["nodes"]) == (1, "halted", run.to_json()["nodes"])


async def test_a_halt_and_what_the_last_node_stores_are_committed_with_its_outcome(tmp_path, commits):
    async with ScriptedServer({"rcpt": ["550 5.1.1 no such user"]}) as server, Mailnode.open() as mailnode:
        keeps = {"stopOnError": True, "storeResult": "context", "resultKey": "mail.sent"}
        nodes = [
            {"id": "a", "type": "sendSmtpEmail", "settings": {**to_server(server.port), **keeps}},
            {"id": "b", "type": "say", "settings": {"text": "never"}},
        ]
        flow = write_flow(tmp_path, *nodes)
        commits[0] = 0
        run = await mailnode.run(flow)
        stored = await mailnode.runs.show(run.id)
    assert (commits[0], run.status, stored["status"]) == (2, "halted", "halted")
    assert (stored["nodes"], stored["context"]) == (run.to_json()["nodes"], run.state.context)
    assert run.state.context["mail"]["sent"] == run.nodes[0].result
    assert [node.status for node in run.nodes] == ["failed", "notReached"]


async def test_a_run_under_way_is_stored_from_its_first_delivery_on(tmp_path):
    async with ScriptedServer({"dot": [[HOLD, USUAL], ""]}) as server, Mailnode.open() as mailnode:
        flow = write_flow(tmp_path, {"id": "a", "type": "sendSmtpEmail", "settings": to_server(server.port)})
        running = asyncio.create_task(mailnode.run(flow))
        await server.holding()
        (shown,) = await mailnode.runs.list()
        server.release()
        run = await running
    assert (shown["run"], shown["status"]) == (run.id, "running")


async def test_the_outcome_of_a_run_that_was_cancelled_does_not_end_it(tmp_path):
    async with ScriptedServer({"dot": [[HOLD, USUAL], ""]}) as server, Mailnode.open() as mailnode:
        flow = write_flow(tmp_path, {"id": "a", "type": "sendSmtpEmail", "settings": to_server(server.port)})
        run = asyncio.create_task(mailnode.run(flow, run_id="order-17"))
        await server.holding()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        server.release()
    async with Mailnode.open() as mailnode:
        left = await mailnode.runs.show("order-17")
        again = await mailnode.run(flow, run_id="order-17")
    assert (left["status"], again.status, again.is_repeat) == ("interrupted", "done", False)
    assert len(server.accepted) == 1


async def test_the_same_id_in_one_process_is_one_run_and_another_input_is_refused_at_once(tmp_path):
    async with ScriptedServer({"dot": [[HOLD, USUAL], ""]}) as server, Mailnode.open() as mailnode:
        flow = write_flow(tmp_path, {"id": "a", "type": "sendSmtpEmail", "settings": to_server(server.port)})
        running = [asyncio.create_task(mailnode.run(flow, run_id="order-17")) for _ in range(2)]
        await server.holding()
        with pytest.raises(DeliveryError, match="another flow or input"):
            await mailnode.run(flow, run_id="order-17", input={"other": 1})
        server.release()
        ended = await asyncio.gather(*running)
    assert sorted(run.is_repeat for run in ended) == [False, True]
    assert len(server.accepted) == 1


async def test_a_run_that_fetches_something_first_is_stored_before_that(tmp_path, commits):
    async with Mailnode.open() as mailnode:
        attachment = {"type": "url", "url": "https://127.0.0.1/"}  # which may not be fetched from
        settings = {**to_server(1), "attachments": [attachment]}
        flow = write_flow(tmp_path, {"id": "a", "type": "sendSmtpEmail", "settings": settings})
        commits[0] = 0
        run = await mailnode.run(flow)
    assert (commits[0], run.nodes[0].result["status"]) == (2, "failed")
