from contextlib import suppress

import pytest
from sqlalchemy.exc import IntegrityError

from mailnode.store.savepoint import savepoint
from support.database import keys, put


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
