"""Statements that are said to the driver directly do what SQLAlchemy would have them do."""

from typing import Any

import pytest
from sqlalchemy import Engine, bindparam, event, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from mailnode.errors import StoreError, UsageError
from mailnode.store.asking import ask_all
from mailnode.store.database import Database
from mailnode.store.prepared import AnyOf, Change, Query
from mailnode.store.sql import insert_new
from mailnode.store.tables import delivery_content, secret_check
from support.database import keys, put

INSERT, INSERT_NEW = Change(insert(secret_check)), Change(insert_new(secret_check))
OF_KEYS = select(secret_check.c.key_id, literal("said").label("how")).where(AnyOf(secret_check.c.key_id, "keys"))
FIND = Query(OF_KEYS.order_by(secret_check.c.key_id).limit(bindparam("most")))
VALUES = Query(
    select(secret_check.c.key_id, secret_check.c.value)
    .where(AnyOf(secret_check.c.key_id, "keys"))
    .order_by(secret_check.c.key_id)
)
SET = Change(update(secret_check).where(secret_check.c.key_id == bindparam("of")))
# What an array, or a list of values, might take for something else.
_VALUES = [
    "plain",
    "a,b",
    '{"x"}',
    "it's",
    "back\\slash",
    "NULL",
    "",
    "%(of)s ? :of",
    "zwölf \N{SNOWMAN}",
    "two\nlines",
]
RENAME = Change(update(secret_check).where(AnyOf(secret_check.c.key_id, "keys")).values(value=bindparam("name")))


def rows(*names):
    return [{"key_id": name, "value": "new"} for name in names]


async def test_rows_are_written_and_counted(database):
    assert await database.write(lambda db: INSERT.run(db, rows("a"))) == 1
    assert await database.write(lambda db: INSERT_NEW.run(db, rows("a", "b", "c"))) == 2
    assert await database.write(lambda db: INSERT.run(db, [])) == 0
    assert await database.read(keys) == ["a", "b", "c"]


@pytest.mark.parametrize("asked", [[], ["a"], ["c", "a", "nobody"], [f"{number}" for number in range(300)]])
async def test_a_list_has_any_length(database, asked):
    names = {"a", "b", "c", *map(str, range(200))}
    await database.write(lambda db: INSERT.run(db, rows(*names)))
    found = await database.read(lambda db: FIND.all(db, keys=asked, most=1000))
    assert [(row.key_id, row.how) for row in found] == [(name, "said") for name in sorted(names & {*asked})]
    assert await database.write(lambda db: RENAME.run_once(db, keys=asked, name="named")) == len(names & {*asked})


def plan_of(db, say, *kept_from):
    """Give how the one statement that is said is carried out; PostgreSQL is kept from other ways for a small table."""
    said = []

    def hear(_connection, _cursor, sql, parameters, *_):
        said.append((sql, parameters))

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        say(db)
    finally:
        event.remove(Engine, "before_cursor_execute", hear)
    ((sql, parameters),) = said
    driver = db.connection.driver_connection
    if db.dialect.name == "sqlite":
        return str(driver.execute(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall())
    for way in kept_from:
        driver.execute(f"SET LOCAL enable_{way} = off")
    return str(driver.execute(f"EXPLAIN {sql}", parameters).fetchall())


async def test_a_list_is_found_by_the_index_and_whoever_listens_hears_it(database):
    def say(db):
        FIND.all(db, keys=["a", "b", "c"], most=5)

    found = await database.write(lambda db: plan_of(db, say, "seqscan"))
    assert "SEARCH secret_check USING" in found or "Index Cond: (key_id = ANY" in found


# As many as are one statement in SQLite, one more, and several statements.
@pytest.mark.parametrize("count", [0, 1, 2, 5, 64, 65, 200])
async def test_many_rows_are_written_and_changed_at_once(database, count):
    def name(number):
        return f"{number:03}"

    def write(db):
        INSERT.run(db, rows(name(1), "other"))
        written = INSERT_NEW.run_at_once(db, rows(*map(name, range(count))))
        said = [{"of": name(number), "value": _VALUES[number % len(_VALUES)]} for number in range(count)]
        changed = SET.run_at_once(db, [*said, {"of": "nobody", "value": "lost"}])
        return written, changed

    assert await database.write(write) == (count - (count > 1), count)
    found = await database.read(lambda db: [tuple(row) for row in db.execute(select(secret_check)).all()])
    expected = {name(number): _VALUES[number % len(_VALUES)] for number in range(count)}
    assert dict(found) == {name(1): "new", "other": "new"} | expected


async def test_changes_at_once_go_together_with_others(database):
    def work(db):
        read = VALUES.of(keys=["a", "c"])
        changes = [{"of": "a", "value": "one"}, {"of": "c", "value": "three"}, {"of": "nobody", "value": "lost"}]
        return ask_all(db, [INSERT.at_once(rows("a", "b", "c")), read, SET.at_once(changes), SET.at_once([]), read])

    answers = await database.write(work)
    assert answers == [3, [("a", "new"), ("c", "new")], 2, 0, [("a", "one"), ("c", "three")]]
    found = await database.read(lambda db: [tuple(row) for row in db.execute(select(secret_check)).all()])
    assert sorted(found) == [("a", "one"), ("b", "new"), ("c", "three")]


async def test_rows_that_are_changed_at_once_are_found_by_the_index(database):
    def say(db):
        SET.run_at_once(db, [{"of": "a", "value": "one"}, {"of": "c", "value": "three"}])

    found = await database.write(lambda db: plan_of(db, say, "hashjoin", "mergejoin"))
    assert "SEARCH secret_check USING" in found or "Index Scan using secret_check" in found


async def test_an_error_of_the_driver_is_one_of_sqlalchemys(database):
    await database.write(put("a"))

    def work(db):
        with pytest.raises(IntegrityError) as caught:
            INSERT.run(db, rows("a"))
        assert "new" not in str(caught.value)  # a parameter may be a secret
        raise caught.value

    with pytest.raises(StoreError, match="can't be used"):
        await database.write(work)


async def test_changes_that_are_sent_together_are_all_made_or_none(database):
    def work(db, *names):
        ask_all(db, [INSERT.each(rows(name, f"{name} too")) for name in names])
        return INSERT.run(db, rows("after"))

    assert await database.write(lambda db: work(db, "a", "b")) == 1
    assert await database.read(keys) == ["a", "a too", "after", "b", "b too"]
    with pytest.raises(StoreError, match="can't be used"):
        await database.write(lambda db: work(db, "c", "a", "d"))
    await database.write(put("later"))
    assert await database.read(keys) == ["a", "a too", "after", "b", "b too", "later"]


async def test_counts_are_those_of_each_that_is_asked_together(database):
    await database.write(put("b"))
    asked = [
        INSERT_NEW.each(rows("a", "b", "c")),
        INSERT_NEW.at_once(rows("c", "d")),
        RENAME.once(keys=["a"], name="x"),
    ]
    assert await database.write(lambda db: ask_all(db, asked)) == [2, 1, 1]


async def test_an_error_while_rows_are_fetched_is_one_of_sqlalchemys(tmp_path):
    database = Database.open(tmp_path / "mailnode.db")
    failing = Query(select(secret_check.c.key_id, func.fails(secret_check.c.key_id).label("x")))

    def fails(name):
        assert name == "a"

    def work(db):
        db.connection.driver_connection.create_function("fails", 1, fails)
        with pytest.raises(OperationalError, match="user-defined function"):
            failing.all(db)

    try:
        await database.write(lambda db: INSERT.run(db, rows("a", "b")))
        await database.write(work)
    finally:
        database.close()


async def test_a_connection_that_breaks_while_changes_are_sent_together_is_told_once(postgres_url, caplog):
    database = Database.open(postgres_url)
    broken: list[Any] = []

    def work(db):
        def break_it(db, _cursor, _sql, said, *_):
            if said["key_id"] == "b" and not broken:
                broken.append(db.connection.driver_connection.pgconn)
                broken[0].finish()

        event.listen(db, "before_cursor_execute", break_it)
        ask_all(db, [INSERT.each(rows("a")), INSERT.each(rows("b"))])

    with pytest.raises(StoreError, match="connection is closed") as caught:
        await database.write(work)
    assert caught.value.transient
    await database.write(work)
    assert await database.read(keys) == ["a", "b"]
    assert not caplog.records
    database.close()


async def test_what_no_database_can_hold_is_the_callers_error(database):
    with pytest.raises(UsageError, match="surrogate"):
        await database.write(lambda db: INSERT.run(db, rows("\ud800")))


async def test_what_another_hand_has_written_is_of_its_columns_kind(tmp_path):
    database = Database.open(tmp_path / "mailnode.db")
    try:

        def work(db):
            db.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
            db.exec_driver_sql("INSERT INTO delivery_content VALUES (X'6120', 'one', 'text')")
            (row,) = Query(select(delivery_content)).all(db)
            db.exec_driver_sql("DELETE FROM delivery_content")
            return tuple(row)

        assert await database.write(work) == ("a ", 0, b"")
    finally:
        database.close()
