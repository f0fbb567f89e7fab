import asyncio
import sqlite3
import stat
import subprocess
import sys
from contextlib import ExitStack, closing

import pytest
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError

from mailnode.errors import StoreError
from mailnode.store import sqlite_engine
from mailnode.store.database import Database
from mailnode.store.tables import SCHEMA_NUMBER
from support.database import OPEN, gather_behind, keys, put


@pytest.fixture
def path(tmp_path):
    return tmp_path / "home" / "mailnode.db"


@pytest.fixture
def database(path):
    database = Database.open(path)
    yield database
    database.close()


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


async def test_works_that_wait_share_one_transaction(database, path):
    def look(db):
        with closing(sqlite3.connect(path)) as other:
            return keys(db), other.execute("SELECT key_id FROM secret_check").fetchall()

    _, seen = await gather_behind(database, put("a"), look)
    assert seen == (["a"], [])


async def test_a_locked_file_fails_all_that_wait_and_is_worth_another_try(path, monkeypatch):
    monkeypatch.setattr(sqlite_engine, "BUSY_MILLISECONDS", 1)
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


def test_any_error_as_a_transaction_begins_is_one_of_sqlalchemys(tmp_path):
    def refused(action, *_):
        return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_TRANSACTION else sqlite3.SQLITE_OK

    engine = sqlite_engine.writing_engine(tmp_path / "mailnode.db")
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.set_authorizer(refused)
        with pytest.raises(DatabaseError, match="not authorized"):
            connection.begin()
    engine.dispose()


async def test_a_library_that_is_too_old_is_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 1))
    with pytest.raises(StoreError, match="too old"):
        Database.open(tmp_path / "mailnode.db")


async def test_a_disk_that_takes_no_more_is_worth_another_try_and_the_next_one_works(database, no_room):
    with no_room():
        with pytest.raises(StoreError, match="disk I/O error") as caught:
            await database.write(put("a", "x" * 100_000))
        assert caught.value.transient
        assert "room" in caught.value.hint
    await database.write(put("b"))
    assert await database.read(keys) == ["b"]


async def test_what_breaks_in_the_middle_leaves_no_lock_behind(database, path):
    """A statement that is not at its end keeps a connection, and its transaction, as long as the error is known."""

    def work(db):
        put("lost")(db)
        begun = db.exec_driver_sql("SELECT 1 UNION SELECT 2")
        begun.fetchone()
        db.exec_driver_sql("SELECT 3")

    def refuse(*given):
        if "SELECT 3" in given:
            error = sqlite3.OperationalError("unable to open database file")
            error.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
            raise error

    event.listen(database._backend._write_engine, "before_cursor_execute", refuse)
    with pytest.raises(StoreError, match="unable to open") as caught:
        await database.write(work)
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
    await database.write(put("a"))
    assert await database.read(keys) == ["a"]
    assert caught.value.transient


async def test_a_folder_that_is_gone_for_a_while_is_worth_another_try(database, path):
    with closing(Database.open(path)) as other:  # which has nothing open of it yet
        away = path.parent.rename(path.parent.with_name("away"))
        with pytest.raises(StoreError, match="unable to open") as caught:
            await other.write(put("a"))
        away.rename(path.parent)
        assert caught.value.transient
        await other.write(put("b"))
        assert await other.read(keys) == ["b"]


@pytest.mark.parametrize("ask", ["read", "write"])
async def test_too_little_memory_is_told_as_a_trouble_that_passes(database, ask):
    def starve(_):
        raise MemoryError  # as the driver says SQLITE_NOMEM

    with pytest.raises(StoreError, match="out of memory") as caught:
        await getattr(database, ask)(starve)
    assert caught.value.transient


class TestAnEmptyFile:
    @pytest.mark.parametrize("trace", ["a mark", "a log of changes", "workers"])
    def test_where_a_database_was_is_an_error_that_says_what_to_do(self, path, trace):
        Database.open(path).close()
        path.write_bytes(b"")
        if trace != "a mark":  # as of a version that left none
            path.with_name("mailnode.db.lock").write_bytes(b"")
        log = path.with_name("mailnode.db-wal")
        if trace == "a log of changes":
            log.write_bytes(b"commits")
        if trace == "workers":
            path.with_name("workers").mkdir()
        for _ in range(2):
            with pytest.raises(StoreError, match="is empty, but was not before") as caught:
                Database.open(path)
            assert "backup" in caught.value.hint
        assert path.stat().st_size == 0
        assert trace != "a log of changes" or log.read_bytes() == b"commits"

    async def test_of_a_first_start_that_died_becomes_a_database(self, path):
        path.parent.mkdir()
        path.touch()
        path.with_name("mailnode.db.lock").touch()
        with closing(Database.open(path)) as database:
            await database.write(put("a"))

    async def test_that_is_deleted_lets_one_begin_anew(self, path):
        Database.open(path).close()
        path.unlink()
        with closing(Database.open(path)) as database:
            assert await database.read(keys) == []

    def test_is_found_though_the_version_before_made_the_database(self, path):
        Database.open(path).close()
        lock = path.with_name("mailnode.db.lock")
        lock.write_bytes(b"")
        Database.open(path).close()
        assert lock.read_bytes()


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
    with pytest.raises(StoreError, match=r"can't be opened: .*file' is not a folder") as caught:
        Database.open(tmp_path / "file" / "mailnode.db")
    assert "MAILNODE_HOME" in caught.value.hint


def test_a_file_that_another_program_holds_is_told_with_what_to_do(path, database, monkeypatch):
    database.close()
    monkeypatch.setattr(sqlite_engine, "BUSY_MILLISECONDS", 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="can't be opened: database is locked") as caught:
            Database.open(path)
    assert "no other program locks it" in caught.value.hint


def test_a_folder_in_the_place_of_the_file_is_refused_and_left_as_it_is(path):
    path.mkdir(parents=True, mode=0o755)
    mode = path.stat().st_mode
    with pytest.raises(StoreError, match="can't be opened: it is a folder"):
        Database.open(path)
    assert path.stat().st_mode == mode


def test_a_file_with_a_second_name_is_refused_until_it_has_one(path):
    Database.open(path).close()
    other = path.with_name("other.db")
    other.hardlink_to(path)
    for name in (path, other):
        with pytest.raises(StoreError, match="second name") as caught:
            Database.open(name)
        assert "delete one" in caught.value.hint
    other.unlink()
    Database.open(path).close()


def test_a_link_to_a_file_that_is_not_there_yet_makes_it_there(path, tmp_path):
    link = tmp_path / "link.db"
    link.symlink_to(path)
    Database.open(link).close()
    assert path.is_file()
    assert {one.name for one in tmp_path.iterdir()} == {"home", "link.db"}


@pytest.mark.parametrize("name", ["a b?c=d#e%20f", "50%s", "ü"])
async def test_any_folder_name_will_do(tmp_path, name):
    with closing(Database.open(tmp_path / name / "mailnode.db")) as database:
        await database.write(put("a"))
    assert (tmp_path / name / "mailnode.db").is_file()
    assert [folder.name for folder in tmp_path.iterdir()] == [name]
