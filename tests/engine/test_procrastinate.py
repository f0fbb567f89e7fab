"""What is the engine's own: jobs that wake. What they wake for is tested in tests/delivery and tests/cli."""

import asyncio
import gc
import logging
import math
import threading
import time
from dataclasses import replace

import procrastinate
import pytest
from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException
from sqlalchemy import text

from mailnode.connections.rate_limit import RateLimit
from mailnode.delivery.claims import Claims
from mailnode.delivery.delivery import Terms
from mailnode.delivery.rates import take_time
from mailnode.engine.procrastinate import ProcrastinateEngine
from mailnode.store.clock import now_ms, now_us
from mailnode.store.database import Database
from mailnode.store.retry import retry_transient
from mailnode.store.tables import deliveries, routes
from support.deliveries import prepared, sending
from support.postgres import own_server
from support.scripted_smtp import ScriptedServer

LATER = Terms().for_queue(24)
pytestmark = pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)


@pytest.fixture(autouse=True)
def on_postgres(database_kind):
    """Run on PostgreSQL alone."""


async def jobs(admin):
    query = text("SELECT queueing_lock, status::text FROM procrastinate_jobs ORDER BY id")
    return [tuple(row) for row in await admin.database.read(lambda db: db.execute(query).all())]


async def working(admin, engine):
    return asyncio.create_task(engine.work(admin.queue_worker))


@pytest.fixture
def heard():
    """Hear what a program would that shows all warnings."""
    records = []

    class Hearing(logging.Handler):
        def emit(self, record):
            records.append(record)

    handler = Hearing(logging.WARNING)
    logging.getLogger().addHandler(handler)
    yield records
    logging.getLogger().removeHandler(handler)


def engine_of(admin):
    """Have what is queued wake as it does in a process of its own."""
    engine = ProcrastinateEngine(admin.database.url)
    admin.outbox._wake_worker = admin.outbox._intake._wake_worker = engine.wake
    return engine


async def test_what_is_queued_has_one_job_a_route_and_none_if_it_is_rolled_back(home):
    async with ScriptedServer() as server, ScriptedServer() as other, sending(home) as admin:
        engine_of(admin)
        for port in (server.port, server.port, other.port):
            await admin.dispatcher.queue(prepared(port, terms=LATER))
        keys = sorted(f"@127.0.0.1:{port}" for port in (server.port, other.port))
        assert sorted(await jobs(admin)) == [(key, "todo") for key in keys]

        def lost(db):
            engine_of(admin).wake(db, "@lost:25")
            raise KeyError

        with pytest.raises(KeyError):
            await admin.database.write(lost)
        assert len(await jobs(admin)) == 2


async def test_a_worker_is_woken_and_a_job_that_finds_nothing_is_normal(home):
    async with ScriptedServer() as server, sending(home) as admin:
        engine = engine_of(admin)
        work = await working(admin, engine)
        await admin.database.write(lambda db: engine.wake(db, "@nowhere:25"))
        await admin.dispatcher.queue(prepared(server.port, terms=LATER))
        await server.reached("dot")
        await admin.queue_worker.stop()
        await work
        assert len(server.accepted) == 1
        assert "doing" not in {status for _, status in await jobs(admin)}


async def test_what_is_due_and_has_no_job_is_found_by_the_sweeper(home):
    async with ScriptedServer() as server, sending(home) as admin:
        engine = engine_of(admin)
        await admin.dispatcher.queue(prepared(server.port, terms=LATER))
        await admin.database.write(lambda db: db.execute(text("DELETE FROM procrastinate_jobs")))
        work = await working(admin, engine)
        await server.reached("dot")
        await admin.queue_worker.stop()
        await work
    assert len(server.accepted) == 1


async def limited(admin, name, limit, port, count):
    """Queue so many mails of a connection with this rate limit."""
    fields = {"hosts": ["127.0.0.1"], "username": "u", "password": "p", "rateLimit": limit}
    await admin.repository.create(name, "basic", fields)
    connection = await admin.repository.get(name)
    for _ in range(count):
        await admin.dispatcher.queue(prepared(port, terms=LATER, connection=connection))


@pytest.mark.parametrize("limit", ["20/min", "1/hour"])
async def test_a_route_that_waits_for_its_rate_limit_keeps_no_other_from_being_drained(home, monkeypatch, limit):
    monkeypatch.setattr("mailnode.engine.procrastinate._ROUTES", 2)
    extensions = ["AUTH PLAIN", "PIPELINING"]
    async with ScriptedServer(extensions=extensions) as slow, ScriptedServer() as other, sending(home) as admin:
        engine = engine_of(admin)
        for name in ("first", "second"):
            await limited(admin, name, limit, slow.port, 20)
        await admin.dispatcher.queue(prepared(other.port, terms=LATER))
        work = await working(admin, engine)
        await other.reached("dot")
        assert len(slow.accepted) < 40
        await admin.queue_worker.stop()
        await work


async def test_the_sweeper_wakes_for_a_rate_limit_when_its_time_has_come(home):
    async with sending(home) as admin:
        engine = engine_of(admin)
        await limited(admin, "shop", "1/hour", 25, 1)

        def taken(db):
            assert take_time(db, "shop", RateLimit.parse("1/hour"), now_us(db)) is not None
            db.execute(text("DELETE FROM procrastinate_jobs"))

        await admin.database.write(taken)
        await engine.look(admin.queue_worker)
        assert await jobs(admin) == []
        await admin.database.write(lambda db: db.execute(text("UPDATE connections SET settings = '{}'")))
        await engine.look(admin.queue_worker)
        assert await jobs(admin) == [("shop@127.0.0.1:25", "todo")]


async def test_of_many_routes_no_more_are_woken_for_than_can_soon_be_served_and_each_in_its_turn(home, monkeypatch):
    monkeypatch.setattr("mailnode.engine.procrastinate._MOST_WAITING", 4)
    async with sending(home) as admin:
        engine = engine_of(admin)
        for port in range(20_001, 20_011):
            await admin.dispatcher.queue(prepared(port, terms=LATER))
        woken = set()
        for _ in range(3):
            await admin.database.write(lambda db: db.execute(text("DELETE FROM procrastinate_jobs")))
            await engine.look(admin.queue_worker)
            waiting = await jobs(admin)
            assert len(waiting) == 4
            engine._turn = engine._turn._replace(forced_at=time.monotonic())
            await engine.look(admin.queue_worker)
            assert await jobs(admin) == waiting
            woken.update(waiting)
        assert len(woken) == 10


async def test_where_many_jobs_wait_the_others_get_some_room_now_and_then(home, monkeypatch):
    monkeypatch.setattr("mailnode.engine.procrastinate._MOST_WAITING", 4)
    monkeypatch.setattr("mailnode.engine.procrastinate._LEAST_ROOM", 3)
    async with sending(home) as admin:
        engine = engine_of(admin)
        for port in range(20_001, 20_011):
            await admin.dispatcher.queue(prepared(port, terms=LATER))
        forget = text("DELETE FROM procrastinate_jobs WHERE queueing_lock >= '@127.0.0.1:20005'")
        await admin.database.write(lambda db: db.execute(forget))
        for _ in range(4):
            engine._turn = engine._turn._replace(forced_at=-math.inf)
            await engine.look(admin.queue_worker)
        assert len(await jobs(admin)) == 10


async def forget_jobs(admin, *ports):
    """Delete the jobs of these routes, or all."""
    forget = text("DELETE FROM procrastinate_jobs WHERE :all OR queueing_lock = ANY(:keys)")
    these = {"all": not ports, "keys": [f"@127.0.0.1:{port}" for port in ports]}
    await admin.database.write(lambda db: db.execute(forget, these))


async def test_routes_that_have_a_job_take_no_room_from_those_that_have_none(home, monkeypatch):
    monkeypatch.setattr("mailnode.engine.procrastinate._MOST_WAITING", 4)
    monkeypatch.setattr("mailnode.engine.procrastinate._LEAST_ROOM", 2)
    async with sending(home) as admin:
        engine = engine_of(admin)
        for port in range(20_001, 20_011):
            await admin.dispatcher.queue(prepared(port, terms=LATER))
        await forget_jobs(admin, 20_003, 20_008)
        await engine.look(admin.queue_worker)
        assert len(await jobs(admin)) == 10


async def test_the_next_look_goes_on_after_the_last_route_that_got_a_job(home, monkeypatch):
    monkeypatch.setattr("mailnode.engine.procrastinate._MOST_WAITING", 4)
    monkeypatch.setattr("mailnode.engine.procrastinate._LEAST_ROOM", 1)
    without = [20_002, 20_005, 20_006, 20_009]
    async with sending(home) as admin:
        engine = engine_of(admin)
        for port in range(20_001, 20_011):
            await admin.dispatcher.queue(prepared(port, terms=LATER))
        woken = []
        for _ in range(8):
            await forget_jobs(admin, *without)
            engine._turn = engine._turn._replace(forced_at=-math.inf)
            await engine.look(admin.queue_worker)
            woken += [int(key[-5:]) for key, _ in await jobs(admin) if int(key[-5:]) in without]
        begin = without.index(woken[0])
        assert woken == 2 * [*without[begin:], *without[:begin]]


LOSE_ONCE = (
    "CREATE SEQUENCE inserts",
    """CREATE FUNCTION lose_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('inserts') = 1 THEN RAISE SQLSTATE '40001'; END IF; RETURN new; END $$""",
    "CREATE TRIGGER lose_once BEFORE INSERT ON procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION lose_once()",
)


def inserts(db):
    return db.execute(text("SELECT last_value FROM inserts")).scalar_one()


@pytest.mark.parametrize("waiting", [0, 1])
async def test_a_look_whose_transaction_runs_again_leaves_nothing_out(home, monkeypatch, waiting):
    monkeypatch.setattr("mailnode.engine.procrastinate._MOST_WAITING", 4)
    monkeypatch.setattr("mailnode.engine.procrastinate._LEAST_ROOM", 4)
    jobs_of_others = (
        "INSERT INTO procrastinate_jobs (queue_name, task_name) SELECT 'mailnode', 'drain'"
        f" FROM generate_series(1, {waiting} * 4)"
    )
    async with sending(home) as admin:
        engine = engine_of(admin)
        for port in range(20_001, 20_013):
            await admin.dispatcher.queue(prepared(port, terms=LATER))
        woken: set[str] = set()
        for number in range(3):
            await forget_jobs(admin)
            await run(admin, jobs_of_others, *(LOSE_ONCE if number == 1 else ()))
            engine._turn = engine._turn._replace(forced_at=-math.inf)
            await engine.look(admin.queue_worker)
            woken.update(key for key, _ in await jobs(admin) if key)
        assert await admin.database.read(inserts) > 4
    assert len(woken) == 12


@pytest.mark.parametrize(
    ("of_delivery", "of_route", "is_woken"),
    [
        ({"due_at": 50}, {}, False),
        ({"due_at": 70}, {}, True),
        ({}, {"failures": 3, "retry_at": 4}, False),
        ({}, {"failures": 3, "retry_at": 6}, True),
        ({}, {"failures": 0, "retry_at": 4}, True),
    ],
)
async def test_a_route_is_woken_for_unless_it_waits_no_longer_than_anything_may(home, of_delivery, of_route, is_woken):
    async with sending(home) as admin:
        engine = engine_of(admin)
        await admin.dispatcher.queue(prepared(20_001, terms=LATER))

        def write_times(db):
            for table, values in ((deliveries, of_delivery), (routes, of_route)):
                times = {
                    name: now_ms(db) + 60_000 * value if name.endswith("_at") else value
                    for name, value in values.items()
                }
                if times:
                    db.execute(table.update().values(times))

        await admin.database.write(write_times)
        await forget_jobs(admin)
        await engine.look(admin.queue_worker)
        assert len(await jobs(admin)) == is_woken


async def test_jobs_of_another_program_take_no_room(home, monkeypatch):
    monkeypatch.setattr("mailnode.engine.procrastinate._MOST_WAITING", 4)
    theirs = text(
        "INSERT INTO procrastinate_jobs (queue_name, task_name) SELECT 'theirs', 'work' FROM generate_series(1, 9)"
    )
    async with sending(home) as admin:
        engine = engine_of(admin)
        await admin.dispatcher.queue(prepared(20_001, terms=LATER))
        await admin.database.write(lambda db: (db.execute(text("DELETE FROM procrastinate_jobs")), db.execute(theirs)))
        await engine.look(admin.queue_worker)
        assert ("@127.0.0.1:20001", "todo") in await jobs(admin)


@pytest.mark.parametrize(("limit", "left"), [("30/min", 2), ("120/min", 0)])
async def test_a_route_makes_room_for_others_only_if_its_next_email_has_time(home, monkeypatch, limit, left):
    monkeypatch.setattr(Claims, "is_crowded", True)
    async with ScriptedServer(extensions=["AUTH PLAIN", "PIPELINING"]) as server, sending(home) as admin:
        engine = engine_of(admin)
        await limited(admin, "shop", limit, server.port, 3)
        async with asyncio.timeout(30):
            await admin.queue_worker.drain(f"shop@127.0.0.1:{server.port}")
        assert sum(row.state == "queued" for row in await admin.rows(deliveries)) == left
        # The later jobs send the rest.
        work = await working(admin, engine)
        async with asyncio.timeout(30):
            while waiting := [row.id for row in await admin.rows(deliveries) if row.state != "sent"]:
                await admin.dispatcher.wait_for_end(waiting)
        await admin.queue_worker.stop()
        await work


async def test_who_waits_to_claim_is_seen(home):
    async with sending(home) as admin:
        claims = admin.queue_worker._claims
        seen = [claims.is_crowded]
        asked = [asyncio.create_task(admin.queue_worker.drain(f"@127.0.0.1:{port}")) for port in range(20_001, 20_031)]
        await asyncio.sleep(0)
        seen.append(claims.is_crowded)
        await asyncio.gather(*asked)
        assert [*seen, claims.is_crowded] == [False, True, False]


async def test_of_many_routes_few_are_asked_at_once_so_that_hand_overs_do_not_wait_behind_them(home, monkeypatch):
    monkeypatch.setattr("mailnode.delivery.claims.ASKED_AT_ONCE", 3)
    asking, most = 0, 0
    async with sending(home) as admin:
        write = admin.database.write

        async def counted(work):
            nonlocal asking, most
            asking += 1
            most = max(most, asking)
            try:
                return await write(work)
            finally:
                asking -= 1

        monkeypatch.setattr(admin.database, "write", counted)
        await asyncio.gather(*(admin.queue_worker.drain(f"@127.0.0.1:{port}") for port in range(20_001, 20_031)))
    assert most == 3


async def test_a_job_that_waits_is_kept_from_workers_until_the_commit_and_not_written_anew(home):
    rows = text("SELECT ctid::text FROM procrastinate_jobs")
    free = text("SELECT ctid::text FROM procrastinate_jobs FOR UPDATE SKIP LOCKED")
    async with sending(home) as admin, sending(home) as other:
        engine = engine_of(admin)
        await admin.database.write(lambda db: engine.wake(db, "@shop:25"))
        before = await other.database.read(lambda db: db.execute(rows).all())
        begun, go_on = threading.Event(), threading.Event()

        def wake(db):
            engine.wake(db, "@shop:25")
            begun.set()
            go_on.wait()

        waking = asyncio.ensure_future(admin.database.write(wake))
        await asyncio.to_thread(begun.wait)
        assert await other.database.write(lambda db: db.execute(free).all()) == []
        go_on.set()
        await waking
        assert await other.database.write(lambda db: db.execute(free).all()) == before


async def test_the_job_of_a_worker_that_fell_silent_is_given_up(home, monkeypatch):
    monkeypatch.setattr("mailnode.engine.procrastinate.STALLED_SECONDS", 1)
    async with ScriptedServer() as server, sending(home) as admin:
        engine = engine_of(admin)
        await admin.dispatcher.queue(prepared(server.port, terms=LATER))
        silent = "INSERT INTO procrastinate_workers (last_heartbeat) VALUES (now() - interval '1 hour') RETURNING id"
        taken = "UPDATE procrastinate_jobs SET status = 'doing', worker_id = :worker"

        def fall_silent(db):
            db.execute(text(taken), {"worker": db.execute(text(silent)).scalar()})

        await admin.database.write(fall_silent)
        work = await working(admin, engine)
        await server.reached("dot")
        while [status for _, status in await jobs(admin)].count("doing"):  # noqa: ASYNC110 -- rows have no event
            await asyncio.sleep(0.1)
        await admin.queue_worker.stop()
        await work
    assert len(server.accepted) == 1


async def test_two_workers_send_nothing_twice(home):
    names = 60
    async with ScriptedServer() as server, sending(home) as one, sending(home) as two:
        engines = [engine_of(one), engine_of(two)]
        works = [await working(admin, engine) for admin, engine in zip((one, two), engines, strict=True)]
        for number in range(names):
            admin = (one, two)[number % 2]
            await admin.dispatcher.queue(prepared(server.port, terms=replace(LATER, flow=str(number))))
        while len(server.accepted) < names:  # noqa: ASYNC110 -- the server tells of the first only
            await asyncio.sleep(0.05)
        for admin in (one, two):
            await admin.queue_worker.stop()
        await asyncio.gather(*works)
    assert len(server.accepted) == names


async def test_a_worker_goes_on_when_the_database_has_been_gone(home, monkeypatch, heard):
    with own_server() as postgres:
        monkeypatch.setenv("MAILNODE_DATABASE_URL", postgres.url)
        async with ScriptedServer() as server, ScriptedServer() as later, sending(home) as admin:
            engine = engine_of(admin)
            work = await working(admin, engine)
            await admin.dispatcher.queue(prepared(server.port, terms=LATER))
            await server.reached("dot")
            await asyncio.to_thread(postgres.stop, "immediate")
            await asyncio.to_thread(postgres.start)
            await retry_transient(lambda: admin.dispatcher.queue(prepared(later.port, terms=LATER)))
            await later.reached("dot")
            await admin.queue_worker.stop()
            await work
    assert len(server.accepted) == len(later.accepted) == 1
    assert heard
    assert {record.name.partition(".")[0] for record in heard} == {"mailnode"}
    assert not any(record.exc_info for record in heard)


REFUSE = (
    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no job ends now'; END $$",
    "CREATE TRIGGER refuse BEFORE DELETE ON procrastinate_jobs EXECUTE FUNCTION refuse()",
)


async def run(admin, *statements):
    await admin.database.write(lambda db: [db.exec_driver_sql(statement) for statement in statements])


async def until_heard(records):
    while not records:  # noqa: ASYNC110 -- a log has no event
        await asyncio.sleep(0.02)


async def test_a_job_whose_end_cannot_be_written_down_is_told_in_one_line_and_ended_later(home, heard):
    async with ScriptedServer() as server, ScriptedServer() as later, sending(home) as admin:
        engine = engine_of(admin)
        await run(admin, *REFUSE)
        await admin.dispatcher.queue(prepared(server.port, terms=LATER))
        work = await working(admin, engine)
        await server.reached("dot")
        await until_heard(heard)
        await run(admin, "DROP TRIGGER refuse ON procrastinate_jobs")
        while await jobs(admin):  # noqa: ASYNC110 -- nor have rows
            await asyncio.sleep(0.05)
        await admin.dispatcher.queue(prepared(later.port, terms=LATER))
        await later.reached("dot")
        await admin.queue_worker.stop()
        await work
        gc.collect()  # an exception that nobody asked a task for is told when that is thrown away
    assert len(server.accepted) == len(later.accepted) == 1
    assert {record.name.partition(".")[0] for record in heard} == {"mailnode"}
    assert not any(record.exc_info for record in heard)


async def test_a_server_that_keeps_one_lane_waiting_keeps_no_other_from_a_new_beginning(home, heard):
    rename = "ALTER FUNCTION {}(varchar[], bigint) RENAME TO {}"
    names = ("procrastinate_fetch_job_v2", "away")
    async with ScriptedServer({"dot": ""}) as slow, ScriptedServer() as later, sending(home) as admin:
        engine = engine_of(admin)
        await admin.dispatcher.queue(prepared(slow.port, terms=LATER))
        work = await working(admin, engine)
        await slow.reached("dot")
        await run(admin, rename.format(*names))
        await until_heard(heard)
        await run(admin, rename.format(*reversed(names)))
        await admin.dispatcher.queue(prepared(later.port, terms=LATER))
        await later.reached("dot")
        slow.say("250 2.0.0 taken")
        await admin.queue_worker.stop()
        await work
    assert len(later.accepted) == 1


async def test_heartbeats_and_hearing_go_on_when_a_connection_breaks(home, monkeypatch, heard):
    monkeypatch.setattr("mailnode.engine.procrastinate.STALLED_SECONDS", 2)
    monkeypatch.setattr("mailnode.engine.jobs.LISTEN_AGAIN_SECONDS", 0.0)
    listen, failures = PsycopgConnector.listen_notify, [ConnectorException("gone")]
    listening = asyncio.Event()

    async def fail_once(connector, **given):
        if failures:
            raise failures.pop()
        listening.set()
        await listen(connector, **given)

    monkeypatch.setattr(PsycopgConnector, "listen_notify", fail_once)
    rename = "ALTER FUNCTION {}(bigint) RENAME TO {}"
    names = ("procrastinate_update_heartbeat_v1", "away")
    beats = "SELECT count(*) FROM procrastinate_workers WHERE last_heartbeat > :since"
    async with sending(home) as admin:
        await run(admin, rename.format(*names))
        work = await working(admin, engine_of(admin))
        await listening.wait()
        while len(heard) < 2:  # noqa: ASYNC110 -- a log has no event
            await asyncio.sleep(0.02)
        since = await admin.database.read(lambda db: db.execute(text("SELECT now()")).scalar_one())
        await run(admin, rename.format(*reversed(names)))

        def beaten(db):
            return db.execute(text(beats), {"since": since}).scalar_one()

        while not await admin.database.read(beaten):  # noqa: ASYNC110 -- nor have rows
            await asyncio.sleep(0.05)
        await admin.queue_worker.stop()
        await work
    assert not any(record.exc_info for record in heard)


async def test_a_worker_goes_on_when_procrastinate_gives_up(home, monkeypatch):
    run_worker, endings = procrastinate.App.run_worker_async, [ConnectorException("gone"), None]

    async def end_twice(app, **options):
        if not endings:
            await run_worker(app, **options)
        elif error := endings.pop():
            raise error

    monkeypatch.setattr(procrastinate.App, "run_worker_async", end_twice)
    async with ScriptedServer() as server, sending(home) as admin:
        work = await working(admin, engine_of(admin))
        await admin.dispatcher.queue(prepared(server.port, terms=LATER))
        await server.reached("dot")
        await admin.queue_worker.stop()
        await work
    assert not endings
    assert len(server.accepted) == 1


async def test_its_schema_is_there_in_a_fresh_database(postgres):
    from mailnode.environment import _add_engine

    url = postgres.fresh(template=None)
    database = Database.open(url, _add_engine)
    try:
        found = await database.read(lambda db: db.execute(text("SELECT to_regclass('procrastinate_jobs')")).scalar())
    finally:
        database.close()
        postgres.drop(url)
    assert found
