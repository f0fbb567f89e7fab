"""Runs of several processes over one home: nobody's mail is lost, and none is silently sent twice."""

import asyncio
import json
import os
import signal
from itertools import product
from pathlib import Path

import pytest

from mailnode.store.tables import deliveries, runs, workers
from support import killed_worker
from support.command import mailnode
from support.deliveries import sending
from support.flows import to_server, write_flow
from support.forked_python import DEVNULL, python
from support.scripted_smtp import STALL, ScriptedServer


def flow_of(folder, port, **settings):
    return write_flow(
        folder,
        {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(port, **settings)},
        {"id": "next", "type": "say", "settings": {"text": "went on"}},
    )


async def start(flow):
    return await python(
        *("-m", "mailnode", "run", flow, "--run-id", "r1"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(os.environ),
    )


async def kill_at(stage, server, flow):
    process = await start(flow)
    await server.reached(stage)
    process.kill()
    await process.communicate()


class TestKilled:
    async def test_before_content_left_the_mail_is_sent_once_and_without_a_doubt(self, tmp_path):
        async with ScriptedServer({"DATA": [STALL, "354 go on"]}) as server:
            flow = flow_of(tmp_path, server.port, onUnknown="hold")
            await kill_at("DATA", server, flow)
            again = await mailnode("run", flow, "--run-id", "r1")
        result = again.json["nodes"][0]["result"]
        assert (again.status, result["status"], result["warnings"]) == (0, "sent", [])
        assert len(server.accepted) == 1

    async def test_after_the_dot_the_mail_is_sent_again_and_says_so(self, tmp_path):
        async with ScriptedServer({"dot": [STALL, "250 taken"]}) as server:
            flow = flow_of(tmp_path, server.port)
            await kill_at("dot", server, flow)
            again = await mailnode("run", flow, "--run-id", "r1")
        result = again.json["nodes"][0]["result"]
        assert (result["status"], result["warnings"]) == ("sent", ["resentAfterUnknown"])
        ids = [
            octets.split(b"Message-ID: ")[1].split(b"\r\n")[0] for visit in server.visits for octets in visit.contents
        ]
        assert len(ids) == 2
        assert ids[0] == ids[1]

    async def test_or_is_held(self, tmp_path):
        async with ScriptedServer({"dot": [STALL, "250 taken"]}) as server:
            flow = flow_of(tmp_path, server.port, onUnknown="hold", stopOnError=True)
            await kill_at("dot", server, flow)
            again = await mailnode("run", flow, "--run-id", "r1")
        assert (again.status, again.json["nodes"][0]["result"]["status"]) == (1, "held")
        assert len(server.visits) == 1

    async def test_a_mail_that_was_accepted_is_not_sent_again(self, inbox, tmp_path):
        async with ScriptedServer({"greeting": [STALL, "220 hi"]}) as second:
            flow = write_flow(
                tmp_path,
                {"id": "one", "type": "sendSmtpEmail", "settings": to_server(inbox.port)},
                {"id": "two", "type": "sendSmtpEmail", "settings": to_server(second.port)},
            )
            await kill_at("greeting", second, flow)
            again = await mailnode("run", flow, "--run-id", "r1")
        first, other = (node["result"] for node in again.json["nodes"])
        assert (first["status"], first["duplicate"], other["status"]) == ("sent", True, "sent")
        assert len(inbox.messages()) == 1
        assert len(second.accepted) == 1


@pytest.mark.parametrize(
    ("database_kind", "has_id", "commits"), [("sqlite", False, 3), ("postgres", True, 4)], indirect=["database_kind"]
)
@pytest.mark.usefixtures("database_kind")
async def test_a_run_that_is_killed_at_a_commit_has_ended_if_its_mail_has_and_sends_it_once_all_the_same(
    has_id, commits, home, tmp_path
):
    seen = set()
    async with ScriptedServer() as server, sending(home) as admin:
        over = workers.update().where(workers.c.id != admin.process.id).values(lease_until=0)
        for number, when in product(range(1, commits + 1), ("before", "after")):
            to = f"{when}{number}@y.example"
            settings = to_server(server.port, to=to)
            flow = write_flow(tmp_path, {"id": "tell", "type": "sendSmtpEmail", "settings": settings})
            own_id = ("--run-id", to) if has_id else ()
            dying = await python(
                *(Path(killed_worker.__file__), when, str(number), "run", flow, *own_id), stdout=DEVNULL, stderr=DEVNULL
            )
            assert await dying.wait() == -signal.SIGKILL
            left = {row.id: row for row in await admin.rows(runs)}
            mails = [row for row in await admin.rows(deliveries) if row.id not in seen]
            seen |= {row.id for row in mails}
            assert [row.state == "sent" for row in mails] == [left[row.run_id].status == "done" for row in mails]
            if not has_id:
                continue
            await admin.database.write(lambda db: db.execute(over))
            again = await mailnode("run", flow, *own_id)
            result = again.json["nodes"][0]["result"]
            copies = sum(message.forward_paths[0] == f"RCPT TO:<{to}>" for message in server.accepted)
            in_doubt = [row.state for row in mails] == ["handingOver"]
            assert (again.status, result["status"], "resentAfterUnknown" in result["warnings"]) == (0, "sent", in_doubt)
            assert 1 <= copies <= 1 + in_doubt


async def test_a_second_process_with_the_same_run_id_waits_and_tells_the_same(tmp_path):
    async with ScriptedServer({"dot": ""}) as server:
        flow = flow_of(tmp_path, server.port)
        one = await start(flow)
        await server.reached("dot")
        two = await start(flow)
        server.say("250 2.0.0 at last")
        (first, _), (second, _) = await asyncio.gather(one.communicate(), two.communicate())
    assert (one.returncode, two.returncode) == (0, 0)
    told = [json.loads(said) for said in (first, second)]
    # Whoever came first ran it, and the other one tells of it.
    assert sorted(one.pop("duplicate", False) for one in told) == [False, True]
    assert told[0] == told[1]
    assert len(server.visits) == 1


async def test_ctrl_c_leaves_quietly_and_the_run_can_be_taken_up(tmp_path):
    async with ScriptedServer({"EHLO": [STALL, "250 scripted"]}) as server:
        flow = flow_of(tmp_path, server.port)
        process = await start(flow)
        await server.reached("EHLO")
        process.send_signal(signal.SIGINT)
        _, said = await process.communicate()
        assert process.returncode == 130
        assert b"Traceback" not in said
        again = await mailnode("run", flow, "--run-id", "r1")
    assert again.json["nodes"][0]["result"]["status"] == "sent"


async def test_ctrl_c_while_an_answer_is_due_says_so_and_waits_for_it(tmp_path):
    async with ScriptedServer({"dot": ""}) as server:
        flow = flow_of(tmp_path, server.port)
        process = await start(flow)
        await server.reached("dot")
        process.send_signal(signal.SIGINT)
        assert b"waiting for the server's answer" in await process.stderr.readline()
        server.say("250 2.0.0 at last")
        await process.communicate()
        again = await mailnode("run", flow, "--run-id", "r1")
    assert process.returncode == 130
    assert again.json["nodes"][0]["result"]["status"] == "sent"
    assert len(server.visits) == 1


async def test_many_processes_make_one_home(tmp_path):
    flow = write_flow(tmp_path, {"id": "a", "type": "say", "settings": {"text": "hi"}})
    done = await asyncio.gather(*(mailnode("run", flow) for _ in range(4)))
    assert [one.status for one in done] == [0, 0, 0, 0], [one.stderr for one in done]
