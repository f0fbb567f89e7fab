import asyncio
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import text

from mailnode.store import process_lease
from mailnode.store.clock import now_ms, unix_ms
from mailnode.store.database import Database

WORK = """
import sys
from pathlib import Path
from mailnode.store import process_lease
process_lease.LEASE_SECONDS = float(sys.argv[2])
process_lease.RENEW_SECONDS = process_lease.MARGIN_SECONDS = 0.5
from mailnode.store.database import Database
worker = Database.open(sys.argv[1]).register(Path())
claimed = worker.id
print(claimed, flush=True)
for line in sys.stdin:
    told = Path(line.rstrip())
    while not told.exists():  # as busy as can be
        for _ in range(100_000):
            pass
    print(worker.still_holds(claimed), worker.id == claimed, worker.still_holds(worker.id), flush=True)
"""


@pytest.fixture
def database(postgres_url):
    with closing(Database.open(postgres_url)) as database:
        yield database


@pytest.fixture
def worker(database, tmp_path):
    with database.register(tmp_path) as worker:
        yield worker


@contextmanager
def another(postgres_url, lease_seconds):
    """Another process at work, whose leases are short: it is busy until a file is there, and tells what it holds."""
    command = [sys.executable, "-c", WORK, postgres_url, str(lease_seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        yield process
        process.kill()


@pytest.fixture
def process(postgres_url):
    with another(postgres_url, 2) as process:
        yield process


def be_busy(process, until):
    process.stdin.write(f"{until}\n")


def held_now(process):
    be_busy(process, "/")
    return process.stdout.readline().split()


async def end_of(database, worker_id):
    asked = text("SELECT lease_until FROM workers WHERE id = :id")
    return await database.read(lambda db: db.execute(asked, {"id": worker_id}).scalar())


async def move_end(database, worker_id, by_ms):
    moved = text("UPDATE workers SET lease_until = lease_until + :by_ms WHERE id = :id")
    await database.write(lambda db: db.execute(moved, {"by_ms": by_ms, "id": worker_id}))


async def until_dead(database, worker, worker_id):
    while await database.read(lambda db: worker.is_alive(db, worker_id)):
        time.sleep(0.05)  # noqa: ASYNC251 -- nothing else runs here


async def test_a_worker_lives_as_long_as_it_has_not_left(database, worker, tmp_path):
    with database.register(tmp_path) as other:
        ids = [worker.id, other.id, "nobody"]
        assert await database.read(lambda db: worker.dead_among(db, ids)) == {"nobody"}
        assert other.still_holds(other.id)
        assert not other.still_holds(worker.id)
        left = other.id
    assert not other.still_holds(left)
    assert await database.read(lambda db: worker.dead_among(db, ids)) == {"nobody", left}
    assert await database.read(lambda db: worker.dead_among(db, [])) == set()


async def test_a_busy_process_renews_its_lease(database, worker, postgres_url, tmp_path):
    with another(postgres_url, 60) as process:
        theirs = process.stdout.readline().strip()
        be_busy(process, tmp_path / "told")
        for _ in range(2):  # the first may have been under way
            end = await end_of(database, theirs)
            while await end_of(database, theirs) == end:
                time.sleep(0.05)  # noqa: ASYNC251 -- nothing else runs here
        (tmp_path / "told").touch()
        assert process.stdout.readline().split() == ["True", "True", "True"]
        assert await database.read(lambda db: worker.is_alive(db, theirs))


async def test_a_process_that_was_killed_is_dead_when_its_lease_ends(database, worker, process):
    theirs = process.stdout.readline().strip()
    process.kill()
    process.wait()
    await move_end(database, theirs, 60_000)
    assert await database.read(lambda db: worker.is_alive(db, theirs))
    await move_end(database, theirs, -120_000)
    assert not await database.read(lambda db: worker.is_alive(db, theirs))


async def test_a_process_that_was_stopped_beyond_its_lease_goes_on_under_another_id(database, worker, process):
    theirs = process.stdout.readline().strip()
    process.send_signal(signal.SIGSTOP)
    await until_dead(database, worker, theirs)
    process.send_signal(signal.SIGCONT)
    while (held := held_now(process)) != ["False", "False", "True"]:
        assert held[0] == "False"
    assert not await database.read(lambda db: worker.is_alive(db, theirs))


async def test_a_lease_that_was_renewed_too_late_is_over(database, tmp_path, monkeypatch):
    monkeypatch.setattr(process_lease, "MARGIN_SECONDS", process_lease.LEASE_SECONDS)
    with database.register(tmp_path) as worker:
        lease = worker._lease
        assert not worker.still_holds(lease.id)
        assert worker._renewed(lease).id != lease.id


async def test_old_leases_are_swept(database, tmp_path):
    await database.write(lambda db: db.execute(text("INSERT INTO workers VALUES ('long gone', 1)")))
    with database.register(tmp_path):
        names = await database.read(lambda db: db.execute(text("SELECT id FROM workers")).scalars().all())
    assert "long gone" not in names


async def test_the_time_is_the_databases(database):
    assert abs(await database.read(now_ms) - unix_ms()) < 60_000


async def test_a_defect_ends_no_renewing(database, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(process_lease, "RENEW_SECONDS", 0.01)
    renewed, again = process_lease.ProcessLease._renewed, threading.Event()
    calls = []

    def fails_once(worker, lease):
        calls.append(lease)
        if len(calls) == 1:
            raise RuntimeError("nobody foresaw this")
        again.set()
        return renewed(worker, lease)

    monkeypatch.setattr(process_lease.ProcessLease, "_renewed", fails_once)
    with database.register(tmp_path) as worker:
        assert await asyncio.to_thread(again.wait, 30)
        assert worker.still_holds(worker.id)
    assert "nobody foresaw this" in caplog.text
