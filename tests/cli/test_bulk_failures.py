"""Commands while the database is away, or silent: rows wait and none is told as failed, and a worker can be ended."""

import asyncio
import json
import signal
from pathlib import Path

from sqlalchemy import make_url

from support.flows import to_server, write_flow
from support.forked_python import PIPE, python
from support.postgres import own_server
from support.scripted_smtp import ScriptedServer
from support.silent_proxy import silent_proxy


async def start(*arguments):
    """Start `mailnode` with these arguments."""
    return await python("-m", "mailnode", *arguments, stdout=PIPE, stderr=PIPE)


async def test_rows_wait_for_a_database_that_starts_anew_and_ends_their_sessions(tmp_path, monkeypatch):
    rows = tmp_path / "rows.csv"
    rows.write_text("to\n" + "".join(f"n{number}@y.example\n" for number in range(300)))
    with own_server() as postgres:
        monkeypatch.setenv("MAILNODE_DATABASE_URL", postgres.url)
        monkeypatch.setenv("MAILNODE_SECRET_KEY", "A" * 43 + "=")
        async with ScriptedServer({"dot": ["", "250 taken"]}) as server:
            settings = to_server(server.port, to="{{ input.to }}", timeoutSeconds=60)
            flow = write_flow(tmp_path, {"id": "mail", "type": "sendSmtpEmail", "settings": settings})
            run = await start("run", flow, "--inputs", rows)
            await server.reached("dot")
            for mode in ("immediate", "fast"):
                await asyncio.to_thread(postgres.stop, mode)
                await asyncio.to_thread(postgres.start)
            server.say("250 2.0.0 taken")
            stdout, stderr = await run.communicate()
    assert run.returncode == 0, stderr
    told = json.loads(stdout)
    assert (told["rows"], told["halted"], told["mails"]) == (300, 0, {"sent": 300}), stdout
    assert len(server.accepted) == 299  # and the one whose answer was said by hand


async def test_a_run_begins_when_a_database_that_is_away_is_back(tmp_path, monkeypatch):
    with own_server() as postgres:
        monkeypatch.setenv("MAILNODE_DATABASE_URL", postgres.url)
        monkeypatch.setenv("MAILNODE_SECRET_KEY", "A" * 43 + "=")
        await asyncio.to_thread(postgres.stop)
        async with ScriptedServer() as server:
            settings = to_server(server.port, to="jane@y.example")
            run = await start("run", write_flow(tmp_path, {"id": "a", "type": "sendSmtpEmail", "settings": settings}))
            worker = await start("worker")
            said = [await process.stderr.readline() for process in (run, worker) if process.stderr]
            worker.send_signal(signal.SIGTERM)
            await worker.communicate()
            await asyncio.to_thread(postgres.start)
            stdout, stderr = await run.communicate()
    assert all(b"can't be opened" in line and b"retrying" in line for line in said), said
    assert (run.returncode, worker.returncode) == (0, 0), stderr
    assert json.loads(stdout)["status"] == "done"
    assert len(server.accepted) == 1


IMPATIENT = """
from mailnode.store import watched
watched.SILENT_SECONDS = 0.5
from mailnode.cli.main import main
main()
"""


async def test_a_worker_ends_when_it_is_told_to_though_the_database_is_silent(postgres_url, monkeypatch):
    url = make_url(postgres_url)
    async with silent_proxy(Path(str(url.query["host"])) / ".s.PGSQL.5432") as proxy:
        through = url.set(host="127.0.0.1", port=proxy.port, query={"sslmode": "disable", "connect_timeout": "2"})
        monkeypatch.setenv("MAILNODE_DATABASE_URL", through.render_as_string(hide_password=False))
        monkeypatch.setenv("MAILNODE_SECRET_KEY", "A" * 43 + "=")
        worker = await python("-c", IMPATIENT, "worker", stderr=PIPE)
        assert worker.stderr
        heard = await worker.stderr.readline()
        proxy.hands_on.clear()
        while b"can't continue now" not in heard:
            heard = await worker.stderr.readline()
            assert heard
        worker.send_signal(signal.SIGTERM)
        _, stderr = await asyncio.wait_for(worker.communicate(), 120)
    assert worker.returncode is not None
    assert b"Traceback" not in stderr, stderr
