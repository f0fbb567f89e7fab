import asyncio
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import ExitStack, closing

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from mailnode.errors import StoreError
from mailnode.store import sqlite, writer
from mailnode.store.database import Database
from mailnode.store.tables import SCHEMA_NUMBER, secret_check

OPEN = """
import sys
from pathlib import Path
from mailnode.store.database import Database
database = Database.open(Path(sys.argv[1]))
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "home" / "mailnode.db"


@pytest.fixture
def database(path):
    database = Database.open(path)
    yield database
    database.close()


def put(key, value="v"):
    return lambda db: db.execute(insert(secret_check).values(key_id=key, value=value))


def keys(db):
    return sorted(db.execute(select(secret_check.c.key_id)).scalars())


def run(code, *arguments):
    done = subprocess.run([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, timeout=60, check=True)
    return done.stdout.decode()


class Hold:
    """A work that keeps the writer busy until it is let go, so that others gather behind it."""

    def __init__(self):
        self.reached, self.gate = threading.Event(), threading.Event()

    def __call__(self, db):
        self.reached.set()
        self.gate.wait()


async def gather_behind(database, *works):
    """Let all works wait at once, so that they share a transaction, and give results or exceptions."""
    hold = Hold()
    held = asyncio.create_task(database.write(hold))
    await asyncio.to_thread(hold.reached.wait)
    tasks = [asyncio.create_task(database.write(work)) for work in works]
    await asyncio.sleep(0)
    hold.gate.set()
    await held
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_is_written_is_read(database):
    await database.write(put("a"))
    assert await database.read(keys) == ["a"]


async def test_a_write_gives_what_its_work_returns(database):
    assert await database.write(keys) == []


async def test_what_is_written_is_there_after_opening_again(database, path):
    await database.write(put("a"))
    database.close()
    with closing(Database.open(path)) as again:
        assert await again.read(keys) == ["a"]


def test_the_file_is_for_its_owner_alone(database, path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_what_sqlite_keeps_beside_the_file_is_for_its_owner_alone(database, path):
    await database.write(put("a"))
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}


def test_a_file_that_others_could_read_is_closed_to_them(database, path):
    database.close()
    path.chmod(0o644)
    Database.open(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_commits_are_in_wal_and_flushed_and_keys_are_checked(database):
    def pragmas(db):
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [db.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    assert await database.write(pragmas) == ["wal", 2, 1, 10_000]


async def test_a_work_that_fails_does_not_spoil_its_neighbours(database):
    def fail(db):
        put("lost")(db)
        raise KeyError("no")

    before, failed, after = await gather_behind(database, put("a"), fail, put("b"))
    assert isinstance(failed, KeyError)
    assert not isinstance(before, Exception)
    assert not isinstance(after, Exception)
    assert await database.read(keys) == ["a", "b"]


async def test_works_that_wait_share_one_transaction(database, path):
    def look(db):
        with closing(sqlite3.connect(path)) as other:
            return keys(db), other.execute("SELECT key_id FROM secret_check").fetchall()

    _, seen = await gather_behind(database, put("a"), look)
    assert seen == (["a"], [])


async def test_works_that_are_alike_are_called_once_with_all_their_items(database):
    calls = []

    def double(db, items):
        calls.append(items)
        return [ValueError(f"not {item}") if item == 3 else item * 2 for item in items]

    hold = Hold()
    held = asyncio.create_task(database.write(hold))
    await asyncio.to_thread(hold.reached.wait)
    under_way = [asyncio.create_task(database.write_alike(double, item)) for item in range(5)]
    await asyncio.sleep(0)
    hold.gate.set()
    await held
    *answers, refused, last = await asyncio.gather(*under_way, return_exceptions=True)
    assert (answers, str(refused), last) == ([0, 2, 4], "not 3", 8)
    assert calls == [[0, 1, 2, 3, 4]]


async def test_more_works_than_one_group_holds_are_all_done(database, monkeypatch):
    monkeypatch.setattr(writer, "MAX_GROUP", 3)
    await gather_behind(database, *(put(f"{n:02}") for n in range(20)))
    assert len(await database.read(keys)) == 20


async def test_nothing_is_answered_before_it_is_committed(database):
    async def write_then_look(n):
        await database.write(put(str(n)))
        assert str(n) in await database.read(keys)

    await asyncio.gather(*(write_then_look(n) for n in range(50)))


async def test_a_work_may_catch_an_integrity_error_itself(database):
    def twice(db):
        put("a")(db)
        try:
            put("a")(db)
        except IntegrityError:
            return "caught"
        return "missed"

    assert await database.write(twice) == "caught"
    assert await database.read(keys) == ["a"]


async def test_an_error_of_sqlalchemy_arrives_as_ours_without_the_values(database):
    await database.write(put("a", "hunter2"))
    with pytest.raises(StoreError, match="UNIQUE constraint failed") as caught:
        await database.write(put("a", "hunter2"))
    assert not caught.value.transient
    assert "hunter2" not in repr(caught.value) + str(caught.value.__cause__)


async def test_a_failing_read_is_a_store_error(database):
    with pytest.raises(StoreError, match="no such table"):
        await database.read(lambda db: db.execute(text("SELECT * FROM dreams")))


async def test_a_read_can_not_write(database):
    with pytest.raises(StoreError, match="readonly"):
        await database.read(put("a"))


async def test_a_cancelled_write_that_waits_is_not_done_and_the_writer_goes_on(database):
    hold = Hold()
    held = asyncio.create_task(database.write(hold))
    await asyncio.to_thread(hold.reached.wait)
    waiting = asyncio.create_task(database.write(put("cancelled")))
    await asyncio.sleep(0)
    waiting.cancel()
    hold.gate.set()
    await asyncio.wait([held, waiting])
    await database.write(put("after"))
    assert await database.read(keys) == ["after"]


async def test_a_write_that_is_cancelled_while_it_runs_is_committed_whole(database):
    hold = Hold()

    def work(db):
        put("first")(db)
        hold(db)
        put("second")(db)

    task = asyncio.create_task(database.write(work))
    await asyncio.to_thread(hold.reached.wait)
    task.cancel()
    hold.gate.set()
    await asyncio.wait([task])
    assert task.cancelled()
    await database.write(put("third"))
    assert await database.read(keys) == ["first", "second", "third"]


async def test_a_locked_file_fails_all_that_wait_and_is_worth_another_try(path, monkeypatch):
    monkeypatch.setattr(sqlite, "BUSY_MILLISECONDS", 1)
    with closing(Database.open(path)) as database, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for answer in await asyncio.gather(database.write(put("a")), database.write(keys), return_exceptions=True):
            assert isinstance(answer, StoreError)
            assert answer.transient
            assert "locked" in answer.message
        other.execute("ROLLBACK")
        await database.write(put("b"))
        assert await database.read(keys) == ["b"]


async def test_a_full_disk_fails_all_that_share_the_transaction(database):
    def shrink(db):
        pages = db.exec_driver_sql("PRAGMA page_count").scalar()
        db.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    await database.write(shrink)
    answers = await gather_behind(database, put("a"), put("b", "x" * 100_000), put("c"))
    assert [type(answer) for answer in answers] == [StoreError] * 3
    assert {(answer.transient, "full" in answer.message) for answer in answers} == {(True, True)}
    await database.write(put("d"))
    assert await database.read(keys) == ["d"]


async def test_a_closed_database_says_so(database):
    database.close()
    for use in (database.write, database.read):
        with pytest.raises(StoreError, match="closed"):
            await use(keys)


async def test_closing_commits_what_waits(database, path):
    hold = Hold()
    tasks = [asyncio.create_task(database.write(hold)), asyncio.create_task(database.write(put("a")))]
    await asyncio.to_thread(hold.reached.wait)
    hold.gate.set()
    database.close()
    await asyncio.gather(*tasks)
    with closing(Database.open(path)) as again:
        assert await again.read(keys) == ["a"]


def test_a_process_that_forgets_to_close_ends_all_the_same(path):
    assert run(f"{OPEN}import asyncio\nasyncio.run(database.write(lambda db: print('written')))", path) == "written\n"


def test_an_up_to_date_file_is_opened_without_alembic(database, path):
    assert run(f"{OPEN}print({{'alembic', 'mako'}} & set(sys.modules))\ndatabase.close()", path) == "set()\n"


def test_processes_that_open_a_fresh_file_at_once_all_succeed(path):
    code = f"import sys\nsys.stdin.read(){OPEN}database.close()"
    with ExitStack() as stack:
        crowd = [
            stack.enter_context(subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE))
            for _ in range(6)
        ]
        # The end of its input sets each one off.
        for process in crowd:
            assert process.stdin
            process.stdin.close()
        assert [process.wait(60) for process in crowd] == [0] * 6
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (SCHEMA_NUMBER,)


def test_a_newer_schema_is_refused_naming_both_numbers(database, path):
    database.close()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute(f"PRAGMA user_version = {SCHEMA_NUMBER + 41}")
    with pytest.raises(StoreError, match=rf"schema {SCHEMA_NUMBER + 41}.* knows {SCHEMA_NUMBER}") as caught:
        Database.open(path)
    assert "newer mailnode" in caught.value.hint


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(path):
    path.parent.mkdir()
    path.write_text("Dear diary, " * 200)
    with pytest.raises(StoreError, match="not a database"):
        Database.open(path)
    assert path.read_text().startswith("Dear diary")


def test_a_folder_that_can_not_be_made_is_a_store_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"can't be opened: .*file' is no folder") as caught:
        Database.open(tmp_path / "file" / "mailnode.db")
    assert "MAILNODE_HOME" in caught.value.hint


def test_a_folder_in_the_place_of_the_file_is_refused_and_left_as_it_is(path):
    path.mkdir(parents=True, mode=0o755)
    mode = path.stat().st_mode
    with pytest.raises(StoreError, match="can't be opened: it is a folder"):
        Database.open(path)
    assert path.stat().st_mode == mode


@pytest.mark.parametrize("name", ["a b?c=d#e%20f", "50%s", "ü"])
async def test_any_folder_name_will_do(tmp_path, name):
    with closing(Database.open(tmp_path / name / "mailnode.db")) as database:
        await database.write(put("a"))
    assert (tmp_path / name / "mailnode.db").is_file()
    assert [folder.name for folder in tmp_path.iterdir()] == [name]
