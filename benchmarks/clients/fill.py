"""A database filled with many deliveries that have ended: copies of one that was really sent, made by the database.

python -m benchmarks.clients.fill COUNT PORT    of the home and database of the environment; PORT takes the one mail
"""

import asyncio
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from sqlalchemy import (
    CTE,
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Table,
    Text,
    case,
    cast,
    create_engine,
    func,
    insert,
    literal,
    select,
)

from benchmarks.clients.flow import flow_file
from benchmarks.growth import DAYS
from mailnode.app import Mailnode
from mailnode.environment import Environment
from mailnode.store import tables

DAY_MS = 86_400_000
KEPT_DAYS, KEPT_KEYS_DAYS = 30, 400
# So many have a state that is rare.
RARE = 20
RARE_STATE: Literal["unknown"] = "unknown"
_SPREAD, _RANGE = 2_654_435_761, 2**32


def id_of(number: int) -> str:
    """Give the id of a copy: the beginning tells nothing of when it was made, as it does a little of real ids."""
    return f"{number * _SPREAD % _RANGE:08x}{number:024x}"


def run_of(number: int) -> str:
    """Give the run of a copy."""
    return f"fill-{number}"


def address_of(number: int) -> str:
    """Give the recipient of a copy."""
    return f"jane{number}@example.org"


async def fill(count: int, port: int) -> None:
    """Send one, and copy it."""
    environment = Environment.read()
    async with Mailnode.open(environment) as mailnode:
        run = await mailnode.run(flow_file(environment.home, port), input={"order": 1, "cents": 1}, run_id="sample")
    if run.status != "done":
        raise SystemExit(f"the sample was not sent: {run.to_json()}")
    url = environment.database_url or f"sqlite:///{environment.home / 'mailnode.db'}"
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as db:
        if not environment.database_url:
            for pragma in ("synchronous = off", "cache_size = -1000000"):
                db.exec_driver_sql(f"PRAGMA {pragma}")
            db.commit()
        _copy(db, count)
        db.commit()
    if environment.database_url:  # as its own daemon would do in a while
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
            db.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()
    async with Mailnode.open(environment) as mailnode:  # as is done hourly
        await mailnode.deliveries.sweep(KEPT_DAYS, KEPT_KEYS_DAYS)


def _copy(db: Connection, count: int) -> None:
    numbers = numbers_to(count)
    at = numbers.c.number
    (newest,) = db.execute(select(func.max(tables.deliveries.c.created_at))).one()
    ended = cast(newest - (count - at) * (DAYS * DAY_MS // count), BigInteger)
    times: dict[str, ColumnElement[Any]] = {"created_at": ended, "updated_at": ended}
    text = cast(at, Text)
    id_ = id_in_sql(db, at)
    run = literal("fill-") + text
    state = case((at % max(1, count // RARE) == 0, RARE_STATE), else_="sent")
    copies: dict[Table, Mapping[str, ColumnElement[Any]]] = {
        tables.deliveries: {
            "id": id_,
            "key": run + "/tell",
            "message_id": literal("<") + id_ + "@example.com>",
            "run_id": run,
            "state": state,
            **times,
        },
        tables.delivery_recipients: {
            "delivery_id": id_,
            "address": literal("jane") + text + "@example.org",
            "mailbox": literal("jane") + text + "@example.org",
            "created_at": ended,
        },
        tables.delivery_content: {"delivery_id": id_},
        tables.attempts: {"delivery_id": id_},
        tables.runs: {"id": run, **times},
    }
    for table, filled in copies.items():
        copy_rows(db, table, rows_of(db, table), numbers, filled)


def numbers_to(count: int, begin: int = 1) -> CTE:
    """Give the numbers from the first to the last one."""
    first = select(cast(begin, BigInteger).label("number")).cte("numbers", recursive=True)
    return first.union_all(select(first.c.number + 1).where(first.c.number < count))


def rows_of(db: Connection, table: Table) -> list[dict[Any, Any]]:
    """Give the rows that a table has, to be copied."""
    return [*map(dict, db.execute(select(table)).mappings().all())]


def id_in_sql(db: Connection, at: ColumnElement[int]) -> ColumnElement[str]:
    """Give `id_of` as SQL."""
    spread = at * cast(_SPREAD, BigInteger) % cast(_RANGE, BigInteger)
    if db.dialect.name == "sqlite":
        return func.printf("%08x%024x", spread, at, type_=Text)
    return func.lpad(func.to_hex(spread), 8, "0", type_=Text) + func.lpad(func.to_hex(at), 24, "0", type_=Text)


def copy_rows(
    db: Connection,
    table: Table,
    samples: Iterable[Mapping[Any, Any]],
    numbers: CTE,
    filled: Mapping[str, ColumnElement[Any]],
) -> None:
    """Copy each of some rows once for each number, with some columns filled anew."""

    def value(column: Column[Any], sample: Mapping[Any, Any]) -> ColumnElement[Any]:
        return cast(filled.get(column.name, literal(sample[column.name], column.type)), column.type)

    for sample in samples:
        columns = [value(column, sample).label(column.name) for column in table.columns]
        db.execute(insert(table).from_select([*table.columns.keys()], select(*columns).select_from(numbers)))


if __name__ == "__main__":
    asyncio.run(fill(int(sys.argv[1]), int(sys.argv[2])))
