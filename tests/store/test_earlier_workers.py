"""An upgrade: what a process of the version before holds is not taken from it because its lock can't be seen."""

import fcntl
import sqlite3
import subprocess
import sys
import uuid
from contextlib import closing, contextmanager

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, insert, select

from mailnode import store
from mailnode.environment import Environment
from mailnode.errors import StoreError, UsageError
from mailnode.store import sqlite
from mailnode.store.database import Database
from mailnode.store.tables import SCHEMA_NUMBER, connections, deliveries, delivery_recipients, runs, tokens

EARLIER = uuid.uuid4().hex
NOW = 1_700_000_000_000
DELIVERY = {
    "digest": "x", "connection": "", "host": "h", "port": 25, "message_id": "<a@b>", "size": 1, "generation": 1,
    "options": "{}", "route_key": "h:25", "warnings": "[]", "tries": 0, "maybe_accepted": False, "expires_at": 2**41,
    "created_at": NOW, "updated_at": NOW,
}  # fmt: skip
RUN = {"flow": "f", "digest": "x", "created_at": NOW, "updated_at": NOW}
CONNECTION = {
    "id": "c1", "name": "c", "type": "oauth2", "revision": 1, "settings": "{}", "secrets": "{}", "created_at": NOW,
    "updated_at": NOW,
}  # fmt: skip
RENEWAL = {"connection_id": "c1", "generation": 1, "secrets": "{}", "failures": 0, "updated_at": NOW}
HELD = {
    "1 email": [(deliveries, {**DELIVERY, "id": "d1", "state": "claimed", "worker": EARLIER})],
    "2 emails": [(deliveries, {**DELIVERY, "id": one, "state": "handingOver", "worker": EARLIER}) for one in "ab"],
    "1 run": [(runs, {**RUN, "id": "r1", "status": "running", "worker": EARLIER})],
    "1 token renewal": [
        (connections, CONNECTION),
        (tokens, {**RENEWAL, "refreshing_by": EARLIER, "refreshing_until": 2**42}),
    ],
}
FREE = [
    (deliveries, {**DELIVERY, "id": "d2", "state": "queued"}),
    (deliveries, {**DELIVERY, "id": "d3", "state": "claimed", "worker": f"lock-{EARLIER}"}),
    (deliveries, {**DELIVERY, "id": "d4", "state": "sent"}),
    (runs, {**RUN, "id": "r2", "status": "done", "worker": EARLIER}),
    (runs, {**RUN, "id": "r3", "status": "running", "worker": f"lock-{EARLIER}"}),
    (connections, {**CONNECTION, "id": "c2", "name": "d"}),
    (tokens, {**RENEWAL, "connection_id": "c2", "refreshing_by": EARLIER, "refreshing_until": NOW}),
]


@pytest.fixture
def path(tmp_path):
    """Make a database as the version before left it."""
    path = tmp_path / "data" / "mail.db"
    path.parent.mkdir()
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", f"{store.__path__[0]}/migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        connection.exec_driver_sql("PRAGMA user_version = 3")
    engine.dispose()
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA journal_mode = WAL")
    return path


@pytest.fixture
def earlier(tmp_path):
    folder = tmp_path / "home" / "workers"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def database(path):
    with closing(Database.open(path)) as database:
        yield database


async def write(database, rows):
    await database.write(lambda db: [db.execute(insert(table).values(values)) for table, values in rows])


@contextmanager
def locked(folder):
    with (folder / f"{EARLIER}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("what", HELD)
async def test_opening_refuses_while_it_may_be_at_work_until_somebody_says_that_it_is_not(database, earlier, what):
    await write(database, [*HELD[what], *FREE])
    for _ in range(2):
        with pytest.raises(StoreError, match=rf"an earlier version .*\({what}\)") as caught:
            database.register(earlier)
        assert "stop every worker" in caught.value.hint
        assert "MAILNODE_EARLIER_WORKERS=stopped" in caught.value.hint
    database.register(earlier, earlier_are_stopped=True).close()
    with database.register(earlier) as worker:  # it has to be said once only
        held = await database.read(lambda db: [*db.execute(select(deliveries.c.worker)).scalars()])
        assert not [one for one in held if one and await database.read(lambda db: worker.is_alive(db, one))]  # noqa: B023


async def test_what_it_does_not_hold_is_in_nobodys_way(database, earlier):
    await write(database, FREE)
    database.register(earlier).close()


@pytest.mark.parametrize("place", ["the home", "beside the file"])
async def test_one_whose_lock_is_seen_to_be_free_is_dead(database, path, earlier, place):
    await write(database, HELD["1 email"])
    folder = earlier if place == "the home" else path.with_name("workers")
    folder.mkdir(exist_ok=True)
    with locked(folder):
        for stopped in (False, True):  # whoever says so is wrong
            with pytest.raises(StoreError, match="1 email"):
                database.register(earlier, earlier_are_stopped=stopped)
    for _ in range(2):
        with database.register(earlier) as worker:
            assert not await database.read(lambda db: worker.is_alive(db, EARLIER))


async def test_one_that_comes_to_work_later_is_not_taken_for_dead(database, earlier):
    with database.register(earlier) as worker:
        assert await database.read(lambda db: worker.dead_among(db, {EARLIER, "lock-gone"})) == {"lock-gone"}


def test_a_migration_waits_until_no_other_process_has_the_file_open(path, monkeypatch):
    code = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("SELECT count(*) FROM deliveries").fetchone()
print(flush=True)
input()
"""
    monkeypatch.setattr(sqlite, "ALONE_SECONDS", 0.0)
    with subprocess.Popen([sys.executable, "-c", code, path], stdin=-1, stdout=-1, text=True) as other:
        assert other.stdin
        assert other.stdout
        other.stdout.readline()
        with pytest.raises(StoreError, match="another process has it open") as caught:
            Database.open(path)
        assert "stop every worker" in caught.value.hint
        with closing(sqlite3.connect(path)) as file:
            assert file.execute("PRAGMA user_version").fetchone() == (3,)
        other.stdin.write("\n")
    Database.open(path).close()
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (SCHEMA_NUMBER,)


def test_the_variable_has_one_value():
    assert not Environment.read({}).earlier_workers_stopped
    assert Environment.read({"MAILNODE_EARLIER_WORKERS": "stopped"}).earlier_workers_stopped
    with pytest.raises(UsageError, match="MAILNODE_EARLIER_WORKERS") as caught:
        Environment.read({"MAILNODE_EARLIER_WORKERS": "1"})
    assert "stopped" in caught.value.hint


async def test_a_recipient_that_an_earlier_version_adds_is_found(postgres_url):
    database = Database.open(postgres_url)
    try:

        def work(db):
            db.execute(insert(deliveries), [{**DELIVERY, "id": "d1", "state": "queued"}])
            added = {"delivery_id": "d1", "field": "to", "status": "pending"}
            for position, address in enumerate(('"a@b"@Example.ORG', "jane")):
                db.execute(insert(delivery_recipients), [{**added, "position": position, "address": address}])
            return db.execute(select(delivery_recipients).order_by(delivery_recipients.c.position)).all()

        found = await database.write(work)
        assert [(row.mailbox, row.domain, row.created_at) for row in found] == [
            ('"a@b"@example.org', "example.org", NOW),
            ("jane", "jane", NOW),
        ]
    finally:
        database.close()
