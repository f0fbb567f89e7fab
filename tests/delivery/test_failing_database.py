"""What goes wrong around a delivery: the database, the disk, the clock."""

import asyncio
import json
import sqlite3
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from mailnode.delivery import attempt_loop
from mailnode.delivery.delivery import Terms
from mailnode.engine.embedded import EmbeddedEngine
from mailnode.errors import StoreError
from mailnode.store import retry, sqlite_engine, unstored
from mailnode.store.tables import deliveries, routes
from support.deliveries import prepared, sending
from support.messages import letter
from support.postgres import own_server
from support.scripted_smtp import ScriptedServer

pytestmark = pytest.mark.usefixtures("database_kind")

LATER = Terms().for_queue(24)
HOUR_MS = 3_600_000
HANDING_OVER = "UPDATE deliveries SET state='handingOver', "


async def drain(admin):
    await EmbeddedEngine().work(admin.queue_worker, drain=True)


class TestTheClock:
    async def test_set_back_an_hour_keeps_no_mail_waiting_for_longer(self, home):
        async with ScriptedServer() as server, sending(home) as admin:
            await admin.dispatcher.queue(prepared(server.port, terms=LATER))
            ahead = int(time.time() * 1000) + HOUR_MS + 5_000
            await admin.database.write(lambda db: db.execute(deliveries.update().values(due_at=ahead)))
            values = {"failures": 3, "retry_at": ahead, "trouble": None}
            await admin.database.write(lambda db: db.execute(routes.update().values(values)))
            await drain(admin)
            (row,) = await admin.rows(deliveries)
        assert row.state == "sent"
        assert len(server.accepted) == 1


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
class TestTheFile:
    async def test_a_full_disk_lets_nothing_be_queued_and_says_so(self, home):
        async with ScriptedServer() as server, sending(home) as admin:
            await admin.dispatcher.queue(prepared(server.port, terms=LATER))
            await admin.database.write(lambda db: db.exec_driver_sql("PRAGMA max_page_count = 1"))
            big = letter(content=b"x" * 10_000_000)
            with pytest.raises(StoreError, match="full") as caught:
                await admin.outbox.begin(prepared(server.port, big, terms=LATER))
            assert caught.value.transient
            assert "room" in caught.value.hint
            await admin.database.write(lambda db: db.exec_driver_sql("PRAGMA max_page_count = 1000000"))
            await drain(admin)
            assert {row.state for row in await admin.rows(deliveries)} == {"sent"}

    async def test_a_disk_that_fills_up_after_the_dot_makes_no_second_copy(self, home, monkeypatch):
        monkeypatch.setattr(retry, "WAITS_SECONDS", (0.05,) * 5)
        fulls = []
        async with ScriptedServer({"dot": ""}) as server, sending(home) as admin:
            await admin.dispatcher.queue(prepared(server.port, terms=LATER))
            work = asyncio.create_task(EmbeddedEngine().work(admin.queue_worker))
            await server.reached("dot")
            backend: Any = admin.database._backend
            engine = backend._write_engine
            full = asyncio.Event()
            loop = asyncio.get_running_loop()

            def refuse(*_):
                fulls.append(1)
                loop.call_soon_threadsafe(full.set)
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorcode = sqlite3.SQLITE_FULL
                raise error

            event.listen(engine, "before_cursor_execute", refuse)
            server.say("250 2.0.0 taken")
            await full.wait()
            event.remove(engine, "before_cursor_execute", refuse)
            await admin.queue_worker.stop()
            await work
            (row,) = await admin.rows(deliveries)
        assert fulls
        assert row.state == "sent"
        assert len(server.times["dot"]) == 1

    async def test_a_file_that_another_program_holds_delays_the_mail_and_no_more(self, home, monkeypatch):
        monkeypatch.setattr(sqlite_engine, "BUSY_MILLISECONDS", 1)
        async with ScriptedServer() as server, sending(home) as admin:
            await admin.dispatcher.queue(prepared(server.port, terms=LATER))
            with closing(sqlite3.connect(Path(home) / "mailnode.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                with pytest.raises(StoreError) as caught:
                    await admin.outbox.begin(prepared(server.port, terms=LATER))
                assert caught.value.transient
                work = asyncio.create_task(EmbeddedEngine().work(admin.queue_worker))
                await asyncio.sleep(0)
                other.execute("COMMIT")
            await server.reached("dot")
            await admin.queue_worker.stop()
            await work
        assert len(server.accepted) == 1


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
class TestADatabaseThatIsAwayJustBeforeTheContent:
    """More often than there are tries, as each of them would count if it were the server's doing."""

    TIMES = 5

    @contextmanager
    def refusing(self, admin, statement):
        backend: Any = admin.database._backend
        left = [self.TIMES]

        def refuse(_, cursor, said, *__):
            if said.startswith(statement) and left[0]:
                left[0] -= 1
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
                raise error

        event.listen(backend._write_engine, "before_cursor_execute", refuse)
        yield
        event.remove(backend._write_engine, "before_cursor_execute", refuse)
        assert left == [0]

    async def test_is_asked_again_in_the_same_session(self, home, monkeypatch):
        monkeypatch.setattr(retry, "WAITS_SECONDS", (0.02,))
        async with ScriptedServer() as server, sending(home) as admin:
            await admin.dispatcher.queue(prepared(server.port, terms=LATER))
            with self.refusing(admin, HANDING_OVER):
                report = (await admin.deliver(server.port)).result
                await drain(admin)
            assert (report["status"], report["attempts"]) == ("sent", 1)
            assert {row.tries for row in await admin.rows(deliveries)} == {1}
        assert len(server.accepted) == 2

    async def test_uses_up_no_try_when_it_is_away_for_long(self, home, monkeypatch):
        monkeypatch.setattr(attempt_loop, "LONGEST_PAUSE", 0.0)
        async with ScriptedServer() as server, sending(home) as admin:
            with self.refusing(admin, HANDING_OVER):
                report = (await admin.deliver(server.port)).result
        assert (report["status"], report["attempts"]) == ("sent", self.TIMES + 1)
        assert len(server.accepted) == 1


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
class TestAnOutcomeThatIsRefusedForLong:
    @pytest.fixture(autouse=True)
    def no_patience(self, monkeypatch):
        monkeypatch.setattr(sqlite_engine, "BUSY_MILLISECONDS", 1)
        monkeypatch.setattr(retry, "WAITS_SECONDS", (0.02,))
        monkeypatch.setattr(retry, "RETRY_SECONDS", 0.1)

    @contextmanager
    def locked(self, home):
        with closing(sqlite3.connect(Path(home) / "mailnode.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            yield
            other.execute("ROLLBACK")

    async def test_is_told_to_the_flow_and_stored_when_the_database_can(self, home):
        async with ScriptedServer({"dot": ""}) as server, sending(home) as admin:
            waiting = asyncio.create_task(admin.deliver(server.port))
            await server.reached("dot")
            with self.locked(home):
                server.say("250 2.0.0 taken")
                report = (await waiting).result
                assert admin.database.unstored.count == 1
            assert report["status"] == "sent"
            assert report["warnings"] == ["outcomeNotStored: the database can't be used: database is locked"]
            await asyncio.gather(*(carry.task for carry in admin.dispatcher._loops.values()))
            (row,) = await admin.rows(deliveries)
            assert (row.state, json.loads(row.result)["warnings"]) == ("sent", [])
            assert (admin.database.unstored.count, admin.database.unstored.lost) == (0, 0)

    async def test_waits_before_the_database_has_refused_it(self, home, monkeypatch):
        monkeypatch.setattr(sqlite_engine, "BUSY_MILLISECONDS", 30_000)
        monkeypatch.setattr(unstored, "_SLOW_SECONDS", 0.01)
        script = {"greeting": ["421 4.3.2 later", "220 well"], "dot": ""}
        async with ScriptedServer(script) as server, sending(home) as admin:  # a route that fails, and has news then
            waiting = asyncio.create_task(admin.deliver(server.port))
            await server.reached("dot")
            with self.locked(home):
                server.say("250 2.0.0 taken")
                while not admin.database.unstored.count:  # noqa: ASYNC110 -- a count has no event
                    await asyncio.sleep(0.01)
                assert admin.database.unstored.reason == "the database does not answer"
            assert (await waiting).result["status"] == "sent"
            assert admin.database.unstored.count == 0

    async def test_is_kept_by_a_worker_though_somebody_waits_no_more(self, home):
        async with ScriptedServer({"dot": ""}) as server, sending(home) as admin:
            await admin.dispatcher.queue(prepared(server.port, terms=LATER))
            work = asyncio.create_task(EmbeddedEngine().work(admin.queue_worker))
            await server.reached("dot")
            with self.locked(home):
                server.say("250 2.0.0 taken")
                (carry,) = admin.dispatcher._loops.values()
                assert (await carry.not_stored)["status"] == "sent"
            await carry.task
            await admin.queue_worker.stop()
            await work
            (row,) = await admin.rows(deliveries)
        assert row.state == "sent"
        assert len(server.times["dot"]) == 1

    async def test_is_stored_by_a_stop_when_the_database_can_again(self, home, monkeypatch):
        monkeypatch.setattr(retry, "WAITS_SECONDS", (60.0,))
        monkeypatch.setattr(unstored, "_LONGEST_WAIT_SECONDS", 60.0)
        async with ScriptedServer({"dot": ""}) as server, sending(home) as admin:
            await admin.dispatcher.queue(prepared(server.port, terms=LATER))
            work = asyncio.create_task(EmbeddedEngine().work(admin.queue_worker))
            await server.reached("dot")
            with self.locked(home):
                server.say("250 2.0.0 taken")
                while not admin.database.unstored.count:  # noqa: ASYNC110 -- a count has no event
                    await asyncio.sleep(0.01)
            await admin.queue_worker.stop()
            await work
            (row,) = await admin.rows(deliveries)
            assert (row.state, admin.database.unstored.lost) == ("sent", 0)

    async def test_ends_a_drain_and_is_counted_as_lost_when_all_is_closed(self, home):
        async with ScriptedServer({"dot": ""}) as server, sending(home) as admin:
            await admin.dispatcher.queue(prepared(server.port, terms=LATER))
            draining = asyncio.create_task(drain(admin))
            await server.reached("dot")
            with self.locked(home):
                server.say("250 2.0.0 taken")
                with pytest.raises(StoreError, match="locked"):
                    await draining
                await admin.queue_worker.stop()
            assert admin.database.unstored.lost == 1

    async def test_begins_no_second_attempt_that_nobody_could_tell_from_the_first(self, home):
        async with ScriptedServer({"dot": ["451 4.3.0 later", "250 taken"]}) as server, sending(home) as admin:
            await admin.database.write(lambda db: None)
            backend: Any = admin.database._backend
            refused = []

            def refuse(_, cursor, statement, *__):
                if statement.startswith("UPDATE deliveries SET state=?, ") and not statement.startswith(HANDING_OVER):
                    refused.append(1)
                    error = sqlite3.OperationalError("disk I/O error")
                    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_WRITE
                    raise error

            event.listen(backend._write_engine, "before_cursor_execute", refuse)
            report = (await admin.deliver(server.port)).result
            event.remove(backend._write_engine, "before_cursor_execute", refuse)
            assert refused
            assert (report["status"], report["attempts"]) == ("failed", 1)
            assert report["warnings"][0].startswith("outcomeNotStored")
        assert server.accepted == []


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
async def test_a_postgresql_that_is_gone_after_the_dot_hears_of_it_when_it_is_back(home, monkeypatch):
    with own_server() as postgres:
        monkeypatch.setenv("MAILNODE_DATABASE_URL", postgres.url)
        monkeypatch.setenv("MAILNODE_SECRET_KEY", "A" * 43 + "=")
        async with ScriptedServer({"dot": ""}) as server, sending(home) as admin:
            await admin.dispatcher.queue(prepared(server.port, terms=LATER))
            work = asyncio.create_task(EmbeddedEngine().work(admin.queue_worker))
            await server.reached("dot")
            await asyncio.to_thread(postgres.stop, "immediate")
            server.say("250 2.0.0 taken")
            with pytest.raises(StoreError) as caught:
                await admin.outbox.begin(prepared(server.port, terms=LATER))
            await asyncio.to_thread(postgres.start)
            await admin.queue_worker.stop()
            await work
            (row,) = await admin.rows(deliveries)
        assert caught.value.transient
        assert row.state == "sent"
        assert len(server.times["dot"]) == 1
