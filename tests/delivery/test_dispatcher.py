import asyncio
from dataclasses import replace

import pytest

from mailnode.delivery.delivery import Attempt, Delivery, Terms
from mailnode.delivery.dispatcher import Dispatcher
from mailnode.delivery.result import result_of
from mailnode.errors import DeliveryError, ErrorCode
from mailnode.store.tables import attempts, deliveries, delivery_content, delivery_recipients
from support.deliveries import AT_ONCE, prepared, sending
from support.messages import letter
from support.scripted_smtp import DROP, PAUSE, STALL, ScriptedServer

pytestmark = pytest.mark.usefixtures("database_kind")

# How long a flow waits where it waits for nothing: a busy machine must come as far as it should within.
WAIT = 1.5
HOLD = replace(AT_ONCE, on_unknown="hold")


class TestTheOutcome:
    async def test_a_mail_that_is_accepted_is_sent(self, tmp_path):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            report = (await admin.deliver(server.port)).result
            (row,) = await admin.rows(deliveries)
        assert report["status"] == "sent"
        assert report["accepted"] == ["bob@y.example"]
        assert report["response"] == "250 2.0.0 taken"
        assert report["error"] is None
        assert (row.state, row.id) == ("sent", report["deliveryId"])
        assert [message.content for message in server.accepted] == [b"Subject: hi\r\n\r\nhi\r\n"]

    async def test_a_refused_recipient_makes_it_partial_and_is_not_tried_again(self, tmp_path):
        async with ScriptedServer({"RCPT TO:<no@": "550 5.1.1 no such user"}) as server, sending(tmp_path) as admin:
            report = (await admin.deliver(server.port, letter("yes@y.example", "no@y.example"))).result
        assert report["status"] == "partial"
        assert report["accepted"] == ["yes@y.example"]
        assert report["rejected"] == ["no@y.example"]
        told = report["recipients"][1]
        assert (told["status"], told["replyCode"], told["enhancedStatusCode"]) == ("refused", 550, "5.1.1")
        assert report["error"]
        assert (report["error"]["code"], report["error"]["phase"]) == ("recipientsRefused", "rcpt")
        assert server.visit.count("RCPT") == 2

    async def test_a_deferred_recipient_alone_is_tried_again_with_the_same_octets(self, tmp_path):
        script = {"RCPT TO:<later@": ["451 4.7.1 greylisted", "250 ok"]}
        async with ScriptedServer(script) as server, sending(tmp_path) as admin:
            report = (await admin.deliver(server.port, letter("now@y.example", "later@y.example"))).result
        assert report["status"] == "sent"
        assert report["attempts"] == 2
        assert [message.forward_paths for message in server.accepted] == [
            ("RCPT TO:<now@y.example>",),
            ("RCPT TO:<later@y.example>",),
        ]
        assert server.accepted[0].content == server.accepted[1].content

    async def test_who_is_left_gets_the_same_header_by_smtputf8_too(self, tmp_path):
        script = {"RCPT TO:<later@": ["451 4.7.1 greylisted", "250 ok"]}
        message = letter("jörg@y.example", "later@y.example", content="To: jörg@y.example\r\n\r\nhi\r\n".encode())
        async with ScriptedServer(script, extensions=["PIPELINING", "SMTPUTF8"]) as server, sending(tmp_path) as admin:
            assert (await admin.deliver(server.port, message)).result["status"] == "sent"
        said = [command for visit in server.visits for command in visit.commands if command.startswith("MAIL")]
        assert said == ["MAIL FROM:<ann@x.example> SMTPUTF8"] * 2

    async def test_a_permanent_refusal_of_content_is_not_tried_again(self, tmp_path):
        async with ScriptedServer({"dot": "554 5.7.1 spam"}) as server, sending(tmp_path) as admin:
            report = (await admin.deliver(server.port)).result
        assert report["status"] == "failed"
        assert report["attempts"] == 1
        error = report["error"]
        assert error
        assert (error["code"], error["phase"], error["transient"]) == ("contentRefused", "content", False)
        assert (error["replyCode"], error["enhancedStatusCode"]) == (554, "5.7.1")

    async def test_a_transient_refusal_of_the_sender_is_tried_three_times(self, tmp_path):
        async with ScriptedServer({"MAIL": "451 4.3.0 later"}) as server, sending(tmp_path) as admin:
            report = (await admin.deliver(server.port)).result
            numbers = [row.number for row in await admin.rows(attempts)]
        assert (report["status"], report["attempts"]) == ("failed", 3)
        assert report["error"]
        assert report["error"]["transient"]
        assert numbers == [1, 2, 3]

    async def test_a_closed_port_is_tried_again_and_tries_nobody(self, tmp_path, closed_port):
        async with sending(tmp_path) as admin:
            report = (await admin.deliver(closed_port)).result
        assert (report["status"], report["attempts"]) == ("failed", 3)
        assert report["error"]
        assert report["error"]["phase"] == "connect"
        assert [told["status"] for told in report["recipients"]] == ["notTried"]


class TestUnknown:
    async def test_a_lost_answer_is_sent_again_and_says_so(self, tmp_path):
        async with ScriptedServer({"dot": [DROP, "250 taken"]}) as server, sending(tmp_path) as admin:
            report = (await admin.deliver(server.port)).result
            codes = [row.code for row in await admin.rows(attempts)]
        assert report["status"] == "sent"
        assert report["warnings"] == ["resentAfterUnknown"]
        assert codes == ["unknownOutcome", None]

    async def test_on_hold_it_is_not_sent_again(self, tmp_path):
        async with ScriptedServer({"dot": DROP}) as server, sending(tmp_path) as admin:
            report = (await admin.deliver(server.port, terms=HOLD)).result
        assert report["status"] == "held"
        assert report["error"]
        assert report["error"]["code"] == "unknownOutcome"
        assert [told["status"] for told in report["recipients"]] == ["unknown"]
        assert len(server.visits) == 1

    async def test_a_later_refusal_does_not_make_it_failed(self, tmp_path):
        async with ScriptedServer({"dot": [DROP, "554 no"]}) as server, sending(tmp_path) as admin:
            report = (await admin.deliver(server.port)).result
        assert report["status"] == "unknown"
        assert report["error"]
        assert "554 no" in report["error"]["message"]

    async def test_a_session_that_ends_before_the_dot_is_no_riddle(self, tmp_path):
        async with ScriptedServer({"DATA": [DROP, "354 go on"]}) as server, sending(tmp_path) as admin:
            report = (await admin.deliver(server.port, terms=HOLD)).result
        assert (report["status"], report["warnings"]) == ("sent", [])


class TestTheWait:
    async def test_before_content_the_flows_patience_ends_the_attempt_and_tells_what_was_waited_for(self, tmp_path):
        async with ScriptedServer({"greeting": STALL}) as server, sending(tmp_path) as admin:
            delivered = await admin.deliver(server.port, terms=Terms(seconds=WAIT))
            (tried,) = await admin.rows(attempts)
        assert delivered.later is None
        assert delivered.result["status"] == "failed"
        error = delivered.result["error"]
        assert error
        assert (error["code"], error["phase"]) == ("timeout", "greeting")
        assert (
            f"not accepted within {WAIT:g} s: 127.0.0.1:{server.port} accepts the connection but sends nothing"
            in error["message"]
        )
        assert "set tlsOption to tls" in error["hint"]
        assert "timeoutSeconds" not in error["hint"]
        assert "connecting to 127.0.0.1" in tried.dialogue
        assert [bytes(visit.octets) for visit in server.visits] == [b""]

    async def test_a_server_that_is_slow_later_is_no_silent_port(self, tmp_path):
        async with ScriptedServer({"EHLO": STALL}) as server, sending(tmp_path) as admin:
            error = (await admin.deliver(server.port, terms=Terms(seconds=WAIT))).result["error"]
        assert error
        assert (error["code"], error["phase"]) == ("timeout", "ehlo")
        assert "timeoutSeconds" in error["hint"]

    async def test_in_mid_content_it_ends_the_attempt_too_and_nothing_is_accepted(self, tmp_path):
        large = letter(content=(b"x" * 70 + b"\r\n") * 200_000)
        async with ScriptedServer({"content": PAUSE}) as server, sending(tmp_path) as admin:
            delivered = await admin.deliver(server.port, large, terms=Terms(seconds=WAIT))
            (row,) = await admin.rows(deliveries)
        assert delivered.later is None
        assert delivered.result["status"] == row.state == "failed"
        error = delivered.result["error"]
        assert error
        assert (error["code"], error["phase"], error["transient"]) == ("timeout", "content", True)
        assert not server.accepted

    async def test_after_the_dot_the_flow_goes_on_and_the_truth_follows(self, tmp_path):
        async with ScriptedServer({"dot": ""}) as server, sending(tmp_path) as admin:
            delivered = await admin.deliver(server.port, terms=Terms(seconds=WAIT))
            assert delivered.result["status"] == "unknown"
            assert delivered.later
            server.say("250 2.0.0 at last")
            last = await delivered.later
            (row,) = await admin.rows(deliveries)
        assert last["status"] == row.state == "sent"
        assert last["deliveryId"] == delivered.result["deliveryId"]


class TestIdempotency:
    async def test_the_same_key_again_tells_what_happened(self, tmp_path):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            first = (await admin.deliver(server.port, key="k")).result
            again = (await admin.deliver(server.port, key="k")).result
        assert again == {**first, "duplicate": True}
        assert len(server.accepted) == 1

    async def test_a_second_caller_waits_for_the_first(self, tmp_path):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            both = await asyncio.gather(*(admin.deliver(server.port, key="k") for _ in range(2)))
        assert sorted("duplicate" in delivered.result for delivered in both) == [False, True]
        assert len(server.accepted) == 1

    async def test_other_content_under_the_same_key_is_an_error(self, tmp_path):
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            await admin.deliver(server.port, key="k", digest="one")
            with pytest.raises(DeliveryError) as caught:
                await admin.deliver(server.port, key="k", digest="two")
        assert caught.value.code is ErrorCode.KEY_IN_USE

    async def test_a_failed_mail_frees_its_key(self, tmp_path):
        async with ScriptedServer({"MAIL": ["550 no", "250 ok"]}) as server, sending(tmp_path) as admin:
            failed = (await admin.deliver(server.port, key="k")).result
            sent = (await admin.deliver(server.port, key="k")).result
        assert (failed["status"], sent["status"]) == ("failed", "sent")
        assert "duplicate" not in sent


class TestTheRows:
    async def test_content_is_there_before_the_server_hears_of_it_and_gone_once_all_accepted(self, tmp_path):
        big = letter(content=(b"x" * 70 + b"\r\n") * 10_000)
        async with ScriptedServer({"MAIL": ["", "250 ok"]}) as server, sending(tmp_path) as admin:
            task = asyncio.create_task(admin.deliver(server.port, big))
            await server.reached("MAIL")
            rows = await admin.rows(delivery_content)
            server.say("451 later")
            await task
            left = await admin.rows(delivery_content)
        assert b"".join(row.octets for row in rows) == b"".join(big.blocks())
        assert {len(row.octets) for row in rows[:-1]} == {256 * 1024}
        assert left == []

    async def test_each_recipient_keeps_the_servers_words(self, tmp_path):
        async with ScriptedServer({"RCPT TO:<no@": "550 5.1.1 gone"}) as server, sending(tmp_path) as admin:
            await admin.deliver(server.port, letter("yes@y.example", "no@y.example"))
            rows = await admin.rows(delivery_recipients)
        assert [(row.address, row.status, row.reply_code) for row in rows] == [
            ("yes@y.example", "accepted", 250),
            ("no@y.example", "refused", 550),
        ]


class TestTakingOver:
    """What a process that died has left; its worker's lock is free."""

    async def died(self, home, server, *, handing_over):
        """Leave a delivery behind as a process does that is killed."""
        async with sending(home) as admin:
            draft = await self.draft(admin, server)
            delivery = await admin.outbox.begin(draft)
            assert isinstance(delivery, Delivery)
            if handing_over:
                await admin.outbox.store_handing_over(delivery)

    async def draft(self, admin, server):
        return prepared(server.port, key="k")

    async def test_a_claimed_one_is_sent(self, tmp_path):
        async with ScriptedServer() as server:
            await self.died(tmp_path, server, handing_over=False)
            async with sending(tmp_path) as admin:
                report = (await admin.deliver(server.port, key="k", terms=HOLD)).result
        assert (report["status"], report["warnings"]) == ("sent", [])
        assert len(server.accepted) == 1

    async def test_one_that_was_handed_over_is_sent_again_with_a_warning(self, tmp_path):
        async with ScriptedServer() as server:
            await self.died(tmp_path, server, handing_over=True)
            async with sending(tmp_path) as admin:
                report = (await admin.deliver(server.port, key="k")).result
        assert (report["status"], report["warnings"], report["attempts"]) == ("sent", ["resentAfterUnknown"], 2)

    async def test_or_held(self, tmp_path):
        async with ScriptedServer() as server:
            await self.died(tmp_path, server, handing_over=True)
            async with sending(tmp_path) as admin:
                report = (await admin.deliver(server.port, key="k", terms=HOLD)).result
        assert report["status"] == "held"
        assert server.visits == []

    async def test_what_the_former_owner_writes_no_longer_counts(self, tmp_path):
        async with ScriptedServer() as server, sending(tmp_path) as slow:
            delivery = await slow.outbox.begin(await self.draft(slow, server))
            assert isinstance(delivery, Delivery)
            slow.process.close()
            async with sending(tmp_path) as admin:
                await admin.deliver(server.port, key="k")
            with pytest.raises(DeliveryError):
                await slow.outbox.store_handing_over(delivery)


async def test_an_outcome_that_is_written_twice_is_there_once(tmp_path):
    """As when the answer to the first commit was lost."""
    async with ScriptedServer() as server, sending(tmp_path) as admin:
        delivery = await admin.outbox.begin(prepared(server.port))
        assert isinstance(delivery, Delivery)
        tried = delivery.with_new_attempt()
        report = result_of(tried, status="sent")
        for _ in range(2):
            await admin.outbox.store_end(tried, report, Attempt(1, 1, 2, None))
        assert len(await admin.rows(attempts)) == 1
        (row,) = await admin.rows(deliveries)
    assert row.state == "sent"


def test_the_courier_keeps_no_finished_carry(tmp_path):
    async def main():
        async with ScriptedServer() as server, sending(tmp_path) as admin:
            await admin.deliver(server.port)
            return admin.dispatcher

    dispatcher: Dispatcher = asyncio.run(main())
    assert not dispatcher._loops


async def test_an_outcome_that_can_not_be_written_down_is_told_all_the_same(tmp_path):
    async with ScriptedServer({"dot": ""}) as server, sending(tmp_path) as admin:
        task = asyncio.create_task(admin.deliver(server.port))
        await server.reached("dot")
        admin.database.close()
        server.say("250 2.0.0 taken")
        report = (await task).result
    assert (report["status"], report["accepted"]) == ("sent", ["bob@y.example"])
    assert report["warnings"][0].startswith("outcomeNotStored")
