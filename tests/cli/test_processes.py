"""`--processes`: several workers under one command on PostgreSQL, as users and service managers meet them."""

import asyncio
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
import pytest

from support.command import mailnode
from support.flows import to_server, write_flow
from support.forked_python import DEVNULL, PIPE, Process, python
from support.scripted_smtp import ScriptedServer

TOKEN = "t" * 32
SERVE = ("serve", "--port", "0", "--inbox-port", "0", "--processes", "2")


@pytest.fixture
def on_postgres(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAILNODE_DATABASE_URL", postgres_url)
    monkeypatch.setenv("MAILNODE_SECRET_KEY", "A" * 43 + "=")
    monkeypatch.setenv("MAILNODE_TOKEN", TOKEN)


async def queue(folder: Path, port: int, *recipients: str) -> None:
    for to in recipients:
        settings = to_server(port, to=to, asynchronous=True)
        flow = write_flow(folder, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})
        await mailnode("run", flow, "--no-wait")


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[Process]:
    """Run a command; whatever becomes of it, nothing of it is left."""
    process = await python("-m", "mailnode", *arguments, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE)
    try:
        yield process
    finally:
        process.kill()
        await said_to_the_end(process)


async def said_to_the_end(process: Process) -> str:
    """Give what it says until it and all its workers have ended: they have the same stderr."""
    assert process.stderr
    said = await asyncio.wait_for(process.stderr.read(), 60)
    await process.wait()
    return said.decode()


async def hear(process: Process, words: str) -> str:
    """Give the line in which it says these words."""
    assert process.stderr
    while words not in (line := (await asyncio.wait_for(process.stderr.readline(), 60)).decode()):
        assert line, words
    return line


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.1)  # nothing of ours tells when
    raise AssertionError(condition)


def workers_of(process: Process) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == process.pid:
                found.append(int(stat.parent.name))
    return found


def send_all(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def leases() -> list[str]:
    """Give the ids of the processes that have one."""
    import psycopg

    with psycopg.connect(os.environ["MAILNODE_DATABASE_URL"]) as database:
        return [str(one) for (one,) in database.execute("SELECT id FROM workers")]


def end_leases(dead: list[str]) -> None:
    """Let the time of these be over: that of a process which lives would be taken from it."""
    import psycopg

    with psycopg.connect(os.environ["MAILNODE_DATABASE_URL"]) as database:
        database.execute("UPDATE workers SET lease_until = 0 WHERE id = ANY(%s)", [dead])


@pytest.mark.parametrize("command", ["worker", "serve"])
async def test_sqlite_is_refused_with_the_reason(command):
    ended = await mailnode(command, "--processes", "2", MAILNODE_DATABASE_URL="sqlite:///here.db")
    assert ended.status == 2
    assert "SQLite lets one process write at a time" in ended.stderr
    assert "MAILNODE_DATABASE_URL" in ended.stderr
    assert (await mailnode("worker", "--processes", "0")).status == 2


@pytest.mark.usefixtures("on_postgres")
class TestWorker:
    async def test_what_is_wrong_with_the_settings_is_told_once(self):
        ended = await mailnode("worker", "--processes", "3", MAILNODE_SECRET_KEY="")
        assert ended.status == 2
        assert ended.stderr.count("MAILNODE_SECRET_KEY is not set") == 1
        assert "restarts" not in ended.stderr

    async def test_a_first_one_that_is_killed_before_it_began_is_told(self, monkeypatch):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            monkeypatch.setenv("MAILNODE_DATABASE_URL", f"postgresql://mailnode@127.0.0.1:{port}/mailnode")
            async with running("worker", "--processes", "2") as command:
                await until(lambda: bool(workers_of(command)))
                send_all(workers_of(command), signal.SIGKILL)
                said = await said_to_the_end(command)
        assert "worker 1: its process was ended by SIGKILL before it began to work\n" in said
        assert (command.returncode, "restarts" in said) == (1, False)

    async def test_drain_adds_up_what_all_have_done(self, tmp_path):
        refusal = {"RCPT TO:<b@y.example>": "550 5.1.1 no such user"}
        async with ScriptedServer(refusal) as server:
            await queue(tmp_path, server.port, "a@y.example", "b@y.example", "c@y.example")
            ended = await mailnode("worker", "--drain", "--processes", "2")
            assert len(server.accepted) == 2
        assert (ended.status, "done: 1 failed, 2 sent\n" in ended.stderr) == (1, True), ended.stderr

    async def test_killed_workers_are_replaced_and_a_stop_waits_for_an_answer_that_is_due(self, tmp_path):
        async with ScriptedServer({"dot": ""}) as server:
            await queue(tmp_path, server.port, "a@y.example")
            async with running("worker", "--processes", "2") as command:
                await server.reached("dot")
                await until(lambda: len(workers_of(command)) == 2)
                nameless, dead = signal.SIGRTMIN + 6, leases()
                for pid, number in zip(workers_of(command), (signal.SIGKILL, nameless), strict=True):
                    os.kill(pid, number)
                said = "".join([await hear(command, "it restarts in 1 s") for _ in range(2)])
                assert "its process was ended by SIGKILL" in said
                assert f"its process was ended by signal {nameless}" in said
                end_leases(dead)
                await until(lambda: len(server.times["dot"]) == 2)
                workers = workers_of(command)
                send_all(workers, signal.SIGSTOP)
                command.send_signal(signal.SIGTERM)
                await hear(command, "stopping")
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCONT):  # as a service manager does
                    send_all(workers, number)
                send_all(workers, signal.SIGTERM)
                server.say("250 2.0.0 at last")
                said = await said_to_the_end(command)
            (one,) = (await mailnode("deliveries", "list", "--json")).json
        assert (command.returncode, one["state"], one["attempts"]) == (0, "sent", 2), said
        assert "done: 1 sent" in said

    async def test_each_line_of_the_log_names_its_worker_and_all_end_with_who_started_them(self, tmp_path):
        async with ScriptedServer({"greeting": "421 4.3.2 not now"}) as server:
            await queue(tmp_path, server.port, "a@y.example")
            async with running("worker", "--processes", "2") as command:
                assert (await hear(command, "waits and is retried")).startswith("worker ")
                command.kill()
                await said_to_the_end(command)

    async def test_a_second_signal_ends_all_at_once(self, tmp_path):
        async with ScriptedServer({"dot": ""}) as server:
            await queue(tmp_path, server.port, "a@y.example")
            async with running("worker", "--processes", "2") as command:
                await server.reached("dot")
                command.send_signal(signal.SIGINT)
                await hear(command, "stopping")
                command.send_signal(signal.SIGINT)
                await said_to_the_end(command)
        assert command.returncode == 128 + signal.SIGINT


@pytest.mark.usefixtures("on_postgres")
async def test_serve_leaves_the_queue_to_its_workers_and_counts_what_they_do(tmp_path):
    async with ScriptedServer() as server, running(*SERVE) as command:
        url = (await hear(command, "http://")).split()[-1]
        await queue(tmp_path, server.port, "a@y.example")
        async with httpx2.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60) as client:

            async def told(*lines: str) -> None:
                for _ in range(600):
                    if set(lines) <= {*(await client.get("/metrics")).text.splitlines()}:
                        return
                    await asyncio.sleep(0.1)
                raise AssertionError(lines)

            sent, alive = 'mailnode_carried_total{status="sent"} 1', 'mailnode_task_alive{task="the queue\'s worker"}'
            await told(sent, f"{alive} 1", 'mailnode_task_alive{task="worker 1"} 1')
            assert (await client.get("/health")).json()["worker"]["alive"]
            is_told = False
            while not is_told:  # whoever looks too late finds them at work again
                await told(f"{alive} 1")
                send_all(workers_of(command), signal.SIGKILL)
                for _ in range(20):
                    health, metrics = await client.get("/health"), (await client.get("/metrics")).text.splitlines()
                    is_told = health.status_code == 503 and {sent, f"{alive} 0"} <= {*metrics}
                    if is_told:
                        break
            assert "SIGKILL" in health.json()["worker"]["reason"]
            await told(sent, f"{alive} 1")
            assert re.search(r'mailnode_task_defects_total{task="worker 1"} [1-9]', (await client.get("/metrics")).text)
            assert (await client.get("/health")).status_code == 200
        command.send_signal(signal.SIGTERM)
        said = await said_to_the_end(command)
    assert command.returncode == 0, said
