"""To whom mail may go is asked when it is handed over, whatever was so when it was made."""

import asyncio
from dataclasses import replace
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from mailnode.app import Mailnode
from mailnode.environment import Environment
from mailnode.flow.document import load_flow
from support.flows import to_server, write_flow
from support.scripted_smtp import DROP, HOLD, ScriptedServer

pytestmark = pytest.mark.usefixtures("database_kind")

LOGIN = {"username": "user", "password": "pencil", "hosts": ["127.0.0.1"]}
OFFERS = ("PIPELINING", "AUTH PLAIN")
QA = "qa@example.net"


def flow_of(folder, port, **settings):
    stored = {"connection": "shop", "storeResult": "context", "resultKey": "mail", **settings}
    return write_flow(folder, {"id": "tell", "type": "sendSmtpEmail", "settings": to_server(port, **stored)})


def staging(**changed):
    return replace(Environment.read(), redirect_all_to=QA, **changed)


async def shop(mailnode, **fields):
    await mailnode.connections.create("shop", "basic", LOGIN | fields)


async def queued(mailnode, flow):
    run = await mailnode.run(flow)
    return run.nodes[0].result["deliveryId"]


async def drained(mailnode, one):
    await mailnode.work(drain=True)
    return await mailnode.deliveries.show(one)


def rcpts(server):
    return [command for visit in server.visits for command in visit.commands if command.startswith("RCPT")]


class TestRedirected:
    async def test_a_queued_mail_goes_as_it_was_made_under_a_field_that_names_whom_it_was_for(self, tmp_path):
        key = generate_private_key(65537, 2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        record = "v=DKIM1; k=rsa; p=" + "".join(public.splitlines()[1:-1])
        async with ScriptedServer(extensions=(*OFFERS, "SIZE 52428800")) as server:
            async with Mailnode.open() as mailnode:
                await shop(mailnode, dkim={"domain": "example.com", "selector": "s1", "privateKey": pem})
                flow = flow_of(tmp_path, server.port, asynchronous=True, bcc="bob@example.org")
                one = await queued(mailnode, flow)
            async with Mailnode.open(staging()) as mailnode:
                shown = await drained(mailnode, one)
                (listed,) = await mailnode.deliveries.list()
        (accepted,) = server.accepted
        field, _, message = accepted.content.partition(b"\r\n")
        assert field == b"X-Original-Recipients: jane@example.org, bob@example.org"
        assert accepted.forward_paths == (f"RCPT TO:<{QA}>",)
        assert f"SIZE={len(accepted.content)}" in accepted.reverse_path
        assert len(message) == shown["messageSize"]
        assert shown["messageId"].encode() in message
        assert dkim.verify(accepted.content, dnsfunc=lambda *_args, **_options: record.encode())
        assert (shown["state"], listed["to"]) == ("sent", [QA])
        result = shown["result"]
        assert (result["accepted"], result["envelope"]["to"]) == ([QA], [QA])
        assert result["warnings"] == [f"redirected to {QA}"]

    async def test_where_the_connection_says_so_by_then(self, tmp_path):
        async with ScriptedServer(extensions=OFFERS) as server, Mailnode.open() as mailnode:
            await shop(mailnode)
            one = await queued(mailnode, flow_of(tmp_path, server.port, asynchronous=True))
            await mailnode.connections.update("shop", {"redirectAllTo": QA})
            assert (await drained(mailnode, one))["state"] == "sent"
        assert rcpts(server) == [f"RCPT TO:<{QA}>"]

    async def test_who_has_it_already_stays_and_who_waits_is_stood_in_for_until_it_is_over(self, tmp_path):
        script = {
            "RCPT TO:<jane@": "250 ok",
            "RCPT TO:<bob@": ["451 4.3.0 later", "250 ok"],
            f"RCPT TO:<{QA}": "550 no",
        }
        async with ScriptedServer(script, extensions=OFFERS) as server, Mailnode.open() as mailnode:
            await shop(mailnode)
            flow = flow_of(tmp_path, server.port, asynchronous=True, to="jane@example.org, bob@example.org")
            one = await queued(mailnode, flow)
            await mailnode.work(drain=True)
            await mailnode.connections.update("shop", {"redirectAllTo": QA})
            await mailnode.deliveries.retry(one)
            redirected = await drained(mailnode, one)
            assert redirected["state"] == "partial"
            assert [(r["address"], r["status"]) for r in redirected["recipients"]] == [
                ("jane@example.org", "accepted"),
                (QA, "refused"),
            ]
            await mailnode.connections.update("shop", {"redirectAllTo": None})
            await mailnode.deliveries.retry(one)
            shown = await drained(mailnode, one)
        assert [recipient["address"] for recipient in shown["recipients"]] == ["jane@example.org", "bob@example.org"]
        assert (shown["state"], shown["result"]["warnings"]) == ("sent", [])
        assert rcpts(server)[2:] == [f"RCPT TO:<{QA}>", "RCPT TO:<bob@example.org>"]

    async def test_in_every_attempt_of_a_flow_that_waits(self, tmp_path):
        script = {"MAIL": [[HOLD, "451 4.3.0 later"], "250 ok"]}
        async with ScriptedServer(script, extensions=OFFERS) as server, Mailnode.open() as mailnode:
            await shop(mailnode)
            result = await edited_while_held(mailnode, server, flow_of(tmp_path, server.port), redirectAllTo=QA)
        assert (result["status"], result["accepted"]) == ("sent", [QA])
        assert server.accepted[0].forward_paths == (f"RCPT TO:<{QA}>",)

    @pytest.mark.parametrize("asynchronous", [False, True])
    async def test_in_the_moment_before_its_content_leaves(self, tmp_path, asynchronous):
        script = {"DATA": [[HOLD, "354 go on"], "354 go on"]}
        async with ScriptedServer(script, extensions=OFFERS) as server, Mailnode.open() as mailnode:
            await shop(mailnode)
            flow = flow_of(tmp_path, server.port, asynchronous=asynchronous)
            if asynchronous:
                one = await queued(mailnode, flow)
                async with mailnode.working():
                    await server.holding()
                    await mailnode.connections.update("shop", {"redirectAllTo": QA})
                    server.release()
                    result = await ended(mailnode, one)
            else:
                result = await edited_while_held(mailnode, server, flow, redirectAllTo=QA)
            shown: Any = await mailnode.deliveries.show(result["deliveryId"])
        assert "was changed while the email was being sent; nothing was sent" in shown["attempts"][0]["message"]
        assert (result["status"], result["attempts"], result["accepted"]) == ("sent", 2, [QA])
        assert [accepted.forward_paths for accepted in server.accepted] == [(f"RCPT TO:<{QA}>",)]

    async def test_when_a_person_sends_it_again_by_either_route(self, tmp_path):
        refusing, script = {"MAIL": "550 no"}, {"RCPT": "550 no"}
        async with ScriptedServer(refusing, extensions=OFFERS) as old, ScriptedServer(script, extensions=OFFERS) as new:
            async with Mailnode.open() as mailnode:
                await shop(mailnode)
                one = await queued(mailnode, flow_of(tmp_path, old.port))
            flow_of(tmp_path, new.port)
            async with Mailnode.open(staging()) as mailnode:
                await mailnode.deliveries.retry(one)
                await mailnode.work(drain=True)
                await mailnode.deliveries.retry(one, as_queued=True)
                assert (await drained(mailnode, one))["state"] == "failed"
        assert rcpts(new) == [f"RCPT TO:<{QA}>"]
        assert rcpts(old) == ["RCPT TO:<jane@example.org>", f"RCPT TO:<{QA}>"]

    async def test_in_doubt_the_doubt_is_of_who_stood_in(self, tmp_path):
        async with ScriptedServer({"dot": DROP}, extensions=OFFERS) as server:
            async with Mailnode.open() as mailnode:
                await shop(mailnode)
                one = await queued(mailnode, flow_of(tmp_path, server.port, asynchronous=True, onUnknown="hold"))
            async with Mailnode.open(staging()) as mailnode:
                shown = await drained(mailnode, one)
        assert (shown["state"], [r["address"] for r in shown["recipients"]]) == ("held", [QA])

    async def test_a_test_to_one_address_too(self, tmp_path):
        async with ScriptedServer(extensions=OFFERS) as server, Mailnode.open(staging()) as mailnode:
            await shop(mailnode)
            flow = load_flow(flow_of(tmp_path, server.port))
            result = await mailnode.dry_run(flow).send_to("me@example.org")
        assert (result["status"], result["warnings"][-1]) == ("sent", f"redirected to {QA}")
        assert rcpts(server) == [f"RCPT TO:<{QA}>"]

    async def test_and_one_that_was_made_so_is_not_redirected_twice(self, tmp_path):
        async with ScriptedServer(extensions=OFFERS) as server, Mailnode.open(staging()) as mailnode:
            await shop(mailnode)
            one = await queued(mailnode, flow_of(tmp_path, server.port, asynchronous=True))
            shown = await drained(mailnode, one)
        assert shown["result"]["warnings"] == [f"redirected to {QA}"]
        assert server.accepted[0].content.count(b"X-Original-Recipients") == 1


class TestRefused:
    @pytest.mark.parametrize("asynchronous", [False, True])
    async def test_whom_the_connection_may_not_write_to_any_more(self, tmp_path, asynchronous):
        script = {} if asynchronous else {"MAIL": [[HOLD, "451 4.3.0 later"], "250 ok"]}
        async with ScriptedServer(script, extensions=OFFERS) as server, Mailnode.open() as mailnode:
            await shop(mailnode)
            flow = flow_of(tmp_path, server.port, asynchronous=asynchronous)
            allowed = {"allowedRecipients": ["example.net"]}
            if asynchronous:
                one = await queued(mailnode, flow)
                await mailnode.connections.update("shop", allowed)
                result = (await drained(mailnode, one))["result"]
            else:
                result = await edited_while_held(mailnode, server, flow, **allowed)
            shown = await mailnode.deliveries.show(result["deliveryId"])
        error = result["error"]
        assert (result["status"], error["code"]) == ("failed", "recipientNotAllowed")
        assert "is not allowed to send to 'jane@example.org'" in error["message"]
        assert "allowedRecipients" in error["hint"]
        assert shown["error"] == error["message"] == shown["attempts"][-1]["message"]
        assert server.accepted == []
        assert len(rcpts(server)) == (0 if asynchronous else 1)

    async def test_a_host_that_the_connection_is_not_for_any_more(self, tmp_path):
        script = {"MAIL": [[HOLD, "451 4.3.0 later"], "250 ok"]}
        async with ScriptedServer(script, extensions=OFFERS) as server, Mailnode.open() as mailnode:
            await shop(mailnode)
            moved = {"hosts": ["mail.example.net"], "password": "other"}
            result = await edited_while_held(mailnode, server, flow_of(tmp_path, server.port), **moved)
        assert (result["status"], result["error"]["code"]) == ("failed", "connectionNotForHost")
        assert server.accepted == []

    async def test_by_a_connection_that_was_made_anew_under_its_name(self, tmp_path):
        script = {"DATA": [[HOLD, "354 go on"], "354 go on"]}
        async with ScriptedServer(script, extensions=OFFERS) as server, Mailnode.open() as mailnode:
            await shop(mailnode)
            one = await queued(mailnode, flow_of(tmp_path, server.port, asynchronous=True))
            async with mailnode.working():
                await server.holding()
                await mailnode.connections.delete("shop")
                await shop(mailnode, allowedRecipients=["example.net"])
                server.release()
                result = await ended(mailnode, one)
        assert (result["status"], result["error"]["code"], server.accepted) == ("failed", "recipientNotAllowed", [])


async def ended(mailnode, one):
    """Wait for the end of a queued mail, and give its result."""
    (result,) = [result async for _, result in mailnode.drained([one])]
    return result


async def edited_while_held(mailnode, server, flow, **fields):
    """Run a flow that waits, change the connection while the server holds it, and give the result."""
    running = asyncio.create_task(mailnode.run(flow))
    await server.holding()
    await mailnode.connections.update("shop", fields)
    server.release()
    return (await running).nodes[0].result
