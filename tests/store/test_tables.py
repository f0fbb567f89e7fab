import sqlite3
from contextlib import closing
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Table, delete, insert, select

from mailnode.errors import StoreError
from mailnode.store.database import Database
from mailnode.store.tables import SCHEMA_NUMBER, attempts, deliveries, delivery_content, delivery_recipients, metadata

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
