import pytest
from sqlalchemy import update

from mailnode.app import Mailnode
from mailnode.errors import ErrorCode, UsageError
from mailnode.store.sql import Cursor
from mailnode.store.tables import runs
from support.flows import to_server, write_flow


@pytest.fixture(autouse=True)
def on_both_databases(database_kind):
    """Run each test on both databases."""


@pytest.fixture
async def mailnode():
    async with Mailnode.open() as opened:
        yield opened


@pytest.fixture
def greeting(tmp_path):
    return write_flow(tmp_path, {"id": "greet", "type": "say", "settings": {"text": "Hello {{ input.name }}"}})


async def change(mailnode, run_id, **values):
    database = mailnode.runs._database
    await database.write(lambda db: db.execute(update(runs).where(runs.c.id == run_id).values(**values)))


class TestLatest:
    async def test_gives_the_latest_first_and_by_pages(self, mailnode, greeting):
        for number in range(4):
            await mailnode.run(greeting, input={"name": str(number)}, run_id=f"run{number}")
            await change(mailnode, f"run{number}", created_at=number // 2)
        first = await mailnode.runs.list(limit=3)
        assert [one["run"] for one in first] == ["run3", "run2", "run1"]
        rest = await mailnode.runs.list(after=Cursor(first[-1]["createdAt"], first[-1]["run"]))
        assert [one["run"] for one in rest] == ["run0"]

    async def test_looks_for_a_flow_and_a_status(self, mailnode, greeting, inbox, tmp_path):
        await mailnode.run(greeting, input={"name": "Jane"}, run_id="good")
        await mailnode.run(greeting, input={}, run_id="bad")  # there is no name
        mail = {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(inbox.port)}
        await mailnode.run(write_flow(tmp_path, mail, name="mail.json"), run_id="mail")
        assert {one["run"]: (one["status"], one["mails"]) for one in await mailnode.runs.list()} == {
            "good": ("done", []),
            "bad": ("halted", []),
            "mail": ("done", ["sent"]),
        }
        (halted,) = await mailnode.runs.list(statuses=["halted"])
        assert halted["run"] == "bad"
        assert "greet" in halted["error"]
        assert await mailnode.runs.list(flow="another") == []

    async def test_tells_a_run_that_goes_on_from_one_whose_process_is_gone(self, mailnode, greeting):
        for run_id in ("alive", "dead"):
            await mailnode.run(greeting, input={"name": "Jane"}, run_id=run_id)
        await change(mailnode, "alive", status="running", state=None)
        await change(mailnode, "dead", status="running", state=None, worker="somebody-else")
        for status, run_id in (("running", "alive"), ("interrupted", "dead")):
            (found,) = await mailnode.runs.list(statuses=[status])
            assert (found["run"], found["status"]) == (run_id, status)


class TestShow:
    async def test_gives_what_each_node_did(self, mailnode, greeting):
        await mailnode.run(greeting, input={"name": "Jane"}, context={"a": 1}, run_id="one")
        shown = await mailnode.runs.show("one")
        assert (shown["input"], shown["context"], shown["output"]) == ({"name": "Jane"}, {"a": 1}, ["Hello Jane"])
        assert [(node["id"], node["status"]) for node in shown["nodes"]] == [("greet", "done")]

    async def test_gives_what_is_known_of_one_under_way(self, mailnode, greeting):
        await mailnode.run(greeting, input={"name": "Jane"}, run_id="one")
        await change(mailnode, "one", status="running", state=None)
        shown = await mailnode.runs.show("one")
        assert (shown["status"], shown["nodes"], shown["input"]) == ("running", None, None)

    async def test_gives_what_one_began_with_whatever_its_nodes_replaced(self, mailnode, inbox, tmp_path):
        nodes = [
            {"id": "total", "type": "setContext", "settings": {"key": "order.total", "value": 17}},
            {"id": "again", "type": "setContext", "settings": {"key": "order.total", "value": 18}},
            {
                "id": "tell",
                "type": "sendSmtpEmail",
                "settings": to_server(inbox.port, storeResult="input", resultKey="mail.first"),
            },
        ]
        given = {"input": {"name": "Jane"}, "context": {"order": {"id": 1, "total": 0}, "x": [1]}}
        await mailnode.run(write_flow(tmp_path, *nodes), **given, run_id="one")
        shown = await mailnode.runs.show("one")
        assert (shown["context"]["order"]["total"], shown["input"]["mail"]["first"]["status"]) == (18, "sent")
        assert shown["startedWith"] == given
        for damaged in ("[]", '{"context": 1}', '{"input": {"mail": 1}}'):
            stored = f'{{"nodes": [], "input": {{"mail": 2}}, "context": {{}}, "output": [], "replaced": {damaged}}}'
            await change(mailnode, "one", state=stored)
            await mailnode.runs.show("one")

    async def test_of_one_that_is_not_there_says_so(self, mailnode):
        with pytest.raises(UsageError) as raised:
            await mailnode.runs.show("nowhere")
        assert raised.value.code is ErrorCode.UNKNOWN_RUN
