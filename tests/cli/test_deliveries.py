"""`mailnode deliveries`: what a person sees of the mails that flows have sent."""

import os
from contextlib import closing

import pytest

from mailnode.environment import Environment, open_database
from support.command import mailnode
from support.damaged_rows import damage
from support.flows import to_server, write_flow
from support.forked_python import python
from support.scripted_smtp import STALL, ScriptedServer


def flow_of(folder, port, **settings):
    return write_flow(folder, {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(port, **settings)})


async def listed(*arguments):
    done = await mailnode("deliveries", "list", "--json", *arguments)
    assert done.status == 0, done.stderr
    return done.json


@pytest.fixture
async def three(inbox, tmp_path):
    """One that was sent, one that was refused, one that a killed process left."""
    sent = await mailnode(
        "run", flow_of(tmp_path, inbox.port, to="Jane@example.org, joe@example.org"), "--run-id", "r1"
    )
    assert sent.status == 0, sent.stderr
    async with ScriptedServer({"RCPT": "550 5.1.1 nobody \x1b[31mhere"}) as server:
        await mailnode("run", flow_of(tmp_path, server.port, to="ann@example.net"), "--run-id", "r2")
    async with ScriptedServer({"EHLO": STALL}) as server:
        process = await python(
            *("-m", "mailnode", "run", flow_of(tmp_path, server.port), "--run-id", "r3"),
            env=dict(os.environ),
        )
        await server.reached("EHLO")
        process.kill()
        await process.wait()
    return [one["deliveryId"] for one in reversed(await listed())]


async def test_the_list_has_the_latest_first_and_can_be_narrowed(three):
    found = await listed()
    assert [one["state"] for one in found] == ["interrupted", "failed", "sent"]
    assert [one["run"] for one in found] == ["r3", "r2", "r1"]
    assert found[2]["to"] == ["Jane@example.org", "joe@example.org"]
    assert (found[2]["attempts"], found[2]["error"]) == (1, None)
    assert "550 5.1.1 nobody" in found[1]["error"]
    for arguments, runs in (
        (("--state", "sent"), ["r1"]),
        (("--state", "interrupted", "--state", "failed"), ["r3", "r2"]),
        (("--state", "claimed"), []),
        (("--state", "sending", "--state", "sent"), ["r1"]),
        (("--to", "JANE@"), ["r3", "r1"]),
        (("--to", "%"), []),
        (("--run", "r2"), ["r2"]),
        (
            ("--flow", "test", "--subject", "HI", "--since", "2026-01-01", "--until", "2999-01-01T00:30"),
            ["r3", "r2", "r1"],
        ),
        (("--connection", "shop"), []),
        (("--limit", "1"), ["r3"]),
    ):
        assert [one["run"] for one in await listed(*arguments)] == runs, arguments


async def test_one_is_shown_by_its_id_a_part_of_it_or_its_message_id(three):
    refused = three[1]
    shown = (await mailnode("deliveries", "show", refused, "--json")).json
    assert (shown["deliveryId"], shown["state"]) == (refused, "failed")
    assert shown["recipients"][0]["replyCode"] == 550
    assert shown["attempts"][0]["phase"] == "rcpt"
    assert shown["result"]["status"] == "failed"
    assert (await mailnode("deliveries", "show", refused[:8], "--json")).json == shown
    assert (await mailnode("deliveries", "show", shown["messageId"], "--json")).json == shown
    assert (await mailnode("deliveries", "show", shown["messageId"].strip("<>"), "--json")).json == shown


async def test_for_people_they_are_tables_without_a_servers_escapes(three):
    table = await mailnode("deliveries", "list")
    assert table.status == 0
    assert all(one[:8] in table.stdout for one in three)
    shown = (await mailnode("deliveries", "show", three[1])).stdout
    assert "ann@example.net" in shown
    assert "\x1b" not in shown
    interrupted = (await mailnode("deliveries", "show", three[2])).stdout
    assert "run the flow again" in interrupted


async def test_for_people_there_are_the_remedy_and_the_warnings(three, inbox, tmp_path, monkeypatch):
    (refused,) = await listed("--run", "r2")
    entry = (await mailnode("deliveries", "show", refused["deliveryId"], "--json")).json
    assert f"hint        {entry['hint']}" in (await mailnode("deliveries", "show", refused["deliveryId"])).stdout
    flow = flow_of(tmp_path, inbox.port, to="eve@example.org")
    monkeypatch.setenv("MAILNODE_REDIRECT_ALL_TO", "test@example.net")
    assert (await mailnode("run", flow, "--run-id", "r4")).status == 0
    (redirected,) = await listed("--run", "r4")
    shown = (await mailnode("deliveries", "show", redirected["deliveryId"])).stdout
    assert "warning     redirected to test@example.net" in shown
    assert "hint  " not in shown
    none = await mailnode("deliveries", "list", "--to", "nobody@example.net")
    assert (none.stdout, none.stderr) == ("", "no delivery matches\n")


@pytest.mark.parametrize(("which", "words"), [("zzzzzz", "there is no delivery"), ("a", "there is no delivery")])
async def test_one_that_is_not_there(which, words):
    done = await mailnode("deliveries", "show", which)
    assert (done.status, done.stdout) == (2, "")
    assert words in done.stderr
    assert "mailnode deliveries list" in done.stderr


async def test_an_empty_home():
    done = await mailnode("deliveries", "list")
    assert (done.status, done.stdout) == (0, "")
    assert "no deliveries yet" in done.stderr


async def test_all_that_match_are_retried_and_cancelled_after_a_question(three):
    one, failed, left = three
    asked = await mailnode("deliveries", "retry", "--state", "failed", "--flow", "test")
    assert (asked.status, "1 email would be affected" in asked.stderr, "--yes" in asked.stderr) == (2, True, True)
    for arguments in ((), (failed, "--flow", "test")):
        assert "--state failed --flow orders" in (await mailnode("deliveries", "retry", *arguments)).stderr
    retried = await mailnode("deliveries", "retry", "--state", "failed", "--flow", "test", "--yes")
    assert (retried.status, "1 email is queued" in retried.stderr) == (0, True), retried.stderr
    cancelled = await mailnode("deliveries", "cancel", failed, left[:8], one)
    assert cancelled.status == 2
    cancelled = await mailnode("deliveries", "cancel", failed, left[:8], one, "--yes")
    assert (cancelled.status, "2 emails are cancelled" in cancelled.stderr) == (1, True), cancelled.stderr
    assert "has already ended: sent" in cancelled.stderr
    assert "no delivery to retry matches" in (await mailnode("deliveries", "retry", "--flow", "test")).stderr


async def test_a_mended_port_is_where_retry_sends_and_as_queued_the_old_one(tmp_path):
    refusing = {"MAIL": "550 5.7.1 not from here"}
    async with ScriptedServer(refusing) as wrong, ScriptedServer() as right:
        flow = flow_of(tmp_path, wrong.port)
        assert (await mailnode("run", flow, "--run-id", "r1")).json["nodes"][0]["result"]["status"] == "failed"
        (one,) = [one["deliveryId"] for one in await listed()]
        flow_of(tmp_path, right.port)
        old = await mailnode("deliveries", "retry", one, "--as-queued")
        assert f"is queued for 127.0.0.1:{wrong.port}, as it was queued; " in old.stderr
        assert (await mailnode("worker", "--drain")).status == 1
        flow_of(tmp_path, right.port, subject="Another mail")
        other = await mailnode("deliveries", "retry", one)
        assert "using the server and connection that it was queued with: " in other.stderr
        assert "recipients or content, were changed (only server, connection," in other.stderr
        assert (
            f"with the server and connection that it was queued with: {flow}"
            in (await mailnode("deliveries", "show", one)).stdout
        )
        flow_of(tmp_path, right.port)
        retried = await mailnode("deliveries", "retry", one)
        assert (retried.status, retried.stdout) == (0, "")
        assert f"is queued for 127.0.0.1:{right.port}, as its flow file says now; " in retried.stderr
        shown = (await mailnode("deliveries", "show", one)).stdout
        assert f"fixed it?   `mailnode deliveries retry {one[:8]}` sends it as its flow file says now" in shown
        assert (await mailnode("worker", "--drain")).status == 0
        again = await mailnode("run", flow, "--run-id", "r1")
    assert (again.status, again.json["duplicate"]) == (0, True)
    assert again.json["nodes"][0]["result"]["status"] == "sent"
    assert len(right.accepted) == 1


async def test_one_that_can_not_be_read_says_why_and_can_be_cancelled(inbox, tmp_path):
    flow = flow_of(tmp_path, inbox.port, asynchronous=True)
    assert (await mailnode("run", flow, "--no-wait")).status == 0
    (entry,) = await listed()
    with closing(open_database(Environment.read())) as database:
        await damage(database, entry["deliveryId"], "an unknown term")
    done = await mailnode("worker", "--drain")
    assert (done.status, "1 held" in done.stderr) == (1, True), done.stderr
    (entry,) = await listed("--state", "held")
    assert "terms" in entry["error"]
    shown = await mailnode("deliveries", "show", entry["deliveryId"])
    assert (shown.status, "held" in shown.stdout, "terms" in shown.stdout) == (0, True, True)
    again = await mailnode("deliveries", "retry", entry["deliveryId"], "--as-queued")
    assert (again.status, "cancel it" in again.stderr, "Traceback" in again.stderr) == (2, True, False), again.stderr
    assert (await mailnode("deliveries", "cancel", entry["deliveryId"])).status == 0
    assert [one["state"] for one in await listed()] == ["cancelled"]
