"""The times of a rate limit where the clock of the database is set back, or seems to be."""

import asyncio
import threading

import pytest

from mailnode.connections.rate_limit import MICROSECONDS, RateLimit
from mailnode.delivery.capacity import Capacity
from mailnode.delivery.claims import Claims
from mailnode.delivery.delivery import Terms
from mailnode.delivery.rates import next_times, take_time
from mailnode.flow.run_store import store_outcomes
from mailnode.store.clock import now_us
from mailnode.store.tables import rates
from support.deliveries import prepared, sending

pytestmark = pytest.mark.usefixtures("database_kind")

HOUR = 3600 * MICROSECONDS
LIMIT = RateLimit(1, 3600)
# What the tests themselves take of the time, at the most.
WHILE = 600 * MICROSECONDS


def take(db):
    return take_time(db, "shop", LIMIT, now_us(db))


def left(db):
    now = now_us(db)
    return next_times(db, ["shop"], now)["shop"] - now


async def pass_by(admin, microseconds):
    """Write other times, as if the clock had gone on so far, or back."""
    values = {column: rates.c[column] - microseconds for column in ("free_at", "taken_at")}
    await admin.database.write(lambda db: db.execute(rates.update().values(values)))


async def queue_of_shop(admin, count):
    fields = {"hosts": ["127.0.0.1"], "username": "u", "password": "p", "rateLimit": str(LIMIT)}
    await admin.repository.create("shop", "basic", fields)
    connection = await admin.repository.get("shop")
    for _ in range(count):
        await admin.dispatcher.queue(prepared(25, terms=Terms().for_queue(24), connection=connection))


@pytest.mark.parametrize("hours", [1, 10_000])
async def test_set_back_it_keeps_queued_mail_waiting_no_longer_than_the_limit_does(home, hours):
    async with sending(home) as admin:
        await queue_of_shop(admin, 3)
        await admin.database.write(take)
        await pass_by(admin, -hours * HOUR)
        claims = Claims(admin.database, admin.process, store_outcomes)

        async def claimed():
            return len((await claims.take(Capacity().free)).claims)

        for _ in range(3):
            assert await claimed() == 0
            await pass_by(admin, LIMIT.spacing_us - WHILE)
            assert await claimed() == 0
            await pass_by(admin, WHILE)
            assert await claimed() == 1


async def test_set_back_it_keeps_a_flow_waiting_no_longer_though_nothing_is_queued(home):
    async with sending(home) as admin:
        assert await admin.database.write(take)
        await pass_by(admin, -10 * HOUR)
        assert await admin.database.write(take) is None
        await pass_by(admin, LIMIT.spacing_us)
        assert await admin.database.write(take)


async def test_set_back_it_gives_what_was_promised_and_the_one_after_that_its_distance(home):
    async with sending(home) as admin:

        def ahead(db):
            return take_time(db, "shop", LIMIT, now_us(db), ahead_us=3 * HOUR)

        for _ in range(3):
            assert await admin.database.write(ahead)
        await pass_by(admin, -10 * HOUR)
        waits = await admin.database.write(left)
        assert 3 * LIMIT.spacing_us - WHILE < waits < 3 * LIMIT.spacing_us + WHILE


async def test_a_look_that_began_before_another_worker_took_a_time_brings_nothing_forward(home):
    async with sending(home) as admin:
        first = await admin.database.write(take)

        def look(db):
            before = now_us(db) - WHILE
            return next_times(db, ["shop"], before)["shop"], take_time(db, "shop", LIMIT, before)

        assert await admin.database.write(look) == (first + LIMIT.spacing_us, None)
        (row,) = await admin.rows(rates)
        assert (row.free_at, row.taken_at) == (first + LIMIT.spacing_us, first)


async def test_who_waited_for_another_worker_gets_a_time_as_far_from_that_ones_as_from_any(home):
    async with sending(home) as admin:
        first = await admin.database.write(take)

        def waited(db):
            return take_time(db, "shop", LIMIT, now_us(db) - WHILE, ahead_us=2 * HOUR)

        assert await admin.database.write(waited) == first + LIMIT.spacing_us
        (row,) = await admin.rows(rates)
        assert (row.free_at, row.taken_at) == (first + 2 * LIMIT.spacing_us, first)


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)
async def test_what_a_transaction_knows_late_of_the_clock_is_not_taken_for_one_that_was_set_back(home):
    async with sending(home) as admin:
        first = await admin.database.write(take)

        def look_late(db):
            ahead = "mailnode.clock.ahead"
            known = db.info[ahead]
            db.info[ahead] -= WHILE
            try:
                return next_times(db, ["shop"], now_us(db))["shop"]
            finally:
                db.info[ahead] = known

        assert await admin.database.write(look_late) == first + LIMIT.spacing_us


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)
async def test_a_look_after_it_was_set_back_waits_for_nobody_who_takes_a_time(home):
    async with sending(home) as admin, sending(home) as other:
        await admin.database.write(take)
        await pass_by(admin, -10 * HOUR)
        begun, go_on = threading.Event(), threading.Event()

        def hold(db):
            db.execute(rates.select().with_for_update())
            begun.set()
            go_on.wait(timeout=60)

        held = asyncio.ensure_future(admin.database.write(hold))
        try:
            await asyncio.to_thread(begun.wait, 60)
            assert await other.database.write(left) > 0
            assert not held.done()
        finally:
            go_on.set()
            await held
        assert 0 < await other.database.write(left) < LIMIT.spacing_us + WHILE
