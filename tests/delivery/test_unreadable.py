"""One row fails alone: what is stored of it is not what this version writes, and the others go on."""

import json
from dataclasses import replace
from typing import Any

import pytest

from mailnode.delivery.delivery import Terms, UnreadableDelivery
from mailnode.delivery.dispatcher import WaitResult
from mailnode.engine.embedded import EmbeddedEngine
from mailnode.errors import DeliveryError
from mailnode.store.tables import attempts, connections, deliveries, routes, runs
from support.damaged_rows import CONTENT_DAMAGES, DAMAGES, damage
from support.deliveries import prepared, sending
from support.messages import letter
from support.scripted_smtp import ScriptedServer

pytestmark = pytest.mark.usefixtures("database_kind")

LATER = Terms().for_queue(24)
ALL = (*DAMAGES, *CONTENT_DAMAGES)


async def drain(admin):
    await EmbeddedEngine().work(admin.queue_worker, drain=True)


async def queue_damaged(admin, port, whats, terms=LATER):
    """Queue a mail for each of these, and do that to it; give by its id what its error says."""
    words = {}
    for number, what in enumerate(whats):
        draft = prepared(port, letter(f"bad{number}@y.example"), terms=terms, key=f"bad{number}", run_id="r")
        begun = await admin.outbox.begin(draft)
        words[begun.id] = await damage(admin.database, begun.id, what)
    return words


async def set_state(admin, ids, **values):
    change = deliveries.update().where(deliveries.c.id.in_(ids)).values(**values)
    await admin.database.write(lambda db: db.execute(change))


async def is_held(admin, delivery_id, words):
    """See that a delivery is left to a person, who can read why and what to do."""
    shown: Any = await admin.deliveries.show(delivery_id)
    assert (shown["state"], shown["result"]["status"]) == ("held", "held"), words
    assert words in shown["error"]
    assert shown["result"]["error"]["code"] == "unreadableDelivery"
    assert "cancel it" in shown["hint"]
    return shown


@pytest.mark.parametrize("state", ["queued", "claimed", "handingOver"])
async def test_it_is_held_with_the_reason_and_the_others_are_sent(tmp_path, state):
    async with ScriptedServer() as server, sending(tmp_path) as admin:
        await admin.dispatcher.queue(prepared(server.port, letter("good1@y.example"), terms=LATER))
        words = await queue_damaged(admin, server.port, ALL)
        await admin.dispatcher.queue(prepared(server.port, letter("good2@y.example"), terms=LATER))
        if state != "queued":
            await set_state(admin, words, state=state, worker="lock-gone")
        await drain(admin)
        assert sorted(one.forward_paths[0][9:14] for one in server.accepted) == ["good1", "good2"]
        for delivery_id, said in words.items():
            shown = await is_held(admin, delivery_id, said)
            assert ("may have accepted" in shown["error"]) == (state == "handingOver"), said
        assert len(await admin.deliveries.list()) == len(ALL) + 2
        codes = {row.code for row in await admin.rows(attempts) if row.delivery_id in words}
        assert {"unreadableDelivery"} <= codes <= {"unreadableDelivery", "unknownOutcome"}


@pytest.mark.parametrize("when", ["before a worker has looked", "when it is held"])
async def test_a_person_may_look_at_it_and_cancel_it_and_a_retry_says_why_not(tmp_path, when):
    async with ScriptedServer() as server, sending(tmp_path) as admin:
        queries = admin.deliveries
        words = await queue_damaged(admin, server.port, ALL)
        if when == "when it is held":
            await drain(admin)
        assert len(await queries.list(recipient="bad")) >= len(ALL) - 1
        for delivery_id, said in words.items():
            before = (await queries.show(delivery_id))["state"]
            for as_queued in (False, True):
                if said == "warnings":  # all that is wrong is written anew
                    await admin.deliveries.retry(delivery_id, as_queued=as_queued)
                    before = "queued"
                    continue
                with pytest.raises(UnreadableDelivery) as caught:
                    await admin.deliveries.retry(delivery_id, as_queued=as_queued)
                assert caught.value.hint
                assert said in caught.value.message
            assert (await queries.show(delivery_id))["state"] == before
            await admin.deliveries.cancel(delivery_id)
            shown: Any = await queries.show(delivery_id)
            assert (shown["state"], shown["result"]["status"]) == ("cancelled", "cancelled")
        await drain(admin)
    assert server.accepted == []


async def test_a_flow_that_is_run_again_hears_of_it(tmp_path):
    async with ScriptedServer() as server, sending(tmp_path) as admin:
        words = await queue_damaged(admin, server.port, ALL, Terms())
        await set_state(admin, words, worker="lock-gone")
        drafts = [
            prepared(server.port, letter(f"bad{number}@y.example"), key=f"bad{number}") for number in range(len(ALL))
        ]
        for draft, (delivery_id, said) in zip(drafts, words.items(), strict=True):
            for _ in range(2):
                delivered = await admin.dispatcher.deliver(draft)
                assert isinstance(delivered, WaitResult)
                assert (delivered.result["status"], delivered.result["deliveryId"]) == ("held", delivery_id)
                assert delivered.result["error"]
                assert said in delivered.result["error"]["message"]
            await is_held(admin, delivery_id, said)
            await admin.deliveries.cancel(delivery_id)  # which frees the key
            assert (await admin.dispatcher.deliver(draft)).result["status"] == "sent"
    assert len(server.accepted) == len(ALL)


async def test_the_run_that_queued_it_is_told(tmp_path):
    async with ScriptedServer() as server, sending(tmp_path) as admin:
        draft = prepared(server.port, terms=LATER, run_id="r", node_id="n", key="r/n")
        report = await admin.dispatcher.queue(draft)
        state = json.dumps({"nodes": [{"id": "n", "result": report}], "input": {}, "context": {}})
        run = {"id": "r", "flow": "f", "digest": "", "status": "done", "state": state, "created_at": 1, "updated_at": 1}
        await admin.database.write(lambda db: db.execute(runs.insert(), run))
        await damage(admin.database, report["deliveryId"], "a service that is gone")
        await drain(admin)
        (row,) = await admin.rows(runs)
    assert json.loads(row.state)["nodes"][0]["result"]["status"] == "held"


async def test_a_result_that_can_not_be_read_is_told_as_far_as_it_is_known(tmp_path):
    async with ScriptedServer() as server, sending(tmp_path) as admin:
        report = (await admin.deliver(server.port, key="k")).result
        for result in ("{", "[]", "{}"):
            await set_state(admin, [report["deliveryId"]], result=result)
            again = (await admin.deliver(server.port, key="k")).result
            assert (again["status"], again["accepted"], again["duplicate"]) == ("sent", ["bob@y.example"], True)
            queries = admin.deliveries
            shown: Any = await queries.show(report["deliveryId"])
            assert shown["result"]["status"] == "sent"
            (told,) = (await queries.outcomes([report["deliveryId"]])).values()
            assert told
            assert told["status"] == "sent"
            with pytest.raises(DeliveryError, match="was sent"):
                await admin.deliveries.retry(report["deliveryId"])


@pytest.mark.parametrize("settings", ["{", "[]", '{"rateLimit": "often"}', '{"rateLimit": 7}'])
async def test_a_connection_that_can_not_be_read_keeps_its_own_mail_waiting_and_no_other(tmp_path, settings):
    async with ScriptedServer() as server, sending(tmp_path) as admin:
        draft = prepared(server.port, letter("bad@y.example"), terms=LATER)
        destination, route = replace(draft.destination, connection="shop"), replace(draft.route, connection="shop")
        await admin.dispatcher.queue(replace(draft, destination=destination, route=route))
        row = {"id": "c1", "name": "shop", "type": "basic", "revision": 1, "hosts": '["127.0.0.1"]', "secrets": "{}"}
        row |= {"settings": settings, "created_at": 1, "updated_at": 1}
        await admin.database.write(lambda db: db.execute(connections.insert(), row))
        await admin.dispatcher.queue(prepared(server.port, letter("good@y.example"), terms=LATER))
        await drain(admin)
        assert [one.forward_paths for one in server.accepted] == [("RCPT TO:<good@y.example>",)]
        for damaged in (False, True):
            (entry,) = await admin.deliveries.list(states=["queued"])
            assert bool(entry["error"]) is not damaged
            await admin.database.write(lambda db: db.execute(routes.update().values(trouble="{")))
