import asyncio
import json
import os
import signal

import pytest

from mailnode.inbox.server import Inbox
from support.command import mailnode
from support.flows import to_server, write_flow
from support.forked_python import python
from support.scripted_smtp import ScriptedServer

pytestmark = pytest.mark.usefixtures("database_kind")


def flow_of(folder, port, **settings):
    stored = {"asynchronous": True, "storeResult": "context", "resultKey": "mail", **settings}
    return write_flow(folder, {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(port, **stored)})


async def start(*arguments):
    return await python(
        "-m",
        "mailnode",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def stopping(worker):
    """Send the first signal, and wait until the worker says that it has heard it."""
    worker.send_signal(signal.SIGTERM)
    while b"stopping" not in await worker.stderr.readline():
        pass


def end_leases():
    """Let the time of workers be over that have ended."""
    import psycopg

    with psycopg.connect(os.environ["MAILNODE_DATABASE_URL"]) as database:
        database.execute("UPDATE workers SET lease_until = 0")


async def listed(*options):
    return (await mailnode("deliveries", "list", "--json", *options)).json


class TestRun:
    async def test_waits_for_its_mail_and_prints_the_outcome(self, inbox, tmp_path):
        ran = await mailnode("run", flow_of(tmp_path, inbox.port))
        assert ran.status == 0
        result = ran.json["nodes"][0]["result"]
        assert result["status"] == "sent"
        assert ran.json["context"]["mail"] == result
        assert len(inbox.messages()) == 1

    async def test_with_no_wait_leaves_it_to_a_worker_and_the_stored_result_follows(self, inbox, tmp_path):
        flow = flow_of(tmp_path, inbox.port)
        ran = await mailnode("run", flow, "--no-wait", "--run-id", "r")
        assert (ran.status, ran.json["context"]["mail"]["status"]) == (0, "queued")
        assert inbox.messages() == []
        worked = await mailnode("worker", "--drain")
        assert (worked.status, "1 sent" in worked.stderr) == (0, True)
        again = (await mailnode("run", flow, "--no-wait", "--run-id", "r")).json
        assert again["context"]["mail"]["status"] == again["nodes"][0]["result"]["status"] == "sent"
        assert len(inbox.messages()) == 1

    async def test_a_refused_mail_is_told_though_the_run_did_not_wait_to_halt(self, tmp_path):
        async with ScriptedServer({"dot": "554 5.7.1 spam"}) as server:
            ran = await mailnode("run", flow_of(tmp_path, server.port, stopOnError=True))
        assert ran.status == 0
        assert ran.json["context"]["mail"]["status"] == "failed"
        assert "554 5.7.1 spam" in ran.stderr

    async def test_errors_of_settings_come_at_once_and_halt(self, inbox, tmp_path):
        ran = await mailnode("run", flow_of(tmp_path, inbox.port, to="{{ input.nobody }}", stopOnError=True))
        assert ran.status == 1
        assert ran.json["context"]["mail"]["status"] == "failed"
        assert await listed() == []

    async def test_with_queue_leaves_the_run_to_a_worker_which_tells_of_its_email(self, tmp_path):
        async with ScriptedServer({"MAIL": "550 no"}) as server:
            flow = flow_of(tmp_path, server.port, asynchronous=False)
            ran = await mailnode("run", flow, "--queue", "--run-id", "r")
            assert (ran.status, ran.json) == (0, {"run": "r", "flow": "test", "status": "running"})
            worked = await mailnode("worker", "--drain")
        assert (worked.status, "1 failed" in worked.stderr) == (1, True)
        assert (await mailnode("run", flow, "--queue", "--no-wait")).status == 2


class TestWorker:
    async def test_drain_with_nothing_to_do_ends(self):
        assert (await mailnode("worker", "--drain")).status == 0

    async def test_drain_tells_by_its_status_that_a_mail_failed(self, tmp_path):
        async with ScriptedServer({"MAIL": "550 no"}) as server:
            await mailnode("run", flow_of(tmp_path, server.port), "--no-wait")
            worked = await mailnode("worker", "--drain")
        assert (worked.status, "1 failed" in worked.stderr) == (1, True)

    async def test_drain_tells_of_what_it_leaves_to_a_later_try(self, tmp_path):
        async with ScriptedServer({"MAIL": "451 4.3.0 later"}) as server:
            await mailnode("run", flow_of(tmp_path, server.port), "--no-wait")
            worked = await mailnode("worker", "--drain")
        assert (worked.status, "1 still queued" in worked.stderr) == (0, True)

    async def test_a_signal_returns_what_is_not_handed_over(self, tmp_path):
        async with ScriptedServer({"MAIL": ""}) as server:
            await mailnode("run", flow_of(tmp_path, server.port), "--no-wait")
            worker = await start("worker")
            await server.reached("MAIL")
            worker.send_signal(signal.SIGTERM)
            _, said = await worker.communicate(b"")
            assert worker.returncode == 0, said
            (one,) = await listed()
        assert (one["state"], one["attempts"]) == ("queued", 0)

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_drain_that_is_stopped_before_the_queue_is_empty_says_so(self, number, tmp_path):
        async with ScriptedServer({"MAIL": ""}) as server:
            await mailnode("run", flow_of(tmp_path, server.port), "--no-wait")
            worker = await start("worker", "--drain")
            await server.reached("MAIL")
            worker.send_signal(number)
            _, said = await worker.communicate(b"")
        assert worker.returncode == 128 + number, said

    async def test_a_signal_waits_for_an_answer_that_is_due(self, tmp_path):
        async with ScriptedServer({"dot": ""}) as server:
            await mailnode("run", flow_of(tmp_path, server.port), "--no-wait")
            worker = await start("worker")
            await server.reached("dot")
            await stopping(worker)
            server.say("250 2.0.0 at last")
            await worker.communicate(b"")
            (one,) = await listed()
        assert one["state"] == "sent"

    async def test_a_second_signal_leaves_at_once_and_the_doubt_is_told(self, tmp_path, database_kind):
        async with ScriptedServer({"dot": ["", "250 taken"]}) as server:
            await mailnode("run", flow_of(tmp_path, server.port), "--no-wait")
            worker = await start("worker")
            await server.reached("dot")
            await stopping(worker)
            worker.send_signal(signal.SIGTERM)
            await worker.communicate(b"")
            assert worker.returncode == 128 + signal.SIGTERM
            if database_kind == "postgres":
                end_leases()
            await mailnode("worker", "--drain")
            (one,) = await listed()
            shown = (await mailnode("deliveries", "show", one["deliveryId"], "--json")).json
        assert shown["result"]["warnings"] == ["resentAfterUnknown"], json.dumps(shown)

    async def test_two_workers_share_the_queue_and_send_nothing_twice(self, inbox, tmp_path):
        flow = flow_of(tmp_path, inbox.port, to="{{ input.to }}")
        for number in range(5):
            given = json.dumps({"to": f"n{number}@y.example"})
            await mailnode("run", flow, "--no-wait", "--input", given)
        await asyncio.gather(mailnode("worker", "--drain"), mailnode("worker", "--drain"))
        assert sorted(to for one in inbox.messages() for to in one.rcpt_to) == [f"n{n}@y.example" for n in range(5)]


async def test_a_mail_that_fails_for_good_is_not_said_to_wait(tmp_path):
    async with ScriptedServer({"greeting": "554 5.7.1 not you"}) as server:
        await mailnode("run", flow_of(tmp_path, server.port), "--no-wait")
        done = await mailnode("worker", "--drain")
    assert f"email through 127.0.0.1:{server.port} fails; the next one is tried later: " in done.stderr
    assert "waits" not in done.stderr
    assert "done: 1 failed" in done.stderr


async def test_a_server_that_is_away_is_told_once_and_so_is_its_return(tmp_path, closed_port):
    port = closed_port
    await mailnode("run", flow_of(tmp_path, port), "--no-wait")
    worker = await start("worker")
    told = [await worker.stderr.readline() for _ in range(3)]
    assert f"email through 127.0.0.1:{port} waits and is retried".encode() in told[1]
    assert b"check host and port" in told[2]
    async with Inbox(tmp_path / "late", port=port) as late:
        await late.wait_for(1)
        assert await worker.stderr.readline() == f"email through 127.0.0.1:{port} is sent again\n".encode()
    worker.send_signal(signal.SIGTERM)
    await worker.communicate()
