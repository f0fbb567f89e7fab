import asyncio
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import insert, make_url, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from mailnode.errors import CommitUnknown, StoreError
from mailnode.store import postgres as postgres_module
from mailnode.store import watched
from mailnode.store.asking import ask_all
from mailnode.store.database import Database
from mailnode.store.prepared import Change
from mailnode.store.retry import retry_transient
from mailnode.store.tables import SCHEMA_NUMBER, secret_check
from support.database import OPEN, gather_behind, keys, put
from support.postgres import own_server
from support.silent_proxy import silent_proxy


@pytest.fixture
def database(postgres_url):
    with closing(Database.open(postgres_url)) as database:
        yield database


@pytest.fixture
def crashing():
    """A server that a test may kill, and a database on it."""
    with own_server() as server, closing(Database.open(server.url)) as database:
        yield server, database


def test_processes_that_open_an_empty_database_at_once_all_succeed(postgres):
    url = postgres.fresh(template=None)
    code = f"import sys\nsys.stdin.read(){OPEN}database.close()"
    with ExitStack() as stack:
        crowd = [
            stack.enter_context(subprocess.Popen([sys.executable, "-c", code, url], stdin=subprocess.PIPE))
            for _ in range(4)
        ]
        # The end of its input sets each one off.
        for process in crowd:
            assert process.stdin
            process.stdin.close()
        assert [process.wait(60) for process in crowd] == [0] * 4
    postgres.drop(url)


async def test_a_newer_schema_is_refused_naming_both_numbers(database, postgres_url):
    await database.write(lambda db: db.execute(text("UPDATE alembic_version SET version_num = '0044'")))
    with pytest.raises(StoreError, match=rf"schema 44.* knows {SCHEMA_NUMBER}"):
        Database.open(postgres_url)


def test_what_others_need_is_made_with_the_schema_and_only_once(postgres):
    url, calls = postgres.fresh(template=None), []
    for _ in range(2):
        Database.open(url, lambda db: calls.append(db.execute(text("SELECT 1")).scalar())).close()
    assert calls == [1]
    postgres.drop(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:hunter2@127.0.0.1:1/none",
        "postgresql://ann:hunter2@127.0.0.1:1/none?password=hunter2",
        "postgresql://ann:x@hunter2@127.0.0.1:1/none",
        "postgresql://ann:hunter2@127.0.0.1:port/none",
        "oracle://ann:hunter2@127.0.0.1/none",
    ],
)
def test_no_password_is_in_what_is_said_of_a_url(url):
    with pytest.raises(StoreError) as caught:
        Database.open(url)
    said = ""
    error: BaseException | None = caught.value
    while error is not None:
        said += f"{error!r} {error} {getattr(error, 'hint', '')}"
        error = error.__cause__
    assert "hunter2" not in said
    assert caught.value.hint


@pytest.mark.parametrize(
    ("change", "passes"),
    [
        ({"database": "nowhere"}, False),
        ({"username": "nobody"}, False),
        ({"query": {"host": "/nowhere"}}, True),
        ({"host": "127.0.0.1", "port": 1, "query": {}}, True),
        ({"host": "host.invalid", "query": {}}, False),
    ],
)
def test_what_may_pass_by_itself_is_told_from_what_is_set_wrongly(postgres_url, change, passes):
    with pytest.raises(StoreError) as caught:
        Database.open(make_url(postgres_url).set(**change).render_as_string(hide_password=False))
    assert caught.value.transient is passes, caught.value.message


async def test_an_error_that_a_work_hides_is_not_committed_in_silence(database):
    def hide(db):
        put("lost")(db)
        try:
            db.execute(text("SELECT 1 / 0"))
        except SQLAlchemyError:
            return "all is well"

    with pytest.raises(StoreError, match="suppressed"):
        await database.write(hide)
    await database.write(put("a"))
    assert await database.read(keys) == ["a"]


async def test_a_group_that_loses_against_another_is_run_again_whole(database, postgres_url):
    await database.write(put("a"))
    await database.write(put("b"))
    met = threading.Barrier(2)

    def crosswise(first, second):
        calls = []

        def work(db):
            calls.append(first)
            for name in (first, second):
                db.execute(update(secret_check).where(secret_check.c.key_id == name).values(value=first))
                if name == first and len(calls) == 1:
                    met.wait(60)

        return work, calls

    (one, ones), (two, twos) = crosswise("a", "b"), crosswise("b", "a")
    with closing(Database.open(postgres_url)) as other:
        await asyncio.gather(database.write(one), other.write(two))
    assert len(ones) + len(twos) >= 3  # who loses once may lose again
    values = await database.read(lambda db: set(db.execute(select(secret_check.c.value)).scalars()))
    assert len(values) == 1


async def test_a_server_that_was_started_anew_is_used_again(crashing):
    server, database = crashing
    await database.write(put("a"))
    await database.read(keys)
    server.stop("immediate")
    with pytest.raises(StoreError) as caught:
        await database.write(put("lost"))
    assert caught.value.transient
    server.start()
    await database.write(put("b"))
    assert await database.read(keys) == ["a", "b"]


async def test_a_server_that_goes_silent_is_found_to_be_lost_and_used_again(postgres_url, monkeypatch):
    url = make_url(postgres_url)
    socket = Path(str(url.query["host"])) / ".s.PGSQL.5432"
    monkeypatch.setattr(watched, "SILENT_SECONDS", 0.2)
    async with asyncio.timeout(60), silent_proxy(socket) as proxy:
        through = url.set(host="127.0.0.1", port=proxy.port, query={"sslmode": "disable", "connect_timeout": "2"})
        database = await asyncio.to_thread(Database.open, through.render_as_string(hide_password=False))
        try:
            await database.write(put("a"))
            await database.read(keys)
            proxy.hands_on.clear()  # what is written is taken by the proxy's machine
            for _ in range(2):
                asked = (database.write(put("lost")), database.read(keys))
                answers = await asyncio.gather(*asked, return_exceptions=True)
                assert [isinstance(one, StoreError) and one.transient for one in answers] == [True, True]
            proxy.hands_on.set()
            await database.write(put("b"))
            assert await database.read(keys) == ["a", "b"]
            await database.write(lambda db: db.exec_driver_sql("SELECT pg_sleep(1)"))  # slow is not silent
        finally:
            proxy.hands_on.set()
            await asyncio.to_thread(database.close)


async def test_a_server_that_goes_in_mid_transaction_undoes_it_all(crashing):
    server, database = crashing

    def cut(db):
        put("lost")(db)
        server.stop("immediate")
        put("lost too")(db)

    answers = await gather_behind(database, put("before"), cut)
    assert [(type(answer), answer.transient) for answer in answers] == [(StoreError, True)] * 2
    server.start()
    assert await database.read(keys) == []


def put_together(db):
    """Write as a delivery's outcome is written, so that the transaction's number is asked for in the same trip."""
    ask_all(db, [_INSERT.each([{"key_id": "a", "value": "1"}])])


_INSERT = Change(insert(secret_check))


def cut_at_commit(monkeypatch, how, *, is_committed, write=put("a")):  # noqa: B008 -- nothing is kept in it
    """Give a work whose commit is cut off, before the server does it or after."""

    def work(db):
        write(db)
        pid = db.exec_driver_sql("SELECT pg_backend_pid()").scalar()
        driver = db.connection.driver_connection

        def lost(_self, _connection):
            if is_committed:
                driver.commit()
            os.kill(pid, how)
            for _ in range(100):
                driver.execute("SELECT pg_sleep(0.1)")

        monkeypatch.setattr(type(db.dialect), "do_commit", lost)
        return "done"

    return work


@pytest.mark.parametrize("write", [put("a"), put_together])
async def test_a_commit_whose_answer_is_lost_is_found_to_be_done(crashing, monkeypatch, write):
    _, database = crashing
    assert await database.write(cut_at_commit(monkeypatch, signal.SIGTERM, is_committed=True, write=write)) == "done"
    monkeypatch.undo()
    assert await database.read(keys) == ["a"]


@pytest.mark.parametrize("write", [put("a"), put_together])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_a_commit_that_never_came_is_found_not_to_be_done(crashing, monkeypatch, how, write):
    _, database = crashing
    with pytest.raises(StoreError) as caught:
        await database.write(cut_at_commit(monkeypatch, how, is_committed=False, write=write))
    assert caught.value.transient
    assert not isinstance(caught.value, CommitUnknown)
    monkeypatch.undo()
    assert await database.read(keys) == []


async def test_after_a_crash_the_number_of_a_transaction_proves_nothing(crashing, monkeypatch):
    _, database = crashing
    with pytest.raises(CommitUnknown):
        await database.write(cut_at_commit(monkeypatch, signal.SIGKILL, is_committed=True))


async def test_a_commit_that_nobody_can_tell_of_says_so(crashing, monkeypatch):
    server, database = crashing
    monkeypatch.setattr(postgres_module, "ASK_SECONDS", 0.5)

    def cut(db):
        put("a")(db)
        driver = db.connection.driver_connection

        def lost(self, connection):
            server.stop("immediate")
            driver.execute("SELECT 1")

        monkeypatch.setattr(type(db.dialect), "do_commit", lost)

    with pytest.raises(CommitUnknown, match="unknown") as caught:
        await database.write(cut)
    assert caught.value.transient


async def test_a_process_that_stops_in_mid_transaction_holds_nobody_up_for_ever(database, postgres_url):
    await database.write(put("a"))
    code = f"""{OPEN}
import asyncio, os, signal
from sqlalchemy import text
def stop(db):
    db.execute(text("UPDATE secret_check SET value = 'theirs'"))
    print("holds", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
asyncio.run(database.write(stop))
"""
    process = await asyncio.to_thread(
        subprocess.Popen, [sys.executable, "-c", code, postgres_url], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == b"holds\n"
        change = update(secret_check).values(value="ours")
        await retry_transient(lambda: database.write(lambda db: db.execute(change)))
        value = select(secret_check.c.value)
        assert await database.read(lambda db: db.execute(value).scalar()) == "ours"
    finally:
        process.kill()
        process.communicate()
