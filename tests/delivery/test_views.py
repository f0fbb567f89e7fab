"""What a look at many deliveries costs: every view is found by an index, and what is counted is kept beside them."""

import random
import re
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import Engine, delete, event, func, insert, select, update

from mailnode.delivery import pages
from mailnode.delivery.delivery import Terms
from mailnode.delivery.history import fold_counts, read_counts, read_history
from mailnode.delivery.pages import Filter
from mailnode.errors import StoreError
from mailnode.flow.run_queries import RUN_STATES, Runs
from mailnode.store.clock import now_ms
from mailnode.store.sql import Cursor
from mailnode.store.tables import deliveries, delivery_counts, delivery_recipients
from support.deliveries import prepared, sending
from support.messages import letter

pytestmark = pytest.mark.usefixtures("database_kind")

LATER = Terms().for_queue(24)
MINUTE, HOUR = 60_000, 3_600_000
GROWS = ("deliveries", "delivery_recipients", "delivery_content", "attempts", "runs", "kept_keys")
AFTER = Cursor(2**41, "f")


@contextmanager
def statements():
    """Give what is said to the database meanwhile."""
    said = []

    def hear(_connection, _cursor, statement, parameters, _context, _executemany):
        said.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        yield said
    finally:
        event.remove(Engine, "before_cursor_execute", hear)


def sqlite_faults(db, statement, parameters):
    plan = [row[3] for row in db.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
    for step in plan:
        table = re.match(r"SCAN (\w+)", step)
        # In order, up to a limit; or all of what is in hand, which is never much.
        is_short = "USING" in step and ("LIMIT" in statement or "deliveries_under_way" in step)
        if (table and table[1] in GROWS and not is_short) or "TEMP B-TREE FOR ORDER BY" in step:
            yield step


def postgres_faults(db, statement, parameters):
    for kind in ("seqscan", "bitmapscan", "sort", "incremental_sort"):
        db.exec_driver_sql(f"SET LOCAL enable_{kind} = off")
    plan = [row[0] for row in db.exec_driver_sql(f"EXPLAIN {statement}", parameters)]
    for step in plan:
        table = re.search(r"Seq Scan on (\w+)", step)
        if (table and table[1] in GROWS) or ("Sort" in step and "LIMIT" in statement):
            yield step


async def faults(database, said):
    """Tell which of these look through a table, or sort what they have found before they can stop."""

    def work(db):
        explain = sqlite_faults if db.dialect.name == "sqlite" else postgres_faults
        return [
            (fault, statement)
            for statement, parameters in said
            if statement.startswith(("SELECT", "DELETE", "UPDATE")) and "FROM" in statement
            for fault in explain(db, statement, parameters[0] if isinstance(parameters, list) else parameters)
        ]

    return await database.read(work)


def looks(queries, runs, sweep, ids):
    states, statuses = (
        [(), ("sent", "held"), ("queued",), ("claimed", "interrupted")],
        [(), *((one,) for one in RUN_STATES)],
    )
    return [
        *(
            queries.list(states=state, connection=connection, recipient=recipient, run=run, after=after)
            for state in states
            for connection in (None, "")
            for recipient in (None, "jane@example.org", "jan", "@example.org")
            for run in (None, "r1")
            for after in (None, AFTER)
        ),
        *(
            queries.list(states=state, flow="f", subject=subject, connection=connection, recipient=recipient,
                         since=1, until=2**41)
            for state in states for subject in (None, "hi") for connection in (None, "")
            for recipient in (None, "jane@example.org")
        ),
        queries.list(subject="hi", after=AFTER, until=2**41, since=1),
        *(runs.list(flow=flow, statuses=status, after=after) for flow in (None, "f") for status in statuses
          for after in (None, AFTER)),
        *(queries.show(which) for which in ids),
        *(queries.history(hours) for hours in (1, 720)),
        queries.counts(),
        queries.waiting(),
        queries.outcomes(["a", "b"]),
        sweep(30, 400),
    ]  # fmt: skip


@pytest.mark.parametrize("most_sorted", [pages.MOST_SORTED, 0])
async def test_no_view_looks_through_a_table(tmp_path, monkeypatch, most_sorted):
    monkeypatch.setattr(pages, "MOST_SORTED", most_sorted)
    async with sending(tmp_path) as admin:
        one = (await admin.dispatcher.queue(prepared(9, letter("jane@example.org"), terms=LATER)))["deliveryId"]
        queries = admin.deliveries
        shown = await queries.show(one)
        runs, ids = Runs(admin.database, admin.process), [one, one[:8], shown["messageId"]]
        with statements() as said:
            for look in looks(queries, runs, queries.sweep, ids):
                await look
        # The same words are the same plan.
        assert await faults(admin.database, {statement: (statement, given) for statement, given in said}.values()) == []


# By what is looked for: which of the deliveries below.
FOUND = {
    "jane@example.org": [3, 0],
    "JANE@Example.ORG": [3, 0],
    "jane@example.or": [3, 1, 0],
    "ja": [3, 2, 1, 0],
    "jack": [2],
    "@example.org": [3, 2, 0],
    "@EXAMPLE.com": [3],
    "@example": [],
    "@": [],
    "ane": [],
    "j%": [],
}


class TestRecipients:
    @pytest.mark.parametrize("most_sorted", [pages.MOST_SORTED, 0])
    async def test_are_found_by_address_beginning_and_domain(self, tmp_path, monkeypatch, most_sorted):
        monkeypatch.setattr(pages, "MOST_SORTED", most_sorted)
        to = [
            ["Jane@Example.org"],
            ["jane@example.orgs"],
            ["jack@example.org"],
            ["jane@example.org", "joe@example.com"],
        ]
        async with sending(tmp_path) as admin:
            queued = [await admin.dispatcher.queue(prepared(9, letter(*one), terms=LATER)) for one in to]
            ids = [one["deliveryId"] for one in queued]
            for at, one in enumerate(ids):
                await admin.database.write(partial(created, which=one, at=at))
            queries = admin.deliveries
            for text, found in FOUND.items():
                assert [ids.index(one["deliveryId"]) for one in await queries.list(recipient=text)] == found, text
                page, seen = await queries.list(recipient=text, limit=1), []
                while page:
                    seen.append(ids.index(page[0]["deliveryId"]))
                    after = Cursor(page[0]["createdAt"], ids[seen[-1]])
                    page = await queries.list(recipient=text, limit=1, after=after)
                assert seen == found, text
                assert await queries.list(recipient=text, states=["sent"]) == []
                of_all = await queries.list(recipient=text, states=["queued"], connection="")
                assert len(of_all) == len(found), text


def created(db, which, at):
    db.execute(update(deliveries).where(deliveries.c.id == which).values(created_at=at))
    of_it = delivery_recipients.c.delivery_id == which
    db.execute(update(delivery_recipients).where(of_it).values(created_at=at))


async def test_words_of_a_subject_are_looked_for_among_so_many_and_then_further_back(tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "MOST_LOOKED_AT", 5)
    async with sending(tmp_path) as admin:
        subjects = ["Your ORDER 17", *["News"] * 7, "Größe order", "News"]
        ids = []
        for at, subject in enumerate(subjects):
            mail = prepared(9, terms=replace(LATER, flow="shop" if at else ""), subject=subject)
            ids.append((await admin.dispatcher.queue(mail))["deliveryId"])
            await admin.database.write(partial(created, which=ids[-1], at=at * 1000))
        queries = admin.deliveries
        first = await queries.page(Filter(subject="order"))
        assert [one["subject"] for one in first["deliveries"]] == ["Größe order"]
        assert first["next"] == Cursor(5000, ids[5])
        second = await queries.page(Filter(subject="order", after=first["next"]))
        assert ([one["deliveryId"] for one in second["deliveries"]], second["next"]) == ([ids[0]], None)
        found = [one["deliveryId"] for one in await queries.list(subject="oRdEr")]
        assert found == await queries.matching(Filter(subject="oRdEr")) == [ids[8], ids[0]]
        assert await queries.matching(Filter(subject="GRÖSSE")) == [ids[8]]
        assert await queries.matching(Filter(flow="shop", subject="order")) == [ids[8]]
        assert await queries.matching(Filter(flow="shop", states=("queued",), limit=2)) == [ids[9], ids[8]]
        assert await queries.matching(Filter(flow="sho")) == []
        assert await queries.matching(Filter(since=2000, until=4000)) == [ids[3], ids[2]]
        assert await queries.matching(Filter(recipient="bob@y.example", since=9000)) == [ids[9]]
        assert await queries.matching(Filter(since=4000, until=5000, after=Cursor(3000, "x"))) == []


STATES = ("queued", "claimed", "handingOver", "sent", "partial", "failed", "unknown", "held", "cancelled")
ROW = {
    "digest": "x", "connection": "", "host": "h", "port": 25, "message_id": "<a@b>", "size": 1, "generation": 1,
    "options": "{}", "route_key": "h:25", "warnings": "[]", "tries": 0, "maybe_accepted": False, "expires_at": 2**41,
}  # fmt: skip


def recounted(db):
    """Count all rows by state, by when they were created, and by when they ended."""
    events: Counter[tuple[str, int]] = Counter()
    for row in db.execute(select(deliveries)):
        events["created", row.created_at // HOUR] += 1
        if row.state not in {"queued", "claimed", "handingOver"}:
            events[row.state, row.updated_at // HOUR] += 1
    return events


def counted(db):
    events: Counter[tuple[str, int]] = Counter()
    for row in db.execute(select(delivery_counts)):
        events[row.event, row.minute // 60] += row[3]
    return +events


async def test_counts_are_those_of_the_rows_whatever_happens_to_them(tmp_path):
    draw = random.Random(7)

    def change(db):
        now, numbers = now_ms(db), [draw.randrange(60) for _ in range(4)]
        new, other, *gone = [f"d{number}" for number in numbers]
        at = now - draw.randrange(200 * HOUR)
        with_id = deliveries.c.id == new
        if not db.execute(select(deliveries.c.id).where(with_id)).first():
            begun = {**ROW, "id": new, "state": draw.choice(STATES), "created_at": at, "updated_at": at + MINUTE}
            db.execute(insert(deliveries).values(begun))
        values = {"state": draw.choice(STATES), "updated_at": now - draw.randrange(HOUR)}
        db.execute(update(deliveries).where(deliveries.c.id == other).values(values))
        db.execute(delete(deliveries).where(deliveries.c.id.in_(gone)))
        if draw.random() < 0.2:
            fold_counts(db)

    def fails(db):
        change(db)
        raise StoreError("the process died")

    async with sending(tmp_path) as admin:
        for _ in range(150):
            if draw.random() < 0.1:
                with pytest.raises(StoreError):
                    await admin.database.write(fails)
            await admin.database.write(change)
        await admin.database.write(fold_counts)

        def work(db):
            assert counted(db) == recounted(db)
            by_state = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
            assert read_counts(db) == dict(db.execute(by_state).all())
            waiting = sum(read_counts(db).get(state, 0) for state in STATES[:3])
            assert {read_history(db, hours)["buckets"][-1]["waiting"] for hours in (1, 30, 720)} == {waiting}
            old = (now_ms(db) // HOUR - 49) * 60
            return [row for row in db.execute(select(delivery_counts)) if row.minute < old and row.minute % 60]

        assert await admin.database.read(work) == []
