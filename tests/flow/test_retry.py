"""A person mends the route of a flow and has its mail sent again: from the flow only the route is taken."""

import os
from dataclasses import replace

import pytest

from mailnode.app import Mailnode
from mailnode.environment import Environment
from mailnode.errors import DeliveryError
from support.flows import to_server, write_flow
from support.forked_python import python
from support.scripted_smtp import STALL, ScriptedServer

NOBODY_LISTENS = 1
REFUSING = {"MAIL": "550 5.7.1 not from here"}
LOGIN = {"username": "user", "password": "pencil", "hosts": ["127.0.0.1"]}


def flow_of(folder, port, node="tell", kind="sendSmtpEmail", **settings):
    given = to_server(port, **settings)
    if kind == "emailNotification":
        given = {key: given[key] for key in ("to", "subject", "content")}
    return write_flow(folder, {"id": node, "type": kind, "settings": given})


async def begun(mailnode, flow, run_id="r1", **state):
    """Run a flow whose server is the wrong one; its delivery is queued or has failed then."""
    run = await mailnode.run(flow, run_id=run_id, **state)
    await mailnode.work(drain=True)
    return await mailnode.deliveries.show(run.nodes[0].result["deliveryId"])


async def retried(mailnode, one, **options):
    assert await mailnode.deliveries.retry(one["deliveryId"], **options) == one["deliveryId"]
    await mailnode.work(drain=True)
    return await mailnode.deliveries.show(one["deliveryId"])


@pytest.mark.usefixtures("database_kind")
class TestTheMendedPort:
    @pytest.mark.parametrize(("asynchronous", "state"), [(True, "queued"), (False, "failed")])
    async def test_is_where_the_same_mail_goes(self, tmp_path, asynchronous, state):
        wrong = ScriptedServer({"RCPT": "451 4.3.0 later"} if asynchronous else REFUSING)
        async with wrong, ScriptedServer() as right, Mailnode.open() as mailnode:
            flow = flow_of(tmp_path, wrong.port, asynchronous=asynchronous, to="jane@example.org")
            before = await begun(mailnode, flow)
            assert (before["state"], before["port"], before["retry"]) == (state, wrong.port, None)
            flow_of(tmp_path, right.port, asynchronous=asynchronous, to="jane@example.org", retryHours=2)
            after = await retried(mailnode, before)
            again = await mailnode.run(flow, run_id="r1")
        assert (after["state"], after["port"], after["retry"]) == ("sent", right.port, {"route": "flow", "why": ""})
        assert after["messageId"] == before["messageId"]
        assert before["messageId"].encode() in right.accepted[0].content
        assert (after["result"]["status"], after["result"]["host"]) == ("sent", "127.0.0.1")
        assert abs(after["expiresAt"] - after["updatedAt"] - 2 * 3600 * 1000) < 600_000
        assert again.is_repeat
        assert again.nodes[0].result["status"] == "sent"
        assert len(right.accepted) == 1

    async def test_keeps_who_was_accepted_and_the_connection_is_the_flows(self, tmp_path):
        script = {"RCPT TO:<ann@": "550 5.1.1 nobody", "RCPT TO:<joe@": "250 ok"}
        async with ScriptedServer(script) as wrong, ScriptedServer() as right, Mailnode.open() as mailnode:
            await mailnode.connections.create("shop", "basic", LOGIN | {"allowPlaintextAuth": True})
            to = {"to": "joe@example.org, ann@example.org", "asynchronous": True}
            flow = flow_of(tmp_path, wrong.port, **to)
            before = await begun(mailnode, flow)
            assert before["state"] == "partial"
            smtp = {"host": "127.0.0.1", "port": right.port, "tlsOption": "none", "ehloName": "mended.example"}
            flow_of(tmp_path, right.port, smtp=smtp, **to)
            after = await retried(mailnode, before)
        assert after["state"] == "sent"
        assert right.accepted[0].forward_paths == ("RCPT TO:<ann@example.org>",)
        assert right.visits[0].commands[0] == "EHLO mended.example"

    async def test_of_a_key_is_no_other_content_in_another_run(self, tmp_path):
        async with ScriptedServer() as right, Mailnode.open() as mailnode:
            keyed = {"asynchronous": True, "idempotencyKey": "order-17", "from": None}
            await mailnode.connections.create("a", "basic", LOGIN | {"from": "a@example.com"})
            await mailnode.connections.create(
                "b", "basic", LOGIN | {"from": "b@example.com", "redirectAllTo": "qa@example.net"}
            )
            before = await begun(mailnode, flow_of(tmp_path, NOBODY_LISTENS, connection="a", **keyed))
            flow = flow_of(tmp_path, right.port, connection="b", **keyed)
            run = await mailnode.run(flow, run_id="r2")
            assert run.nodes[0].result["duplicate"], run.nodes[0].result
            assert run.nodes[0].result["deliveryId"] == before["deliveryId"]
            other = await mailnode.run(
                flow_of(tmp_path, right.port, connection="b", subject="Ho", **keyed), run_id="r3"
            )
            assert other.nodes[0].result["error"]["code"] == "keyInUse"


class TestTheOldRoute:
    """Is taken, and said, wherever the flow is not the one that the mail was queued from."""

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            (lambda flow, port: flow.unlink(), "the file does not exist"),
            (lambda flow, port: flow.write_text("{"), "not valid"),
            (lambda flow, port: flow_of(flow.parent, port, node="other", asynchronous=True), "no longer has this node"),
            (lambda flow, port: flow_of(flow.parent, port, subject="Another mail"), "recipients or content"),
            (lambda flow, port: flow_of(flow.parent, port, kind="emailNotification"), "emailNotification"),
            (lambda flow, port: flow_of(flow.parent, port, smtp={"host": "127.0.0.1", "port": 0}), "port"),
            (lambda flow, port: flow_of(flow.parent, port, connection="gone"), "'gone'"),
            (
                lambda flow, port: flow.write_text(flow.read_text().replace('"test"', '"namesake"')),
                "another flow, namesake",
            ),
        ],
    )
    async def test_where_the_flow_is_another_one(self, tmp_path, change, why):
        later = ScriptedServer({"MAIL": ["451 4.3.0 later", "250 ok"]})
        async with later as old, ScriptedServer() as new, Mailnode.open() as mailnode:
            flow = flow_of(tmp_path, old.port, asynchronous=True)
            before = await begun(mailnode, flow)
            change(flow, new.port)
            after = await retried(mailnode, before)
        assert (after["state"], after["port"], after["retry"]["route"]) == ("sent", old.port, "unchanged")
        assert why in after["retry"]["why"]
        assert new.visits == []

    async def test_a_namesake_in_another_folder_is_not_asked(self, tmp_path, monkeypatch):
        (tmp_path / "one").mkdir()
        (tmp_path / "two").mkdir()
        later = ScriptedServer({"MAIL": ["451 4.3.0 later", "250 ok"]})
        async with later as old, ScriptedServer() as new, Mailnode.open() as mailnode:
            flow = flow_of(tmp_path / "one", old.port, asynchronous=True)
            monkeypatch.chdir(flow.parent)
            before = await begun(mailnode, flow.name)
            assert before["origin"] == {"file": str(flow), "flow": "test"}
            monkeypatch.chdir(tmp_path / "two")
            flow_of(tmp_path / "two", new.port, asynchronous=True)
            after = await retried(mailnode, before)
        assert (after["state"], after["port"], new.visits) == ("sent", old.port, [])

    async def test_and_a_mail_of_no_file_has_no_other(self, tmp_path):
        from mailnode.flow.document import parse_flow

        async with ScriptedServer({"MAIL": ["451 4.3.0 later", "250 ok"]}) as old, Mailnode.open() as mailnode:
            text = flow_of(tmp_path, old.port, asynchronous=True).read_text()
            before = await begun(mailnode, parse_flow(text, file="flow.json", json=True))
            assert before["origin"] is None
            after = await retried(mailnode, before)
        assert (after["state"], after["retry"]) == (
            "sent",
            {"route": "unchanged", "why": "it does not come from a flow file"},
        )

    async def test_can_be_asked_for_also_after_the_other_was_tried(self, tmp_path):
        script = {"MAIL": ["451 4.3.0 later", "250 ok"]}
        async with ScriptedServer(script) as old, ScriptedServer(REFUSING) as new, Mailnode.open() as mailnode:
            before = await begun(mailnode, flow_of(tmp_path, old.port, asynchronous=True, retryHours=3))
            flow_of(tmp_path, new.port, asynchronous=True)
            mended = await retried(mailnode, before)
            assert (mended["state"], mended["port"]) == ("failed", new.port)
            after = await retried(mailnode, before, as_queued=True)
            with pytest.raises(DeliveryError, match="was sent"):
                await mailnode.deliveries.retry(before["deliveryId"])
        assert (after["state"], after["port"], after["retry"]) == ("sent", old.port, {"route": "asQueued", "why": ""})

    async def test_is_kept_by_the_worker_whatever_the_flow_says(self, tmp_path):
        later = ScriptedServer({"MAIL": "451 4.3.0 later"})
        async with later as old, ScriptedServer() as new, Mailnode.open() as mailnode:
            before = await begun(mailnode, flow_of(tmp_path, old.port, asynchronous=True))
            flow_of(tmp_path, new.port, asynchronous=True)
            await mailnode.work(drain=True)
            shown = await mailnode.deliveries.show(before["deliveryId"])
        assert (shown["port"], new.visits) == (old.port, [])


async def test_an_interrupted_run_that_is_run_again_goes_where_its_flow_says_by_now(tmp_path):
    async with ScriptedServer({"EHLO": STALL}) as wrong, ScriptedServer() as right:
        flow = flow_of(tmp_path, wrong.port)
        process = await python(*("-m", "mailnode", "run", flow, "--run-id", "r1"), env=dict(os.environ))
        await wrong.reached("EHLO")
        process.kill()
        await process.wait()
        flow_of(tmp_path, right.port)
        async with Mailnode.open() as mailnode:
            run = await mailnode.run(flow, run_id="r1")
            shown = await mailnode.deliveries.show(run.nodes[0].result["deliveryId"])
    assert (run.nodes[0].result["status"], shown["port"], len(right.accepted)) == ("sent", right.port, 1)


async def test_a_notification_goes_by_the_server_that_the_environment_names_by_now(tmp_path):
    def environment(port):
        server = {"HOST": "127.0.0.1", "PORT": str(port), "TLS_OPTION": "none", "FROM": f"a{port}@example.com"}
        return replace(
            Environment.read(), notification={f"MAILNODE_NOTIFICATION_{name}": value for name, value in server.items()}
        )

    flow = flow_of(tmp_path, 0, kind="emailNotification")
    async with ScriptedServer(REFUSING) as old, ScriptedServer() as new:
        async with Mailnode.open(environment(old.port)) as mailnode:
            before = await begun(mailnode, flow)
            assert before["state"] == "failed"
        async with Mailnode.open(environment(new.port)) as mailnode:
            after = await retried(mailnode, before)
    assert (after["state"], after["port"]) == ("sent", new.port)
    assert f"From: a{old.port}@example.com".encode() in new.accepted[0].content


def test_every_setting_is_of_the_route_the_handling_or_the_content():
    from mailnode.node.digest import HANDLING_KEYS, ROUTE_KEYS
    from mailnode.node.settings import SendSmtpEmailSettings

    known = {field.alias for field in SendSmtpEmailSettings.model_fields.values()}
    assert known - ROUTE_KEYS - HANDLING_KEYS == {
        *("to", "cc", "bcc", "from", "replyTo", "envelopeFrom", "subject", "content", "textContent", "attachments"),
        *(
            "priority",
            "autoSubmitted",
            "inReplyTo",
            "references",
            "listUnsubscribe",
            "headers",
            "lenient",
            "dataImages",
            "layout",
            "inlineStyles",
            "invitation",
        ),
    }
    assert known >= ROUTE_KEYS | HANDLING_KEYS
