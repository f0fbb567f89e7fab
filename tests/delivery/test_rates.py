import asyncio
import itertools
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from mailnode.connections.rate_limit import MICROSECONDS, RateLimit
from mailnode.delivery.capacity import Capacity
from mailnode.delivery.claims import Claims
from mailnode.delivery.delivery import Terms
from mailnode.delivery.rates import next_times, take_time
from mailnode.engine.embedded import EmbeddedEngine
from mailnode.errors import ConnectionsError
from mailnode.flow.run_store import store_outcomes
from mailnode.store.clock import now_us
from mailnode.store.database import Database
from mailnode.store.tables import deliveries, rates, routes
from support.deliveries import prepared, sending
from support.scripted_smtp import ScriptedServer

MINUTE = 60 * MICROSECONDS
LATER = Terms().for_queue(24)


@pytest.fixture
def database(tmp_path):
    database = Database.open(tmp_path / "mailnode.db")
    yield database
    database.close()


def busiest(times, seconds):
    """Count the most that any window of this length holds, its two ends included."""
    return max(sum(begin <= at <= begin + seconds * MICROSECONDS for at in times) for begin in times)


class TestWritten:
    @pytest.mark.parametrize(
        ("text", "count", "seconds"), [("30/min", 30, 60), ("5 / S", 5, 1), ("2000/day", 2000, 86400)]
    )
    def test_as_people_write_it(self, text, count, seconds):
        assert RateLimit.parse(text) == RateLimit(count, seconds)

    def test_it_is_shown_in_one_form(self):
        assert str(RateLimit.parse("5 / HOUR")) == "5/hour"

    @pytest.mark.parametrize(
        "text", ["", "30", "0/min", "-1/min", "1.5/min", "30/fortnight", "30 per min", "٣/min", "9999999/s"]
    )
    def test_what_is_none_is_an_error_with_an_example(self, text):
        with pytest.raises(ConnectionsError) as caught:
            RateLimit.parse(text)
        assert "30/min" in caught.value.hint


class TestTheTimes:
    @given(
        limit=st.builds(RateLimit, st.integers(1, 300), st.sampled_from([1, 60, 3600])),
        lateness=st.lists(st.floats(0, 1), min_size=50, max_size=400),
        gaps=st.lists(st.floats(0, 3), min_size=50, max_size=400),
    )
    def test_no_window_holds_more_than_the_limit_however_late_each_message_begins(self, limit, lateness, gaps):
        now, free_at, sent = 0, 0, []
        for late, gap in zip(lateness, gaps, strict=False):
            now += int(gap * limit.spacing_us)
            at = max(now, free_at)
            free_at = at + limit.spacing_us
            sent.append(at + int(late * limit.slack_us))
        assert busiest(sent, limit.seconds) <= limit.count

    async def test_two_workers_and_a_cold_start_get_times_that_lie_apart(self, database):
        limit = RateLimit(30, 60)
        clock = itertools.count(0, 50_000)

        def take(db):
            return take_time(db, "shop", limit, next(clock))

        times = [at for at in [await database.write(take) for _ in range(3000)] if at is not None]
        assert busiest(times, 60) <= 30
        assert len(times) >= 70

    async def test_who_waits_gets_the_next_time_unless_it_is_too_far(self, database):
        limit = RateLimit(60, 60)

        def work(db):
            first = take_time(db, "shop", limit, 0)
            return first, take_time(db, "shop", limit, 0), take_time(db, "shop", limit, 0, ahead_us=MINUTE)

        assert await database.write(work) == (0, None, limit.spacing_us)

    async def test_the_next_times_of_many_take_one_question(self, database):
        limit, names = RateLimit(60, 60), [f"shop {number}" for number in range(50)]
        said = []

        def work(db):
            for name in names[:-1]:
                take_time(db, name, limit, 0)
            event.listen(db, "before_cursor_execute", lambda _db, _cursor, statement, *_: said.append(statement))
            return next_times(db, names, 0)

        assert await database.write(work) == dict.fromkeys(names[:-1], limit.spacing_us) | {names[-1]: 0}
        assert len(said) == 1

    async def test_one_connection_does_not_slow_another(self, database):
        def work(db):
            return [take_time(db, name, RateLimit(1, 86400), 0) for name in ("a", "b")]

        assert await database.write(work) == [0, 0]


@contextmanager
def holding(database, work):
    """Run `work` in a transaction that stays open for a while; a list gets the time at which it ended."""
    begun, go_on, ended = threading.Event(), threading.Event(), []

    def hold(db):
        work(db)
        begun.set()
        go_on.wait()
        ended.append(time.monotonic())

    held = asyncio.ensure_future(database.write(hold))
    try:
        yield held, begun, go_on, ended
    finally:
        go_on.set()


class TestBesideOthers:
    FIELDS: ClassVar = {"hosts": ["127.0.0.1"], "username": "u", "password": "p", "rateLimit": "1/hour"}

    async def test_a_time_is_good_from_when_it_was_taken_however_long_the_database_was_waited_for(self, tmp_path):
        async with sending(tmp_path) as admin:
            await admin.repository.create("shop", "basic", self.FIELDS)
            connection = await admin.repository.get("shop")
            await admin.dispatcher.queue(prepared(25, terms=LATER, connection=connection))
            with holding(admin.database, lambda _db: None) as (held, begun, go_on, ended):
                await asyncio.to_thread(begun.wait)
                claims = Claims(admin.database, admin.process, store_outcomes)
                batch = asyncio.ensure_future(claims.take(Capacity().free))
                await asyncio.sleep(0)
                go_on.set()
                await held
            assert (await batch).claims
            assert (await batch).taken_at >= ended[0]

    @pytest.mark.usefixtures("database_kind")
    async def test_neither_a_time_nor_a_probe_is_taken_for_email_that_there_is_no_room_for(self, tmp_path):
        async with sending(tmp_path) as admin:
            await admin.repository.create("shop", "basic", self.FIELDS)
            connection = await admin.repository.get("shop")
            await admin.dispatcher.queue(prepared(25, terms=LATER, connection=connection))
            await admin.dispatcher.queue(prepared(26, terms=LATER))
            await admin.database.write(lambda db: db.execute(routes.update().values(failures=3, retry_at=5)))
            claims = Claims(admin.database, admin.process, store_outcomes)
            assert not (await claims.take(lambda: replace(Capacity().free(), untried_size=0))).claims
            assert await admin.rows(rates) == []
            assert {row.retry_at for row in await admin.rows(routes)} == {5}
            assert len((await claims.take(Capacity().free)).claims) == 2

    @pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)
    @pytest.mark.usefixtures("database_kind")
    async def test_a_look_at_the_queue_waits_for_nobody_who_takes_a_time(self, tmp_path):
        limit = RateLimit.parse("1/hour")
        async with sending(tmp_path) as admin, sending(tmp_path) as other:
            await admin.repository.create("shop", "basic", self.FIELDS)
            connection = await admin.repository.get("shop")
            await admin.dispatcher.queue(prepared(25, terms=LATER, connection=connection))

            def take(db):
                take_time(db, "shop", limit, now_us(db))

            await admin.database.write(take)
            with holding(admin.database, take) as (held, begun, go_on, _):
                await asyncio.to_thread(begun.wait)
                batch = await other.queue_worker.start_due()
                assert not held.done()
                go_on.set()
                await held
            assert batch.is_paced


@pytest.mark.usefixtures("database_kind")
class TestOnTheWire:
    LIMIT = "20/s"

    async def sent_by(self, tmp_path, count, *, workers, waiting):
        """Send with so many workers; give the times at which the server saw each message begin."""
        async with (
            ScriptedServer(extensions=["AUTH PLAIN", "PIPELINING"]) as server,
            sending(tmp_path) as admin,
            sending(tmp_path) as other,
        ):
            fields = {"hosts": ["127.0.0.1"], "username": "u", "password": "p", "rateLimit": self.LIMIT}
            await admin.repository.create("shop", "basic", fields)
            connection = await admin.repository.get("shop")
            terms = Terms(first_wait=0.0) if waiting else LATER
            drafts = [prepared(server.port, terms=terms, connection=connection) for _ in range(count)]
            if waiting:
                await asyncio.gather(*(admin.dispatcher.deliver(draft) for draft in drafts))
            else:
                await asyncio.gather(*(admin.dispatcher.queue(draft) for draft in drafts))
                both = [admin, other][:workers]
                await asyncio.gather(*(EmbeddedEngine().work(one.queue_worker, drain=True) for one in both))
            assert {row.state for row in await admin.rows(deliveries)} == {"sent"}
        return [int(at * MICROSECONDS) for at in server.times["dot"]]

    async def test_the_queue_keeps_to_it_with_two_workers(self, tmp_path):
        at = await self.sent_by(tmp_path, 30, workers=2, waiting=False)
        assert len(at) == 30
        assert busiest(at, 1) <= 20

    async def test_so_do_flows_that_wait(self, tmp_path):
        at = await self.sent_by(tmp_path, 30, workers=1, waiting=True)
        assert len(at) == 30
        assert busiest(at, 1) <= 20

    async def test_a_flow_that_could_not_wait_so_long_is_told_at_once(self, tmp_path):
        async with ScriptedServer(extensions=["AUTH PLAIN"]) as server, sending(tmp_path) as admin:
            fields = {"hosts": ["127.0.0.1"], "username": "u", "password": "p", "rateLimit": "1/hour"}
            await admin.repository.create("shop", "basic", fields)
            connection = await admin.repository.get("shop")
            first = await admin.dispatcher.deliver(prepared(server.port, connection=connection))
            second = await admin.dispatcher.deliver(prepared(server.port, connection=connection, terms=Terms(tries=1)))
        assert first.result["status"] == "sent"
        error = second.result["error"]
        assert error
        assert (error["code"], error["transient"]) == ("rateLimited", True)
        assert "1/hour" in error["message"]
