"""Runs that nobody waits for: once they are accepted they are run, by whoever lives, and their email is sent once."""

import asyncio
import json
import signal
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from mailnode.app import Mailnode
from mailnode.errors import DeliveryError, SettingsError
from mailnode.flow.document import load_flow
from mailnode.flow.queued_run import QueuedRun
from mailnode.store.tables import deliveries, runs, workers
from support import killed_worker
from support.deliveries import sending
from support.flows import to_server, write_flow
from support.forked_python import DEVNULL, python
from support.scripted_smtp import HOLD, USUAL, ScriptedServer

# A node as it is stored with a queued run.
NODE = {"id": "greet", "type": "say", "label": "", "when": None, "settings": {"text": "hi"}, "line": 1}


def saying(folder, said="{{ input.name }}"):
    return write_flow(folder, {"id": "greet", "type": "say", "settings": {"text": said}})


async def rows_of(opened):
    return {row.id: row for row in await database_of(opened).read(lambda db: db.execute(select(runs)).all())}


def database_of(opened):
    return opened._run_store._database


async def change(opened, run_id, **values):
    changed = update(runs).where(runs.c.id == run_id).values(**values)
    await database_of(opened).write(lambda db: db.execute(changed))


async def change_flow(opened, run_id, **values):
    """Change the flow that a queued run begins with."""
    request = json.loads((await rows_of(opened))[run_id].request)
    flow = json.dumps({**json.loads(request["flow"]), **values})
    await change(opened, run_id, request=json.dumps({**request, "flow": flow}))


async def looks(opened, count):
    """Have the worker look for queued runs so often, and give how many it takes up each time."""
    worker, started = opened._background.run_worker, []
    for _ in range(count):
        started.append(await worker._start_due())
        await asyncio.gather(*worker._tasks.values(), return_exceptions=True)
    return started


class TestAccepted:
    @pytest.mark.usefixtures("database_kind")
    async def test_it_is_run_as_the_flow_was_and_leaves_nothing_in_the_queue(self, tmp_path):
        async with ScriptedServer() as server, Mailnode.open() as opened:
            node = {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(server.port)}
            flow = write_flow(tmp_path, node, {"id": "greet", "type": "say", "settings": {"text": "{{ input.a }}"}})
            accepted = await opened.queue_run(flow, input={"a": "ä"}, context={"b": [1]}, run_id="r/1")
            saying(tmp_path, "another flow by now")
            waits = await opened.runs.show("r/1")
            (listed,) = await opened.runs.list(statuses=["running"])
            await opened.work(drain=True)
            ended = await opened.runs.show("r/1")
            (row,) = (await rows_of(opened)).values()
        assert accepted.to_json() == {"run": "r/1", "flow": "test", "status": "running"}
        assert (waits["status"], waits["nodes"], listed["run"]) == ("running", None, "r/1")
        assert (ended["status"], ended["output"], ended["context"]) == ("done", ["ä"], {"b": [1]})
        assert ended["startedWith"] == {"input": {"a": "ä"}, "context": {"b": [1]}}
        assert (row.request, len(server.accepted)) == (None, 1)

    async def test_whoever_works_is_woken(self, tmp_path):
        async with Mailnode.open() as opened, opened.working():
            ids = [(await opened.queue_run(saying(tmp_path), input={"name": "Jane"})).id for _ in range(60)]
            for one in ids:  # waited for as whoever repeats them does
                assert (await opened.run(saying(tmp_path), input={"name": "Jane"}, run_id=one)).output == ["Jane"]

    async def test_its_id_is_that_of_one_run(self, tmp_path):
        async with Mailnode.open() as opened:
            flow = saying(tmp_path)
            asked = [opened.queue_run(flow, input={"name": "a"}, run_id="one") for _ in range(3)]
            first = sorted((await asyncio.gather(*asked)), key=lambda one: one.is_repeat)
            with pytest.raises(DeliveryError, match="another flow or input"):
                await opened.queue_run(flow, input={"name": "b"}, run_id="one")
            await opened.work(drain=True)
            again = await opened.queue_run(flow, input={"name": "a"}, run_id="one")
            waited = await opened.run(flow, input={"name": "a"}, run_id="one")
        assert [(one.is_repeat, one.status) for one in first] == [(False, "running"), *[(True, "running")] * 2]
        assert again.to_json() == {"duplicate": True, "run": "one", "flow": "test", "status": "done"}
        assert (waited.is_repeat, waited.output) == (True, ["a"])

    async def test_what_can_not_be_run_is_told_at_once_and_not_accepted(self, tmp_path):
        async with Mailnode.open() as opened:
            for flow, more in (
                (saying(tmp_path), {"run_id": ""}),
                (saying(tmp_path), {"input": {"a": object()}}),
                (write_flow(tmp_path, {"id": "a", "type": "say", "settings": {}}), {}),
            ):
                with pytest.raises(SettingsError):
                    await opened.queue_run(flow, **more)
            assert await rows_of(opened) == {}

    async def test_one_that_is_waited_for_already_is_taken_up_if_its_process_dies(self, tmp_path):
        async with Mailnode.open() as opened:
            flow = saying(tmp_path)
            await opened.queue_run(flow, input={"name": "a"}, run_id="one")
            await change(opened, "one", request=None, worker="gone")
            assert (await opened.runs.show("one"))["status"] == "interrupted"
            assert (await opened.queue_run(flow, input={"name": "a"}, run_id="one")).to_json()["duplicate"]
            assert (await opened.runs.show("one"))["status"] == "running"
            await opened.work(drain=True)
            assert (await opened.runs.show("one"))["status"] == "done"

    async def test_a_flow_reads_back_as_it_was(self, tmp_path):
        path = tmp_path / "a.flow.yaml"
        path.write_text(
            "version: 1\nname: a\nnodes:\n  - {id: b, type: say, when: '{{ true }}', settings: {text: hi}}\n"
        )
        document = load_flow(path)
        text = QueuedRun(document, {"a": [None, "\ud83d"]}, {}).to_text()
        read = QueuedRun.from_text("r", text)
        assert read == QueuedRun(document, {"a": [None, "\ud83d"]}, {})
        assert read.document is QueuedRun.from_text("r", text).document
        assert read.document.line_of("b", "text") == document.line_of("b", "text") == 4


class TestLeft:
    async def test_a_stop_leaves_a_run_to_the_next_worker_which_sends_its_email_once(self, tmp_path):
        async with ScriptedServer({"dot": [[HOLD, USUAL], ""]}) as server:
            flow = write_flow(tmp_path, {"id": "a", "type": "sendSmtpEmail", "settings": to_server(server.port)})
            async with Mailnode.open() as opened:
                working = asyncio.create_task(opened.work())
                await opened.queue_run(flow, run_id="one")
                await server.holding()
                stopping = asyncio.create_task(opened.stop())
                await asyncio.sleep(0)
                server.release()
                await stopping
                await working
                assert (await opened.runs.show("one"))["status"] == "running"
            async with Mailnode.open() as opened:
                await opened.work(drain=True)
                ended = await opened.runs.show("one")
        assert (ended["status"], ended["mails"], len(server.accepted)) == ("done", ["sent"], 1)

    async def test_a_stop_before_the_content_leaves_its_email_to_the_next_worker_and_does_not_fail_it(self, tmp_path):
        async with ScriptedServer({"DATA": [[HOLD, USUAL], USUAL]}) as server:
            flow = write_flow(tmp_path, {"id": "a", "type": "sendSmtpEmail", "settings": to_server(server.port)})
            async with Mailnode.open() as opened:
                working = asyncio.create_task(opened.work())
                await opened.queue_run(flow, run_id="one")
                await server.holding()
                await opened.stop(0.3, flows=True)
                await working
                (left,) = await opened.deliveries.list()
            server.release()
            async with Mailnode.open() as opened:
                await opened.work(drain=True)
                ended = await opened.runs.show("one")
                (sent,) = await opened.deliveries.list()
                assert opened.outcomes == {"sent": 1}
        assert (left["state"], sent["state"], sent["deliveryId"]) == ("claimed", "sent", left["deliveryId"])
        (node,) = ended["nodes"] or []
        assert (ended["status"], node["result"]["warnings"], len(server.accepted)) == ("done", [], 1)

    async def test_a_run_that_three_processes_have_died_of_is_left_to_a_person(self, tmp_path):
        async with Mailnode.open() as opened:
            await opened.queue_run(saying(tmp_path), input={"name": "a"}, run_id="one")
            await change(opened, "one", worker="gone", losses=1)
            await opened.queue_run(saying(tmp_path), input={"name": "b"}, run_id="two")
            await change(opened, "two", worker="gone", losses=2)
            await opened.work(drain=True)
            assert {one["run"]: one["status"] for one in await opened.runs.list()} == {
                "one": "done",
                "two": "interrupted",
            }
            again = await opened.run(saying(tmp_path), input={"name": "b"}, run_id="two")
            assert (again.status, again.output) == ("done", ["b"])

    async def test_one_that_can_not_be_run_any_more_ends_and_says_why(self, tmp_path):
        async with Mailnode.open() as opened:
            for name in ("damaged", "strange"):
                await opened.queue_run(saying(tmp_path), input={"name": "a"}, run_id=name)
            await change_flow(opened, "strange", nodes=[{**NODE, "type": "gone"}])
            await change(opened, "damaged", request="{}")
            await opened.work(drain=True)
            strange = await opened.runs.show("strange")
            assert (await opened.runs.show("damaged"))["status"] == "interrupted"
        node = (strange["nodes"] or [])[0]
        assert (strange["status"], node["error"]["code"]) == ("halted", "badSetting")

    async def test_one_whose_files_are_on_another_machine_waits_for_that(self, tmp_path):
        folder = tmp_path / "there"
        folder.mkdir()
        async with Mailnode.open() as opened:
            await opened.queue_run(saying(folder), input={"name": "a"}, run_id="one")
            folder.rename(tmp_path / "elsewhere")
            await opened.work(drain=True)
            assert (await opened.runs.show("one"))["status"] == "running"
            (tmp_path / "elsewhere").rename(folder)
        async with Mailnode.open() as opened:
            await opened.work(drain=True)
            assert (await opened.runs.show("one"))["status"] == "done"

    @pytest.mark.usefixtures("database_kind")
    async def test_one_whose_folder_can_not_be_looked_into_waits_for_another_worker(self, tmp_path, caplog):
        async with Mailnode.open() as opened:
            await opened.queue_run(saying(tmp_path), input={"name": "a"}, run_id="one")
            # The tests may run as root, who may enter every folder, but none has so long a name.
            await change_flow(opened, "one", folder=str(tmp_path / ("x" * 300)))
            assert await looks(opened, 3) == [1, 0, 0]
            assert (await opened.runs.show("one"))["status"] == "running"
            assert caplog.text.count("one is left to another worker") == 1
            await change_flow(opened, "one", folder=str(tmp_path))
        async with Mailnode.open() as opened:
            await opened.work(drain=True)
            assert (await opened.runs.show("one"))["status"] == "done"

    @pytest.mark.usefixtures("database_kind")
    async def test_one_whose_start_meets_an_internal_error_ends_with_it(self, tmp_path):
        async with Mailnode.open() as opened:
            await opened.queue_run(saying(tmp_path), input={"name": "a"}, run_id="one")
            await change_flow(opened, "one", nodes=[{**NODE, "settings": 5}])
            assert await looks(opened, 3) == [1, 0, 0]
            ended = await opened.runs.show("one")
        (node,) = ended["nodes"] or []
        assert (ended["status"], node["error"]["code"]) == ("halted", "internalError")

    @pytest.mark.usefixtures("database_kind")
    async def test_one_whose_input_is_no_json_is_left_to_a_person(self, tmp_path):
        async with Mailnode.open() as opened:
            await opened.queue_run(saying(tmp_path), input={"name": "a"}, run_id="one")
            request = (await rows_of(opened))["one"].request
            await change(opened, "one", request=request.replace('"name": "a"', '"name": NaN'))
            assert await looks(opened, 3) == [1, 0, 0]
            assert (await opened.runs.show("one"))["status"] == "interrupted"

    async def test_one_that_fails_to_be_taken_up_rests_before_it_is_tried_again(self, tmp_path, monkeypatch, caplog):
        async with Mailnode.open() as opened:
            await opened.queue_run(saying(tmp_path), input={"name": "a"}, run_id="one")
            refusing = "CREATE TRIGGER refusing BEFORE UPDATE ON runs BEGIN SELECT RAISE(ABORT, 'no'); END"
            await database_of(opened).write(lambda db: db.execute(text(refusing)))
            assert await looks(opened, 3) == [1, 0, 0]
            assert caplog.text.count("one is left for 60 s") == 1
        async with Mailnode.open() as opened:
            monkeypatch.setattr("mailnode.flow.run_worker.REST_SECONDS", 0.0)
            assert await looks(opened, 1) == [1]
            await database_of(opened).write(lambda db: db.execute(text("DROP TRIGGER refusing")))
            assert await looks(opened, 1) == [1]
            assert (await opened.runs.show("one"))["status"] == "done"

    async def test_it_is_not_cleared_away_before_it_was_run(self, tmp_path):
        async with Mailnode.open() as opened:
            await opened.queue_run(saying(tmp_path), input={"name": "a"}, run_id="one")
            await change(opened, "one", updated_at=0)
            await opened.deliveries.sweep(1, 1)
            assert (await opened.runs.show("one"))["status"] == "running"


@pytest.mark.usefixtures("database_kind")
async def test_whatever_process_is_killed_at_whatever_commit_a_run_that_was_accepted_is_run_once(home, tmp_path):
    async with ScriptedServer() as server, sending(home) as admin:
        over = workers.update().where(workers.c.id != admin.process.id).values(lease_until=0)

        async def killed(when, number, *command):
            dying = await python(
                *(Path(killed_worker.__file__), when, str(number), *command), stdout=DEVNULL, stderr=DEVNULL
            )
            assert await dying.wait() in {-signal.SIGKILL, 0}
            await admin.database.write(lambda db: db.execute(over))

        accepted, doubtful = [], set()
        for number, when in ((number, when) for number in range(1, 5) for when in ("before", "after")):
            to = f"{when}{number}@y.example"
            settings = to_server(server.port, to=to)
            flow = write_flow(tmp_path, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})
            if number == 1:
                await killed(when, 1, "run", flow, "--queue", "--run-id", to)
                there = [row.id for row in await admin.rows(runs)]
                assert (to in there) == (when == "after")
            async with Mailnode.open() as opened:
                assert (await opened.queue_run(flow, run_id=to)).is_repeat == (number == 1 and when == "after")
            accepted.append(to)
            await killed(when, number, "worker", "--drain")
            doubtful |= {row.run_id for row in await admin.rows(deliveries) if row.state == "handingOver"}
            async with Mailnode.open() as opened:
                await opened.work(drain=True)
        left = {row.id: row for row in await admin.rows(runs)}
        copies = [message.forward_paths[0] for message in server.accepted]
        for to in accepted:
            assert (left[to].status, left[to].request) == ("done", None)
            (node,) = json.loads(left[to].state)["nodes"]
            assert node["result"]["status"] == "sent"
            assert ("resentAfterUnknown" in node["result"]["warnings"]) == (to in doubtful)
            assert 1 <= copies.count(f"RCPT TO:<{to}>") <= 1 + (to in doubtful)
