import json
from dataclasses import replace
from typing import Any

import pytest

from mailnode.delivery.admin import InDoubt
from mailnode.delivery.delivery import EARLIER_IN_DOUBT, RESENT_AFTER_UNKNOWN, Delivery, Terms
from mailnode.engine.embedded import EmbeddedEngine
from mailnode.errors import DeliveryError
from mailnode.store.tables import attempts, deliveries, delivery_content, delivery_recipients, routes, runs
from support.deliveries import prepared, sending
from support.messages import letter
from support.scripted_smtp import DROP, ScriptedServer

pytestmark = pytest.mark.usefixtures("database_kind")

LATER = Terms().for_queue(24)
HOLD = replace(LATER, on_unknown="hold")


async def queue(admin, port, message=None, terms=LATER, **draft):
    return (await admin.dispatcher.queue(prepared(port, message, terms=terms, **draft)))["deliveryId"]


async def drain(admin):
    await EmbeddedEngine().work(admin.queue_worker, drain=True)


async def queue_and_drain(admin, port, **draft):
    one = await queue(admin, port, terms=HOLD, **draft)
    await drain(admin)
    return one


async def state(admin):
    (row,) = await admin.rows(deliveries)
    return row.state


class TestRetry:
    async def test_lets_a_lane_that_fails_be_tried_at_once(self, tmp_path):
        async with sending(tmp_path) as admin:
            one = await queue(admin, 1)
            await drain(admin)
            (row,) = await admin.rows(routes)
            assert row.failures
            assert row.retry_at
            await admin.deliveries.retry(one)
            (row,) = await admin.rows(routes)
            assert row.retry_at == 0

    async def test_sends_a_failed_one_with_the_same_message_id(self, tmp_path):
        async with ScriptedServer({"MAIL": ["550 no", "250 ok"]}) as server, sending(tmp_path) as admin:
            one = await queue(admin, server.port)
            await drain(admin)
            assert await state(admin) == "failed"
            assert await admin.deliveries.retry(one[:8]) == one
            await drain(admin)
            assert await state(admin) == "sent"
            assert len(await admin.rows(attempts)) == 2

    async def test_tries_who_was_refused_and_nobody_who_was_accepted(self, tmp_path):
        script = {"RCPT TO:<no@": ["550 5.1.1 no such user", "250 ok"]}
        async with ScriptedServer(script) as server, sending(tmp_path) as admin:
            one = await queue(admin, server.port, letter("yes@y.example", "no@y.example"))
            await drain(admin)
            assert await state(admin) == "partial"
            await admin.deliveries.retry(one)
            await drain(admin)
            assert await state(admin) == "sent"
        assert server.accepted[-1].forward_paths == ("RCPT TO:<no@y.example>",)

    async def test_of_one_in_doubt_wants_a_word_and_marks_the_copy(self, tmp_path):
        async with ScriptedServer({"dot": [DROP, "250 taken"]}) as server, sending(tmp_path) as admin:
            one = await queue(admin, server.port, terms=HOLD)
            await drain(admin)
            with pytest.raises(InDoubt, match="may have reached"):
                await admin.deliveries.retry(one)
            assert await state(admin) == "held"
            await admin.deliveries.retry(one, is_sure=True)
            await drain(admin)
            (row,) = await admin.rows(deliveries)
        assert (row.state, "resentAfterUnknown" in row.result) == ("sent", True)

    async def test_that_ends_in_doubt_again_is_held_again(self, tmp_path):
        async with ScriptedServer({"dot": DROP}) as server, sending(tmp_path) as admin:
            one = await queue(admin, server.port, terms=HOLD)
            await drain(admin)
            await admin.deliveries.retry(one, is_sure=True)
            await drain(admin)
            assert await state(admin) == "held"
            assert len(server.visits) == 2

    async def test_and_refused_then_it_is_still_in_doubt(self, tmp_path):
        async with ScriptedServer({"dot": [DROP, "554 no"]}) as server, sending(tmp_path) as admin:
            one = await queue(admin, server.port, terms=HOLD)
            await drain(admin)
            await admin.deliveries.retry(one, is_sure=True)
            await drain(admin)
            assert await state(admin) == "held"

    async def test_of_one_that_waits_makes_it_due_at_once(self, tmp_path):
        async with ScriptedServer({"MAIL": ["451 4.3.0 later", "250 ok"]}) as server, sending(tmp_path) as admin:
            one = await queue(admin, server.port)
            await drain(admin)
            assert await state(admin) == "queued"
            await admin.deliveries.retry(one)
            await drain(admin)
            assert await state(admin) == "sent"

    async def test_of_a_sent_one_is_refused(self, tmp_path):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            one = await queue(admin, server.port)
            await drain(admin)
            with pytest.raises(DeliveryError, match="was sent"):
                await admin.deliveries.retry(one)

    async def test_of_one_that_is_being_sent_is_refused(self, tmp_path):
        async with ScriptedServer() as server, sending(tmp_path) as admin, sending(tmp_path) as other:
            begun = await other.outbox.begin(prepared(server.port))
            assert isinstance(begun, Delivery)
            with pytest.raises(DeliveryError, match="right now"):
                await admin.deliveries.retry(begun.id)
            with pytest.raises(DeliveryError, match="right now"):
                await admin.deliveries.cancel(begun.id)


class TestCancel:
    async def test_one_in_the_queue_is_never_sent_and_gives_its_key_back(self, tmp_path):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            await admin.deliveries.cancel(await queue(admin, server.port, key="k"))
            await drain(admin)
            assert (await state(admin), server.visits) == ("cancelled", [])
            again = await admin.dispatcher.queue(prepared(server.port, terms=LATER, key="k", digest="other"))
        assert again["status"] == "queued"

    @pytest.mark.parametrize("how", ["held", "interrupted", "retried", "accepted by one"])
    async def test_one_that_may_have_been_accepted_leaves_its_doubt_to_the_next_of_its_key(self, tmp_path, how):
        one_waits = {"RCPT TO:<b@": ["451 later", "250 ok"]}
        lost: dict[str, Any] = {"dot": [DROP, "250 taken"]}
        script = {"held": lost, "interrupted": {}, "retried": lost, "accepted by one": one_waits}[how]
        async with ScriptedServer(script) as server, sending(tmp_path) as admin:
            begun = prepared(server.port, letter("a@y.example", "b@y.example"), terms=HOLD, key="k")
            if how == "interrupted":
                async with sending(tmp_path) as dying:
                    left = await dying.outbox.begin(replace(begun, terms=Terms()))
                    assert isinstance(left, Delivery)
                    await dying.outbox.store_handing_over(left)
                one = left.id
            else:
                one = (await admin.dispatcher.queue(begun))["deliveryId"]
                await drain(admin)
            if how == "retried":
                await admin.deliveries.retry(one, is_sure=True)
            await admin.deliveries.cancel(one)
            again = await admin.deliver(server.port, terms=Terms(on_unknown="hold"), key="k", digest="other")
            assert again.result["status"] == "sent"
            assert again.result["warnings"] == [RESENT_AFTER_UNKNOWN, EARLIER_IN_DOUBT]

    async def test_and_the_next_may_fail_for_certain_and_hand_the_doubt_on(self, tmp_path):
        script = {"dot": [DROP, "554 no", DROP, "250 taken"]}
        async with ScriptedServer(script) as server, sending(tmp_path) as admin:
            await admin.deliveries.cancel(await queue_and_drain(admin, server.port, key="k"))
            second = (await admin.deliver(server.port, key="k")).result
            assert (second["status"], second["recipients"][0]["status"]) == ("failed", "refused")
            third = await queue_and_drain(admin, server.port, key="k")
            assert [row.state for row in await admin.rows(deliveries) if row.id == third] == ["held"]
            await admin.deliveries.retry(third, is_sure=True)
            await drain(admin)
            (row,) = [row for row in await admin.rows(deliveries) if row.id == third]
        assert (row.state, json.loads(row.result)["warnings"]) == ("sent", [RESENT_AFTER_UNKNOWN])

    async def test_one_that_nobody_can_have_got_leaves_none(self, tmp_path):
        async with ScriptedServer({"MAIL": ["550 no", "250 ok"]}) as server, sending(tmp_path) as admin:
            await admin.deliveries.cancel(await queue(admin, server.port, key="k"))
            failed = (await admin.deliver(server.port, key="k")).result
            sent = (await admin.deliver(server.port, key="k")).result
        assert (failed["status"], failed["warnings"]) == ("failed", [])
        assert (sent["status"], sent["warnings"]) == ("sent", [])

    async def test_one_that_is_over_is_refused(self, tmp_path):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            one = await queue(admin, server.port)
            await drain(admin)
            with pytest.raises(DeliveryError, match="already ended: sent"):
                await admin.deliveries.cancel(one)


class TestSweep:
    async def test_what_ended_long_ago_is_gone_with_all_its_rows_and_the_rest_stays(self, tmp_path):
        script = {"RCPT TO:<no@": "550 no"}
        async with ScriptedServer(script) as server, sending(tmp_path) as admin:
            await queue(admin, server.port, letter("no@y.example"))
            await drain(admin)
            await admin.database.write(lambda db: db.execute(deliveries.update().values(updated_at=1)))
            await queue(admin, server.port)
            assert await admin.deliveries.sweep(30, 400) == 1
            assert await state(admin) == "queued"
            assert len(await admin.rows(delivery_recipients)) == len(await admin.rows(delivery_content)) == 1

    async def test_what_is_still_to_be_sent_is_never_swept(self, tmp_path):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            await queue(admin, server.port)
            await admin.database.write(lambda db: db.execute(deliveries.update().values(updated_at=1)))
            assert await admin.deliveries.sweep(30, 400) == 0

    async def test_a_run_whose_process_died_long_ago_is_gone_and_one_that_is_under_way_stays(self, tmp_path):
        async with sending(tmp_path) as admin:
            run = {"flow": "f", "digest": "", "status": "running", "created_at": 1, "updated_at": 1}
            workers = {"left": "gone", "given up": None, "going": admin.process.id}
            old = [{**run, "id": run_id, "worker": worker} for run_id, worker in workers.items()]
            await admin.database.write(lambda db: db.execute(runs.insert(), old))
            assert await admin.deliveries.sweep(30, 400) == 2
            assert [row.id for row in await admin.rows(runs)] == ["going"]
