import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Table, create_engine, delete, insert, select, text

from mailnode.errors import StoreError
from mailnode.store import partial_indexes  # noqa: F401 -- part of the metadata
from mailnode.store.backend import migrate
from mailnode.store.database import Database
from mailnode.store.tables import (
    SCHEMA_NUMBER,
    attempts,
    deliveries,
    delivery_content,
    delivery_counts,
    delivery_recipients,
    metadata,
)

DELIVERY = {
    "id": "d1", "key": "k", "digest": "x", "connection": "", "host": "h", "port": 25, "message_id": "<a@b>", "size": 1,
    "state": "claimed", "generation": 1, "options": "{}", "route_key": "h:25", "warnings": "[]", "tries": 0,
    "maybe_accepted": False, "expires_at": 2**41, "created_at": 2**41, "updated_at": 2**41,
}  # fmt: skip


async def test_the_migrations_make_the_tables_that_the_code_knows(database):
    def differences(db):
        # procrastinate's stand beside ours.
        opts = {"include_name": lambda name, kind, _: kind != "table" or name in metadata.tables}
        return compare_metadata(MigrationContext.configure(db, opts=opts), metadata)

    assert await database.read(differences) == []


def test_every_migration_is_counted(tmp_path):
    Database.open(tmp_path / "mailnode.db").close()
    with closing(sqlite3.connect(tmp_path / "mailnode.db")) as file:
        assert file.execute("SELECT version_num FROM alembic_version").fetchall() == [(f"{SCHEMA_NUMBER:04}",)]
        assert file.execute("PRAGMA user_version").fetchone() == (SCHEMA_NUMBER,)


def test_a_migration_that_was_cut_off_is_done_at_the_next_opening(tmp_path):
    path = tmp_path / "mailnode.db"
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA journal_mode = WAL")
    Database.open(path).close()
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (SCHEMA_NUMBER,)


async def test_a_delivery_takes_its_rows_along_when_it_is_deleted(database):
    rows: dict[Table, dict[str, Any]] = {
        delivery_recipients: {"position": 0, "address": "a@b", "field": "to", "status": "pending"},
        delivery_content: {"position": 0, "octets": b"\x00\xff"},
        attempts: {"number": 1, "started_at": 2**41},
    }

    def work(db):
        db.execute(insert(deliveries).values(DELIVERY))
        for table, values in rows.items():
            db.execute(insert(table).values(delivery_id="d1", **values))
        assert db.execute(select(delivery_content.c.octets)).scalar() == b"\x00\xff"
        db.execute(delete(deliveries))
        return [db.execute(select(table)).all() for table in rows]

    assert await database.write(work) == [[], [], []]


async def test_two_deliveries_can_not_have_one_key_but_both_none(database):
    def work(key):
        for number in "12":
            with_id = {**DELIVERY, "id": f"{key}{number}", "key": key}
            yield lambda db, values=with_id: db.execute(insert(deliveries).values(values))

    for insertion in work(None):
        await database.write(insertion)
    first, second = work("k")
    await database.write(first)
    with pytest.raises(StoreError, match=r"deliveries[._]key"):
        await database.write(second)


# As schema 4 had them: a delivery's columns, and a recipient's.
OLD_DELIVERY = (
    "INSERT INTO deliveries (id, digest, connection, host, port, message_id, size, lane, state, generation, tries,"
    " maybe_accepted, options, warnings, expires_at, created_at, updated_at) VALUES (:id, 'x', '', 'h', 25, '<a@b>', 1,"
    " 'h:25', :state, 1, 0, false, '{}', '[]', 0, :created_at, :updated_at)"
)
OLD_RECIPIENT = (
    "INSERT INTO delivery_recipients (delivery_id, position, address, field, status)"
    " VALUES (:id, 0, :address, 'to', 'accepted')"
)
MINUTE = 60_000


@pytest.fixture
def of_schema_4(request, tmp_path):
    """Give what makes a database as schema 4 left it, and where it is."""
    if request.param == "postgres":
        postgres = request.getfixturevalue("postgres")
        where = postgres.fresh(template=None)
        engine = create_engine(where.replace("postgresql:", "postgresql+psycopg:"))
        yield engine, where
        postgres.drop(where)
    else:
        yield create_engine(f"sqlite:///{tmp_path / 'old.db'}"), tmp_path / "old.db"


@pytest.mark.parametrize("of_schema_4", ["sqlite", "postgres"], indirect=True)
async def test_what_schema_4_held_is_searched_and_counted(of_schema_4):
    engine, where = of_schema_4
    now = int(time.time()) * 1000
    old = now - 72 * 60 * MINUTE
    addresses = {"a": "Jane@Example.ORG", "b": '"x@y"@B.example', "c": "\u00c4ra@\u00d6.example", "d": "Jane"}
    with engine.begin() as db:
        migrate(db, "0004")
        if db.dialect.name == "sqlite":
            db.exec_driver_sql("PRAGMA user_version = 4")
        for id_, state, created_at in (
            ("a", "sent", old),
            ("b", "queued", now),
            ("c", "failed", now),
            ("d", "held", now),
        ):
            values = {"id": id_, "state": state, "created_at": created_at, "updated_at": created_at + MINUTE}
            db.execute(text(OLD_DELIVERY), values)
            db.execute(text(OLD_RECIPIENT), {"id": id_, "address": addresses[id_]})
    engine.dispose()
    with closing(Database.open(where)) as database:
        to = delivery_recipients.c
        search = select(to.mailbox, to.domain, to.created_at).order_by(to.delivery_id)
        assert await database.read(lambda db: [tuple(row) for row in db.execute(search)]) == [
            ("jane@example.org", "example.org", old),
            ('"x@y"@b.example', "b.example", now),
            ("\u00e4ra@\u00f6.example", "\u00f6.example", now),
            ("jane", "jane", now),
        ]
        of = delivery_counts.c
        counts = select(of.event, of.minute, of.count).order_by(of.event, of.minute)
        hour, minute = old // 3_600_000 * 60, now // MINUTE
        assert await database.read(lambda db: [tuple(row) for row in db.execute(counts)]) == [
            ("created", hour, 1), ("created", minute, 3), ("failed", minute + 1, 1), ("held", minute + 1, 1),
            ("sent", (old + MINUTE) // 3_600_000 * 60, 1),
        ]  # fmt: skip
