import asyncio
import json
import signal
from collections import Counter

from mailnode.app import Mailnode
from support.command import mailnode
from support.flows import to_server, write_flow
from support.forked_python import python
from support.scripted_smtp import DROP, ScriptedServer


def flow_of(folder, port, **settings):
    settings = {"to": "{{ input.email }}", "subject": "Order {{ input.order }}", **settings}
    return write_flow(folder, {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(port, **settings)})


def rows_of(folder, count, name="rows.csv"):
    path = folder / name
    lines = [f"n{number}@y.example,{number}" for number in range(count)]
    path.write_text("\n".join(["email,order", *lines, ""]))
    return path


def reached(inbox):
    return Counter(to for one in inbox.messages() for to in one.rcpt_to)


async def test_each_row_is_a_run_and_the_summary_counts_them(inbox, tmp_path):
    ran = await mailnode("run", flow_of(tmp_path, inbox.port), "--inputs", rows_of(tmp_path, 200))
    assert ran.status == 0, ran.stderr
    assert ran.json == {
        "file": str(tmp_path / "rows.csv"),
        "rows": 200,
        "done": 200,
        "doneBefore": 0,
        "doneWithFailures": 0,
        "halted": 0,
        "left": 0,
        "failed": [],
        "mails": {"sent": 200},
    }
    assert reached(inbox) == {f"n{number}@y.example": 1 for number in range(200)}


async def test_the_same_file_again_sends_nothing(inbox, tmp_path):
    command = ("run", flow_of(tmp_path, inbox.port), "--inputs", rows_of(tmp_path, 5))
    await mailnode(*command)
    again = await mailnode(*command)
    assert (again.status, again.json["done"], again.json["doneBefore"]) == (0, 5, 5)
    assert len(inbox.messages()) == 5


async def test_the_same_file_again_sends_nothing_though_all_is_cleared_away(inbox, tmp_path):
    for asynchronous in (False, True):
        flow = flow_of(tmp_path, inbox.port, subject=f"Order {asynchronous}", asynchronous=asynchronous)
        command = ("run", flow, "--inputs", rows_of(tmp_path, 3), "--run-id", f"{asynchronous}")
        await mailnode(*command)
        async with Mailnode.open() as opened:
            assert await opened.deliveries.sweep(0.0, 400) >= 6  # each mail and each run
        again = await mailnode(*command)
        assert (again.status, again.json["done"], again.json["doneBefore"]) == (0, 3, 3)
        assert again.json["mails"] == {"sent": 3}
        row = ("--input", '{"email": "n0@y.example", "order": "0"}', "--run-id", f"{asynchronous}-1")
        (node,) = (await mailnode("run", flow, *row)).json["nodes"]
        assert (node["result"]["status"], node["result"]["duplicate"]) == ("sent", True)
    assert reached(inbox) == {f"n{number}@y.example": 2 for number in range(3)}


async def test_a_row_that_fails_stops_no_other_one_and_is_told(inbox, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"email": "a@y.example"}\n{"email": "nobody"}\n{"email": "c@y.example"}\n')
    flow = flow_of(tmp_path, inbox.port, subject="x", stopOnError=True)
    ran = await mailnode("run", flow, "--inputs", tmp_path / "rows.jsonl")
    assert ran.status == 1
    assert (ran.json["done"], ran.json["halted"]) == (2, 1)
    (failed,) = ran.json["failed"]
    assert failed["row"] == 2
    assert "nobody" in failed["error"]
    assert "row 2" in ran.stderr
    assert set(reached(inbox)) == {"a@y.example", "c@y.example"}


async def test_a_row_whose_mail_fails_is_not_lost_though_the_flow_goes_on(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"email": "a@y.example"}\n{"email": "nobody"}\n{"email": "no@y.example"}\n')
    async with ScriptedServer({"RCPT TO:<no@": "550 5.1.1 no such user"}) as server:
        command = ("run", flow_of(tmp_path, server.port, subject="x"), "--inputs", tmp_path / "rows.jsonl")
        ran = await mailnode(*command)
        again = await mailnode(*command)
    for one, before in ((ran, 0), (again, 3)):
        told = one.json
        assert (one.status, told["done"], told["doneWithFailures"], told["halted"]) == (1, 1, 2, 0)
        assert (told["doneBefore"], told["mails"]) == (before, {"sent": 1, "failed": 1})
        words = {failed["row"]: failed["error"] for failed in told["failed"]}
        assert "nobody" in words[2]
        assert "550 5.1.1 no such user" in words[3]
        assert "row 2: " in one.stderr
        assert "row 3: " in one.stderr
    assert len(server.accepted) == 1


async def test_only_the_first_ten_that_failed_are_told(tmp_path):
    async with ScriptedServer({"RCPT": "550 5.1.1 nobody"}) as server:
        ran = await mailnode("run", flow_of(tmp_path, server.port), "--inputs", rows_of(tmp_path, 13))
    assert (ran.status, ran.json["doneWithFailures"], len(ran.json["failed"])) == (1, 13, 10)
    assert "and 3 more rows failed" in ran.stderr


async def test_a_failed_mail_that_is_sent_again_by_a_person_makes_its_row_done(tmp_path):
    async with ScriptedServer({"RCPT": ["550 5.1.1 nobody", "250 ok"]}) as server:
        command = ("run", flow_of(tmp_path, server.port), "--inputs", rows_of(tmp_path, 1))
        assert (await mailnode(*command)).status == 1
        (one,) = (await mailnode("deliveries", "list", "--json")).json
        await mailnode("deliveries", "retry", one["deliveryId"])
        await mailnode("worker", "--drain")
        again = await mailnode(*command)
    assert (again.status, again.json["done"], again.json["mails"]) == (0, 1, {"sent": 1})


async def test_asynchronous_mail_that_fails_later_fails_its_row(tmp_path):
    async with ScriptedServer({"dot": DROP}) as server:
        settings = {"asynchronous": True, "stopOnError": True, "onUnknown": "hold"}
        ran = await mailnode("run", flow_of(tmp_path, server.port, **settings), "--inputs", rows_of(tmp_path, 6))
    assert (ran.status, ran.json["done"], ran.json["doneWithFailures"]) == (1, 0, 6)
    assert ran.json["mails"] == {"held": 6}
    assert "row 1: held: " in ran.stderr
    assert "the server may have accepted the mail" in ran.stderr


async def test_a_mail_that_a_person_cancelled_has_not_failed(tmp_path):
    async with ScriptedServer() as server:
        flow = flow_of(tmp_path, server.port, asynchronous=True)
        command = ("run", flow, "--inputs", rows_of(tmp_path, 2))
        await mailnode(*command, "--no-wait")
        for one in (await mailnode("deliveries", "list", "--json")).json:
            await mailnode("deliveries", "cancel", one["deliveryId"])
        again = await mailnode(*command)
    assert (again.status, again.json["done"], again.json["mails"]) == (0, 2, {"cancelled": 2})


async def test_only_mail_of_this_commands_rows_is_counted(inbox, tmp_path):
    (tmp_path / "other").mkdir()
    other = flow_of(tmp_path / "other", inbox.port, subject="another flow")
    rows = rows_of(tmp_path, 2)
    await mailnode("run", flow_of(tmp_path, inbox.port), "--inputs", rows, "--run-id", "a-b")
    ran = await mailnode("run", flow_of(tmp_path, inbox.port), "--inputs", rows, "--run-id", "a")
    assert (ran.status, ran.json["mails"]) == (0, {"sent": 2})
    foreign = await mailnode("run", other, "--inputs", rows, "--run-id", "a")
    assert (foreign.status, foreign.json["halted"], foreign.json["mails"]) == (1, 2, {})
    assert "was used for another flow or input" in foreign.stderr


async def test_input_gives_what_the_rows_leave_out(inbox, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"email": "a@y.example"}\n{"email": "b@y.example", "order": 2}\n')
    flow = flow_of(tmp_path, inbox.port)
    await mailnode("run", flow, "--inputs", tmp_path / "rows.jsonl", "--input", '{"order": 1, "email": "z@y.example"}')
    assert sorted(one.subject for one in inbox.messages()) == ["Order 1", "Order 2"]


async def test_a_wrong_line_is_found_before_the_first_mail(inbox, tmp_path):
    path = rows_of(tmp_path, 50)
    path.write_text(path.read_text() + "one cell\n")
    ran = await mailnode("run", flow_of(tmp_path, inbox.port), "--inputs", path)
    assert ran.status == 2
    assert "line 52" in ran.stderr
    assert inbox.messages() == []


async def test_asynchronous_mail_is_waited_for(inbox, tmp_path):
    ran = await mailnode("run", flow_of(tmp_path, inbox.port, asynchronous=True), "--inputs", rows_of(tmp_path, 60))
    assert (ran.status, ran.json["mails"]) == (0, {"sent": 60})
    assert len(inbox.messages()) == 60


async def test_or_left_to_a_worker(inbox, tmp_path):
    flow = flow_of(tmp_path, inbox.port, asynchronous=True)
    ran = await mailnode("run", flow, "--inputs", rows_of(tmp_path, 20), "--no-wait")
    assert (ran.status, ran.json["mails"]) == (0, {"queued": 20})
    await mailnode("worker", "--drain")
    assert len(inbox.messages()) == 20


async def test_a_bulk_run_that_is_killed_goes_on_where_it_was(tmp_path):
    async with ScriptedServer() as server:
        command = ("run", flow_of(tmp_path, server.port), "--inputs", rows_of(tmp_path, 150))
        killed = await python(*("-m", "mailnode", *map(str, command)), stdout=asyncio.subprocess.DEVNULL)
        await server.reached("dot")
        killed.kill()
        await killed.wait()
        ran = await mailnode(*command)
        assert ran.status == 0, ran.stderr
        assert ran.json["done"] == 150
        shown = (await mailnode("deliveries", "list", "--json", "--limit", "1000")).json
    copies = Counter(message.forward_paths[0] for message in server.accepted)
    assert len(copies) == 150
    twice = {path for path, count in copies.items() if count > 1}
    resent = {f"RCPT TO:<{one['to'][0]}>" for one in shown if one["attempts"] > 1}
    assert twice <= resent
    assert json.dumps(sorted({one["state"] for one in shown})) == '["sent"]'


async def test_ctrl_c_tells_how_far_it_came_and_the_same_command_does_the_rest(tmp_path):
    async with ScriptedServer() as server:
        command = ("run", flow_of(tmp_path, server.port), "--inputs", rows_of(tmp_path, 150))
        stopped = await python(
            *("-m", "mailnode", *map(str, command)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        await server.reached("dot")
        stopped.send_signal(signal.SIGINT)
        stdout, stderr = await stopped.communicate()
        told = json.loads(stdout)
        assert (stopped.returncode, told["done"] + told["left"]) == (130, 150)
        assert told["mails"].get("sent", 0) <= told["done"] < 150
        assert b"of 150 rows are done; run the same command again for the rest" in stderr
        assert b"Traceback" not in stderr
        ran = await mailnode(*command)
        assert (ran.status, ran.json["done"]) == (0, 150), ran.stderr
        shown = (await mailnode("deliveries", "list", "--json", "--limit", "1000")).json
    copies = Counter(message.forward_paths[0] for message in server.accepted)
    assert len(copies) == 150
    twice = {path for path, count in copies.items() if count > 1}
    assert twice <= {f"RCPT TO:<{one['to'][0]}>" for one in shown if one["attempts"] > 1}
