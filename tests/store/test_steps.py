from typing import Any

import psycopg
from sqlalchemy import bindparam, insert, select, update

from mailnode.errors import StoreError
from mailnode.store.prepared import AnyOf, Change, Query
from mailnode.store.steps import InSteps, ask_in_steps, side_by_side
from mailnode.store.tables import secret_check
from support.database import gather_alike_behind, keys, put

INSERT = Change(insert(secret_check))
SET = Change(update(secret_check).where(secret_check.c.key_id == bindparam("of")))
VALUES = Query(select(secret_check.c.value).where(AnyOf(secret_check.c.key_id, "keys")))


def in_order(log: list[str], name: str, steps: int) -> InSteps[str]:
    for step in range(steps):
        log.append(f"{name}{step}")
        (written,) = yield [INSERT.each([{"key_id": f"{name}{step}", "value": "new"}])]
        assert written == 1
    return name


async def test_works_take_their_steps_beside_each_other(database):
    log: list[str] = []

    def work(db):
        return ask_in_steps(db, side_by_side(in_order(log, "a", 1), in_order(log, "b", 3), in_order(log, "c", 0)))

    assert await database.write(work) == ["a", "b", "c"]
    assert log == ["a0", "b0", "b1", "b2"]
    assert await database.read(keys) == ["a0", "b0", "b1", "b2"]


async def test_a_work_gets_the_answers_to_what_it_asked_itself(database):
    def own(name: str) -> InSteps[Any]:
        changed, found = yield [INSERT.at_once([{"key_id": name, "value": name.upper()}]), VALUES.of(keys=[name])]
        (changed_again,) = yield [SET.at_once([{"of": name, "value": "last"}, {"of": "nobody", "value": "lost"}])]
        nothing = yield []
        return changed, found, changed_again, nothing

    answers = await database.write(lambda db: ask_in_steps(db, side_by_side(own("a"), own("b"))))
    assert answers == [(1, [("A",)], 1, []), (1, [("B",)], 1, [])]


async def test_works_of_one_group_share_their_trips(database, monkeypatch):
    trips = []
    pipeline = psycopg.Connection.pipeline

    def counted(connection):
        trips.append(connection)
        return pipeline(connection)

    monkeypatch.setattr(psycopg.Connection, "pipeline", counted)
    asked: list[str] = []

    def one(_db, names: list[str]) -> InSteps[list[str]]:
        asked.append("one")
        yield [INSERT.each([{"key_id": name, "value": "one"} for name in names])]
        asked.append("one again")
        yield [SET.at_once([{"of": name, "value": "twice"} for name in names])]
        return names

    def other(_db, names: list[str]) -> InSteps[list[str]]:
        asked.append("other")
        yield [INSERT.each([{"key_id": name, "value": "other"} for name in names])]
        asked.append("other again")
        return names

    answers = await gather_alike_behind(
        database, (one, "a"), (other, "b"), (one, "c"), (lambda db, _: [put("d")(db)], None)
    )
    assert answers[:3] == ["a", "b", "c"]
    assert asked == ["one", "other", "one again", "other again"]
    assert len(trips) == (2 if database.is_shared else 0)
    assert await database.read(keys) == ["a", "b", "c", "d"]


async def test_a_work_whose_step_fails_undoes_itself_alone(database):
    await database.write(put("there"))

    def work(_db, names: list[str]) -> InSteps[list[str]]:
        yield [INSERT.each([{"key_id": name, "value": "new"} for name in names])]
        yield [INSERT.each([{"key_id": f"{name} too", "value": "new"} for name in names])]
        return names

    def other(_db, names: list[str]) -> InSteps[list[str]]:
        yield [INSERT.each([{"key_id": name, "value": "new"} for name in names])]
        return names

    answers = await gather_alike_behind(database, (work, "a"), (other, "there"), (work, "b"))
    assert answers[::2] == ["a", "b"]
    assert isinstance(answers[1], StoreError)
    assert await database.read(keys) == ["a", "a too", "b", "b too", "there"]
