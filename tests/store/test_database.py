import asyncio
import threading
from contextlib import closing

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from mailnode.errors import StoreError
from mailnode.store import writer
from mailnode.store.database import READERS, Database
from mailnode.store.sql import savepoint
from support.database import OPEN, Hold, gather_behind, keys, put, run


async def test_what_is_written_is_read(database):
    await database.write(put("a"))
    assert await database.read(keys) == ["a"]


async def test_a_write_gives_what_its_work_returns(database):
    assert await database.write(keys) == []


async def test_what_is_written_is_there_after_opening_again(database, where):
    await database.write(put("a"))
    database.close()
    with closing(Database.open(where)) as again:
        assert await again.read(keys) == ["a"]


async def test_a_work_that_fails_does_not_spoil_its_neighbours(database):
    def fail(db):
        put("lost")(db)
        raise KeyError("no")

    before, failed, after = await gather_behind(database, put("a"), fail, put("b"))
    assert isinstance(failed, KeyError)
    assert not isinstance(before, Exception)
    assert not isinstance(after, Exception)
    assert await database.read(keys) == ["a", "b"]


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


async def test_who_comes_while_a_transaction_works_is_taken_along(database):
    hold, transactions = Hold(), []

    def note(db):
        transactions.append(db.get_transaction())

    def first(db):
        note(db)
        hold(db)

    began = asyncio.create_task(database.write(first))
    await asyncio.to_thread(hold.reached.wait)
    later = [asyncio.create_task(database.write(note)) for _ in range(2)]
    await asyncio.sleep(0)
    hold.gate.set()
    await asyncio.gather(began, *later)
    assert len(transactions) == 3
    # On PostgreSQL it is the next transaction: a work locks rows in one order, and so would not if it ran twice.
    assert len({*map(id, transactions)}) == (2 if database.is_shared else 1)


async def test_an_error_of_who_was_taken_along_undoes_its_own_changes_alone(database):
    hold = Hold()

    def first(db):
        put("first")(db)
        hold(db)

    def wrong(db):
        put("wrong")(db)
        raise ValueError("no")

    began = asyncio.create_task(database.write(first))
    await asyncio.to_thread(hold.reached.wait)
    later = [asyncio.create_task(database.write(work)) for work in (wrong, put("later"))]
    await asyncio.sleep(0)
    hold.gate.set()
    answers = await asyncio.gather(began, *later, return_exceptions=True)
    assert [isinstance(answer, ValueError) for answer in answers] == [False, True, False]
    assert await database.read(keys) == ["first", "later"]


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
            with savepoint(db):
                put("a")(db)
        except IntegrityError:
            return "caught"
        return "missed"

    assert await database.write(twice) == "caught"
    assert await database.read(keys) == ["a"]


async def test_an_error_of_sqlalchemy_arrives_as_ours_without_the_values(database):
    await database.write(put("a", "hunter2"))
    with pytest.raises(StoreError, match=r"(?i)unique constraint") as caught:
        await database.write(put("a", "hunter2"))
    assert not caught.value.transient
    assert "hunter2" not in repr(caught.value) + str(caught.value.__cause__)


async def test_a_failing_read_is_a_store_error(database):
    with pytest.raises(StoreError, match=r"no such table|does not exist"):
        await database.read(lambda db: db.execute(text("SELECT * FROM dreams")))


async def test_a_read_can_not_write(database):
    with pytest.raises(StoreError, match=r"read-?only"):
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


async def test_a_closed_database_says_so(database):
    database.close()
    for use in (database.write, database.read):
        with pytest.raises(StoreError, match="closed"):
            await use(keys)


async def test_closing_commits_what_waits(database, where):
    hold = Hold()
    tasks = [asyncio.create_task(database.write(hold)), asyncio.create_task(database.write(put("a")))]
    await asyncio.to_thread(hold.reached.wait)
    hold.gate.set()
    database.close()
    await asyncio.gather(*tasks)
    with closing(Database.open(where)) as again:
        assert await again.read(keys) == ["a"]


def test_a_process_that_forgets_to_close_ends_all_the_same(where):
    assert run(f"{OPEN}import asyncio\nasyncio.run(database.write(lambda db: print('written')))", where) == "written\n"


def test_an_up_to_date_database_is_opened_without_alembic(database, where):
    assert run(f"{OPEN}print({{'alembic', 'mako'}} & set(sys.modules))\ndatabase.close()", where) == "set()\n"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@h/d?port=abc",
        "postgresql://u@h:abc/d",
        "postgresql://u@/d?host=a,b&port=1,2,3",
        "postgresql://u@h/d?connect_timeout=abc",
        "sqlite:///a\0b",
    ],
)
def test_a_url_that_is_none_is_one_clear_error(url):
    with pytest.raises(StoreError) as caught:
        Database.open(url)
    assert caught.value.hint


async def test_reads_run_beside_each_other_and_a_glance_beside_them_all(database):
    together = threading.Barrier(READERS)
    held = threading.Event()

    def meet(db):
        together.wait(60)
        held.wait()
        return keys(db)

    await database.write(put("a"))
    reads = [asyncio.create_task(database.read(meet)) for _ in range(READERS)]
    waits = asyncio.create_task(database.read(keys))
    assert await database.glance(keys) == ["a"]
    assert not waits.done()
    held.set()
    assert await asyncio.gather(*reads, waits) == [["a"]] * (READERS + 1)
