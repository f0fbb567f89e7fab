"""A mail is accepted, and the database can't be told: no command calls that well, and none waits for ever."""

import asyncio
import json
import re
import resource
import signal
import sqlite3
from contextlib import closing, contextmanager

import httpx2
import pytest

from support.command import mailnode
from support.flows import to_server, write_flow
from support.forked_python import python
from support.postgres import own_server
from support.scripted_smtp import ScriptedServer

# A minute of patience is a second here, and the ten seconds for a lock are a twentieth of one.
IMPATIENT = """
from mailnode.store import retry, sqlite_engine
retry.RETRY_SECONDS, sqlite_engine.BUSY_MILLISECONDS = 1.0, 50
from mailnode.cli.main import main
main()
"""


async def start(*arguments):
    return await python(
        *("-c", IMPATIENT, *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def flow_of(folder, port, **settings):
    return write_flow(folder, {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(port, **settings)})


@contextmanager
def foreign_lock(home):
    """Write to the database as another program does that takes its time."""
    with closing(sqlite3.connect(home / "mailnode.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def limit(process, octets):
    """Let a process write to no file beyond this: as on a disk whose quota is used up."""
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (octets, hard))


async def line_with(words, process):
    while words not in (line := (await process.stderr.readline()).decode()):
        assert line, words
    return line


async def states():
    listed = (await mailnode("deliveries", "list", "--json")).json
    return sorted(one["state"] for one in listed)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_run_says_so_in_its_result_on_stderr_and_by_its_status(asynchronous, home, tmp_path):
    async with ScriptedServer({"dot": ""}) as server:
        flow = flow_of(tmp_path, server.port, asynchronous=asynchronous, storeResult="context", resultKey="mail")
        run = await start("run", flow, "--run-id", "r")
        await server.reached("dot")
        with foreign_lock(home):
            server.say("250 2.0.0 taken")
            stdout, stderr = await run.communicate()
    said = json.loads(stdout)
    assert run.returncode == 4, stderr
    assert said["nodes"][0]["result"]["status"] == "sent"
    assert said["nodes"][0]["result"]["warnings"][0].startswith("outcomeNotStored: the database can't be used")
    assert said["context"]["mail"] == said["nodes"][0]["result"]
    assert asynchronous or said["outcomeNotStored"] == "the database can't be used: database is locked"
    assert b"don't run the flow again under a new run id" in stderr
    assert await states() == ["interrupted"]


async def test_a_run_that_is_stopped_meanwhile_says_so_too(home, tmp_path):
    async with ScriptedServer({"dot": ""}) as server:
        run = await start("run", flow_of(tmp_path, server.port))
        await server.reached("dot")
        limit(run, 0)
        server.say("250 2.0.0 taken")
        await line_with("kept in memory", run)
        run.send_signal(signal.SIGTERM)
        _, stderr = await run.communicate()
    assert (run.returncode, b"don't run the flow again" in stderr) == (4, True), stderr


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_rows_whose_outcome_is_not_stored_are_counted(asynchronous, home, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("to\na@y.example\n")
    async with ScriptedServer({"dot": ""}) as server:
        flow = flow_of(tmp_path, server.port, asynchronous=asynchronous)
        run = await start("run", flow, "--inputs", rows)
        await server.reached("dot")
        with foreign_lock(home):
            server.say("250 2.0.0 taken")
            stdout, stderr = await run.communicate()
    assert (run.returncode, json.loads(stdout)["outcomeNotStored"]) == (4, 1), stderr


async def test_a_worker_that_drains_says_so_by_its_status(home, tmp_path):
    async with ScriptedServer({"dot": ""}) as server:
        await mailnode("run", flow_of(tmp_path, server.port, asynchronous=True), "--no-wait")
        worker = await start("worker", "--drain")
        await server.reached("dot")
        with foreign_lock(home):
            server.say("250 2.0.0 taken")
            _, stderr = await worker.communicate()
    assert worker.returncode == 4, stderr
    assert b"1 outcome could not be stored: the database can't be used: database is locked" in stderr


class TestWorker:
    async def test_keeps_an_outcome_until_the_disk_takes_it(self, home, tmp_path):
        async with ScriptedServer({"dot": ""}) as server:
            await mailnode("run", flow_of(tmp_path, server.port, asynchronous=True), "--no-wait")
            worker = await start("worker")
            await server.reached("dot")
            limit(worker, 0)
            server.say("250 2.0.0 taken")
            assert "disk I/O error" in await line_with("kept in memory", worker)
            with foreign_lock(home):  # another trouble, longer than anybody's patience
                limit(worker, resource.RLIM_INFINITY)
                await asyncio.sleep(1.5)
            await line_with("can be stored again", worker)
            worker.send_signal(signal.SIGTERM)
            _, stderr = await worker.communicate()
        assert (worker.returncode, b"1 sent" in stderr) == (0, True), stderr
        assert await states() == ["sent"]

    async def test_says_by_its_status_what_it_takes_along_when_it_is_stopped(self, tmp_path):
        async with ScriptedServer({"dot": ""}) as server:
            await mailnode("run", flow_of(tmp_path, server.port, asynchronous=True), "--no-wait")
            worker = await start("worker")
            await server.reached("dot")
            limit(worker, 0)
            server.say("250 2.0.0 taken")
            await line_with("kept in memory", worker)
            worker.send_signal(signal.SIGTERM)
            _, stderr = await worker.communicate()
        assert worker.returncode == 4, stderr
        assert b"don't run the flow again under a new run id" in stderr


async def test_a_postgresql_that_is_gone_is_waited_for_as_long(tmp_path, monkeypatch):
    with own_server() as postgres:
        monkeypatch.setenv("MAILNODE_DATABASE_URL", postgres.url)
        monkeypatch.setenv("MAILNODE_SECRET_KEY", "A" * 43 + "=")
        async with ScriptedServer({"dot": ["", "250 taken"]}) as server:
            await mailnode("run", flow_of(tmp_path, server.port, asynchronous=True), "--no-wait")
            worker = await start("worker", "--drain")
            await server.reached("dot")
            await asyncio.to_thread(postgres.stop, "immediate")
            server.say("250 2.0.0 taken")
            _, stderr = await worker.communicate()
            await asyncio.to_thread(postgres.start)
    assert worker.returncode == 4, stderr
    assert b"1 outcome could not be stored: the database can't be used" in stderr


async def test_health_is_bad_while_an_outcome_waits_and_good_again_when_it_is_stored(tmp_path):
    async with ScriptedServer({"dot": ""}) as server:
        await mailnode("run", flow_of(tmp_path, server.port, asynchronous=True), "--no-wait")
        serve = await start("serve", "--port", "0", "--inbox-port", "0")
        (url,) = re.findall(r"http://\S+", await line_with("editor ", serve))
        async with httpx2.AsyncClient(base_url=url, timeout=60) as client:

            async def told(status):
                while (answer := await client.get("/health")).status_code != status:  # noqa: ASYNC110 -- another process has no event of ours
                    await asyncio.sleep(0.05)
                return answer.json()

            await server.reached("dot")
            assert (await told(200))["outcomesWaiting"] == 0
            limit(serve, 0)
            server.say("250 2.0.0 taken")
            bad = await told(503)
            assert (bad["status"], bad["outcomesWaiting"]) == ("waiting", 1)
            assert "can't be stored in the database" in bad["reason"]
            limit(serve, resource.RLIM_INFINITY)
            good = await told(200)
            assert (good["status"], good["outcomesWaiting"], good["reason"]) == ("ok", 0, None)
        serve.terminate()
        _, stderr = await serve.communicate()
    assert serve.returncode == 0, stderr
    assert await states() == ["sent"]
