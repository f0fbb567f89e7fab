import asyncio
import signal
import sys

import pytest

from support.command import mailnode
from support.flows import to_server, write_flow
from support.forked_python import python
from support.scripted_smtp import STALL, ScriptedServer

WAITING = b"waiting for the server's answer"


async def start(*arguments):
    return await python(
        *("-m", "mailnode", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


def command_of(kind, folder, port):
    if kind == "run":
        node = {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(port)}
        return ("run", write_flow(folder, node), "--run-id", "r1")
    server = ("--host", "127.0.0.1", "--port", str(port), "--tls-option", "none")
    return ("send", *server, "--from", "shop@example.com", "--to", "jane@example.org", "--text", "hi")


@pytest.mark.parametrize("kind", ["run", "send"])
class TestSigterm:
    async def test_before_the_dot_gives_the_mail_up(self, kind, tmp_path):
        async with ScriptedServer({"EHLO": STALL}) as server:
            process = await start(*command_of(kind, tmp_path, server.port))
            await server.reached("EHLO")
            process.send_signal(signal.SIGTERM)
            _, said = await process.communicate()
        assert (process.returncode, said.strip()) == (128 + signal.SIGTERM, b"")
        assert server.accepted == []

    async def test_a_second_one_leaves_at_once(self, kind, tmp_path):
        async with ScriptedServer({"dot": STALL}) as server:
            process = await start(*command_of(kind, tmp_path, server.port))
            await server.reached("dot")
            process.send_signal(signal.SIGTERM)
            assert WAITING in await process.stderr.readline()
            process.send_signal(signal.SIGTERM)
            _, said = await process.communicate()
        assert process.returncode == 128 + signal.SIGTERM
        assert b"Traceback" not in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_send_whose_dot_is_out_waits_for_the_answer_and_tells_it(number, tmp_path):
    async with ScriptedServer({"dot": ""}) as server:
        process = await start(*command_of("send", tmp_path, server.port))
        await server.reached("dot")
        process.send_signal(number)
        assert WAITING in await process.stderr.readline()
        server.say("250 2.0.0 at last")
        told, _ = await process.communicate()
    assert (process.returncode, told.splitlines()[-1].startswith(b"sent: ")) == (0, True)


async def test_a_run_whose_dot_is_out_waits_for_the_answer(tmp_path):
    async with ScriptedServer({"dot": ""}) as server:
        command = command_of("run", tmp_path, server.port)
        process = await start(*command)
        await server.reached("dot")
        process.send_signal(signal.SIGTERM)
        assert WAITING in await process.stderr.readline()
        server.say("250 2.0.0 at last")
        await process.communicate()
        again = await mailnode(*command)
    assert process.returncode == 128 + signal.SIGTERM
    assert again.json["nodes"][0]["result"]["status"] == "sent"
    assert len(server.visits) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_inbox_ends_well_however_it_is_stopped(number):
    process = await start("inbox", "--port", "0")
    assert b"receiving email" in await process.stderr.readline()
    process.send_signal(number)
    _, said = await process.communicate()
    assert (process.returncode, said.strip()) == (0, b"")


async def stopped_while_loading(module, *arguments):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-X", "importtime", "-m", "mailnode", *arguments), stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr
    while not (line := await process.stderr.readline()).strip().endswith(b" " + module.encode()):
        assert line, module
    process.send_signal(signal.SIGTERM)
    _, said = await process.communicate()
    assert b"Traceback" not in said
    return process.returncode


@pytest.mark.parametrize("module", ["click.core", "sqlalchemy.engine", "mailnode.app"])
@pytest.mark.parametrize("arguments", [("worker",), ("serve", "--port", "0", "--inbox-port", "0")])
async def test_a_service_that_is_stopped_while_it_loads_has_ended_well(arguments, module):
    assert await stopped_while_loading(module, *arguments) == 0


async def test_a_queue_that_is_not_empty_is_told_by_the_status_whenever_its_worker_is_stopped(tmp_path):
    async with ScriptedServer({"MAIL": ""}) as server:
        node = {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(server.port, asynchronous=True)}
        await mailnode("run", write_flow(tmp_path, node), "--no-wait")
        for module in ("click.core", "mailnode.app"):
            assert await stopped_while_loading(module, "worker", "--drain") == 128 + signal.SIGTERM
