from contextlib import suppress

import pytest
from sqlalchemy.exc import IntegrityError

from mailnode.store.sql import insert_new, savepoint
from mailnode.store.tables import secret_check
from support.database import keys, put

INSERT = insert_new(secret_check)


def rows(*names):
    return [{"key_id": name, "value": "new"} for name in names]


async def test_a_row_that_is_there_stays_and_the_others_are_written(database):
    await database.write(put("b", "old"))
    written = await database.write(lambda db: db.execute(INSERT, rows("a", "b", "c")).rowcount)
    assert written == 2
    assert await database.read(keys) == ["a", "b", "c"]
    values = await database.read(lambda db: db.exec_driver_sql("SELECT value FROM secret_check ORDER BY key_id").all())
    assert [value for (value,) in values] == ["new", "old", "new"]


async def test_of_two_alike_the_first_is_written(database):
    assert await database.write(lambda db: db.execute(INSERT, rows("a", "a")).rowcount) == 1


async def test_one_row_alone_is_counted_too(database):
    assert await database.write(lambda db: db.execute(INSERT, rows("a")).rowcount) == 1
    assert await database.write(lambda db: db.execute(INSERT, rows("a")).rowcount) == 0


async def test_what_fails_within_is_undone_and_no_more(database):
    def work(db):
        put("before")(db)
        with suppress(IntegrityError), savepoint(db):
            put("within")(db)
            put("before")(db)
        put("later")(db)

    await database.write(work)
    assert await database.read(keys) == ["before", "later"]


async def test_one_within_another_is_undone_alone(database):
    def work(db):
        with savepoint(db):
            put("outer")(db)
            with suppress(KeyError), savepoint(db):
                put("inner")(db)
                raise KeyError("no")

    await database.write(work)
    assert await database.read(keys) == ["outer"]


async def test_where_the_whole_transaction_is_lost_the_first_error_is_heard(database):
    def work(db):
        with savepoint(db):
            db.exec_driver_sql("ROLLBACK")
            raise KeyError("the first")

    with pytest.raises(KeyError, match="the first"):
        await database.write(work)
