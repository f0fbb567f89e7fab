import json
from typing import Any

import pytest
from sqlalchemy import update

from mailnode.delivery.circuit_breaker import trip
from mailnode.delivery.delivery import Terms
from mailnode.delivery.history import read_history
from mailnode.engine.embedded import EmbeddedEngine
from mailnode.errors import DeliveryError, ErrorCode, UsageError
from mailnode.store.sql import Cursor
from mailnode.store.tables import attempts, deliveries, routes
from support.deliveries import prepared, sending
from support.messages import letter
from support.scripted_smtp import DROP, ScriptedServer

pytestmark = pytest.mark.usefixtures("database_kind")

LATER = Terms().for_queue(24)
MINUTE = 60_000


async def queue(admin, port, message=None, terms=LATER, **draft):
    return (await admin.dispatcher.queue(prepared(port, message, terms=terms, **draft)))["deliveryId"]


async def drain(admin):
    await EmbeddedEngine().work(admin.queue_worker, drain=True)


async def change(admin, delivery_id, **values):
    await admin.database.write(
        lambda db: db.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(**values))
    )


class TestPages:
    async def test_follow_each_other_without_a_gap_or_a_repetition(self, tmp_path):
        async with sending(tmp_path) as admin:
            ids = [await queue(admin, 9) for _ in range(5)]
            for id_, at in zip(ids, (3, 1, 1, 1, 2), strict=True):  # three are of the same millisecond
                await change(admin, id_, created_at=at)
            seen, after = [], None
            while page := await admin.deliveries.list(limit=2, after=after):
                seen += [one["deliveryId"] for one in page]
                after = Cursor.parse(str(Cursor(page[-1]["createdAt"], page[-1]["deliveryId"])))
            assert seen == [ids[0], ids[4], *sorted(ids[1:4], reverse=True)]

    async def test_go_on_where_they_were_when_something_new_has_come(self, tmp_path):
        async with sending(tmp_path) as admin:
            old, new = [await queue(admin, 9) for _ in range(2)]
            await change(admin, old, created_at=1)
            await change(admin, new, created_at=2)
            await queue(admin, 9)
            (entry,) = await admin.deliveries.list(limit=1, after=Cursor(2, new))
            assert entry["deliveryId"] == old

    @pytest.mark.parametrize("text", ["", "x", "12", "-1-a", "1" * 16 + "-a", "1-", "1-a\x00b"])
    def test_begin_at_a_place_and_nowhere_else(self, text):
        with pytest.raises(UsageError, match="not a page cursor"):
            Cursor.parse(text)


class TestShow:
    async def test_tells_of_each_attempt_what_the_servers_words_mean(self, tmp_path):
        script = {"RCPT": ["450 4.2.0 greylisted, try later", "550 5.1.1 no such user"]}
        async with ScriptedServer(script) as server, sending(tmp_path) as admin:
            one = await queue(admin, server.port)
            await drain(admin)
            await admin.deliveries.retry(one)
            await drain(admin)
            shown: Any = await admin.deliveries.show(one)
        first, second = shown["attempts"]
        assert (first["replyCode"], second["replyCode"]) == (450, 550)
        assert first["hint"] != second["hint"] == shown["hint"] == shown["result"]["error"]["hint"] != ""

    async def test_gives_the_remedy_for_a_server_that_does_not_answer(self, tmp_path):
        async with ScriptedServer({}) as server:
            port = server.port
        async with sending(tmp_path) as admin:
            one = await queue(admin, port)
            await EmbeddedEngine().work(admin.queue_worker, drain=True)
            shown = await admin.deliveries.show(one)
            (row,) = await admin.rows(routes)
        assert shown["state"] == "queued"
        assert shown["error"] == json.loads(row.trouble)["message"]
        assert shown["hint"] == json.loads(row.trouble)["hint"] != ""

    async def test_tells_the_next_try_of_a_server_that_is_left_alone(self, tmp_path):
        async with ScriptedServer({}) as server:
            port = server.port
        async with sending(tmp_path) as admin:
            one = await queue(admin, port)
            other = await queue(admin, port)
            await drain(admin)
            (row,) = await admin.rows(routes)
            told = [(await admin.deliveries.show(id_))["dueAt"] for id_ in (one, other)]
            listed = [entry["dueAt"] for entry in await admin.deliveries.list()]
            await admin.deliveries.retry(one)
            due = (await admin.deliveries.show(one))["dueAt"]
        assert told == listed == [row.retry_at] * 2
        assert due < row.retry_at

    async def test_tells_what_it_waits_for_now_and_not_what_was_wrong_before(self, tmp_path):
        async with ScriptedServer({}) as server:
            port = server.port
        gone = UsageError("there is no connection 'shop'", code=ErrorCode.BAD_USAGE, phase="settings", hint="make it")
        async with sending(tmp_path) as admin:
            one = await queue(admin, port)
            await drain(admin)
            (row,) = await admin.rows(routes)
            await admin.database.write(lambda db: trip(db, row.name, None, gone, probe=True))
            shown: Any = await admin.deliveries.show(one)
        assert (shown["error"], shown["hint"]) == ("there is no connection 'shop'", "make it")
        assert "could not connect" in shown["attempts"][0]["message"]

    async def test_has_no_remedy_where_nothing_is_wrong(self, tmp_path):
        async with ScriptedServer({}) as server, sending(tmp_path) as admin:
            one = await queue(admin, server.port)
            await drain(admin)
            shown = await admin.deliveries.show(one)
            assert len(await admin.rows(attempts)) == 1
        assert (shown["error"], shown["hint"], shown["attempts"][0]["hint"]) == (None, "", "")

    async def test_of_one_that_is_not_there_says_so(self, tmp_path):
        async with sending(tmp_path) as admin:
            with pytest.raises(DeliveryError) as raised:
                await admin.deliveries.show("nowhere")
        assert raised.value.code is ErrorCode.UNKNOWN_DELIVERY


class TestHistory:
    async def test_counts_what_ended_and_what_waits(self, tmp_path):
        script = {"RCPT TO:<no@": ["550 no"], "dot": ["250 ok", DROP]}
        async with ScriptedServer(script) as server, sending(tmp_path) as admin:
            for to in ("yes@y.example", "no@y.example", "who@y.example"):
                await queue(admin, server.port, letter(to), terms=Terms(on_unknown="hold").for_queue(24))
                await drain(admin)
            await queue(admin, 9)
            history = await admin.deliveries.history(1)
        assert (history["hours"], history["bucketMs"]) == (1, MINUTE)
        assert len(history["buckets"]) == 60
        total = {name: sum(one[name] for one in history["buckets"]) for name in ("accepted", "failed", "inDoubt")}
        assert total == {"accepted": 1, "failed": 1, "inDoubt": 1}
        assert history["buckets"][-1]["waiting"] == 1

    async def test_tells_how_many_waited_at_the_end_of_each_bucket(self, tmp_path):
        async with sending(tmp_path) as admin:
            now = (await admin.deliveries.history(1))["buckets"][-1]["at"]
            for begun, ended in ((-30, -10), (-20, None), (-5, -5), (-500, -2)):
                one = await queue(admin, 9)
                over = {} if ended is None else {"state": "sent", "updated_at": now + ended * MINUTE}
                await change(admin, one, created_at=now + begun * MINUTE, **over)
            buckets = {(one["at"] - now) // MINUTE: one for one in await admin.database.read(buckets_of)}
        assert [buckets[at]["waiting"] for at in (-31, -30, -21, -20, -11, -10, -6, -5, -3, -2, 0)] == [
            *(1, 2, 2, 3, 3, 2, 2, 2, 2, 1, 1)
        ]
        assert [at for at, one in sorted(buckets.items()) if one["accepted"]] == [-10, -5, -2]

    @pytest.mark.parametrize(("hours", "minutes", "count"), [(1, 1, 60), (24, 30, 48), (168, 180, 56), (720, 720, 60)])
    async def test_has_buckets_that_can_be_told_apart(self, tmp_path, hours, minutes, count):
        async with sending(tmp_path) as admin:
            history = await admin.deliveries.history(hours)
        assert (history["bucketMs"], len(history["buckets"])) == (minutes * MINUTE, count)


def buckets_of(db):
    return read_history(db, 1)["buckets"]
