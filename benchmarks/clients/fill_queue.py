"""A PostgreSQL database with many deliveries in its queue, which many connections with rate limits share evenly.

python -m benchmarks.clients.fill_queue JOB    of the home and database of the environment

One is queued as every delivery is; the database copies it.
"""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Connection,
    Table,
    Text,
    cast,
    create_engine,
    func,
    literal,
    select,
)

from benchmarks.clients.fill import copy_rows, id_in_sql, numbers_to, rows_of
from benchmarks.clients.with_mailnode import email
from mailnode.app import Mailnode
from mailnode.delivery.delivery import Terms
from mailnode.delivery.prepare import PreparedMail, prepare
from mailnode.delivery.route import Destination, OtherServer, route
from mailnode.environment import Environment
from mailnode.store import tables

HOURS = 24
CAME_MS = 12 * 3_600_000
# So many connections are created together: those that wait share a commit.
AT_ONCE = 100
# Within one transaction the counting trigger changes the row of a minute once for each: the more, the slower.
COPIED_AT_ONCE = 2_000
_FILLED = (tables.deliveries, tables.delivery_recipients, tables.delivery_content)


@dataclass(frozen=True, kw_only=True)
class QueueFilling:
    """What is put into the queue; it crosses the border of a process as JSON. `port` takes all mail."""

    port: int
    connections: int
    deliveries: int
    rate_limit: str

    @classmethod
    def loads(cls, text: str) -> Self:
        """Read it."""
        return cls(**json.loads(text))


def _name(number: int) -> str:
    return f"scale-{number}"


async def fill(filling: QueueFilling) -> None:
    """Create the connections, queue one mail, and copy it."""
    environment = Environment.read()
    async with Mailnode.open(environment) as mailnode:
        fields = {
            "hosts": ["127.0.0.1"],
            "username": "jane",
            "password": "secret",
            "tlsOption": "none",
            "allowPlaintextAuth": True,
            "rateLimit": filling.rate_limit,
        }
        numbers = iter(range(filling.connections))

        async def create() -> None:
            for number in numbers:
                await mailnode.connections.create(_name(number), "basic", fields)

        await asyncio.gather(*(create() for _ in range(AT_ONCE)))
        server = OtherServer(host="127.0.0.1", port=filling.port, tls_option="none")
        mail = PreparedMail(
            message=prepare(email(0), None),
            destination=Destination(server, _name(0)),
            route=route(server, await mailnode.connections.get(_name(0))),
            terms=Terms().for_queue(HOURS),
            key="scale",
        )
        await mailnode._dispatcher.queue(mail)  # noqa: SLF001 -- the queue alone is filled
    assert environment.database_url
    _copy(environment.database_url.replace("postgresql:", "postgresql+psycopg:"), filling)


def _copy(url: str, filling: QueueFilling) -> None:
    engine = create_engine(url)
    with engine.begin() as db:
        samples = {table: rows_of(db, table) for table in _FILLED}
    for begin in range(1, filling.deliveries, COPIED_AT_ONCE):
        with engine.begin() as db:
            _copy_some(db, filling, samples, numbers_to(min(begin + COPIED_AT_ONCE, filling.deliveries) - 1, begin))
    with engine.begin() as db:
        others = numbers_to(filling.connections - 1)
        ((name, connection),) = db.execute(select(tables.routes.c.name, tables.routes.c.connection)).all()
        to = cast(others.c.number, Text)
        filled = {"name": _renamed(name, to), "connection": _renamed(connection, to)}
        copy_rows(db, tables.routes, rows_of(db, tables.routes), others, filled)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.exec_driver_sql("ANALYZE")
    engine.dispose()


def _copy_some(
    db: Connection, filling: QueueFilling, samples: Mapping[Table, list[dict[Any, Any]]], numbers: CTE
) -> None:
    at = numbers.c.number
    # One after another, each with its own place in time, as if they had come in turns.
    of = cast(at % filling.connections, Text)
    (sample,) = samples[tables.deliveries]
    id_ = id_in_sql(db, at)
    came = cast(sample["created_at"] - (filling.deliveries - at) * CAME_MS // filling.deliveries, BigInteger)
    copies: dict[Table, Mapping[str, ColumnElement[Any]]] = {
        tables.deliveries: {
            "id": id_,
            "key": literal("scale-") + cast(at, Text),
            "message_id": literal("<") + id_ + "@example.com>",
            "connection": _renamed(sample["connection"], of),
            "lane": _renamed(sample["lane"], of),
            "options": _renamed(sample["options"], of),
            "due_at": came,
            "created_at": came,
            "updated_at": came,
        },
        tables.delivery_recipients: {"delivery_id": id_, "created_at": came},
        tables.delivery_content: {"delivery_id": id_},
    }
    for table, filled in copies.items():
        copy_rows(db, table, samples[table], numbers, filled)


def _renamed(stored: str, number: ColumnElement[str]) -> ColumnElement[str]:
    """Put the name of another connection in the place of the first one's."""
    return func.replace(literal(stored), _name(0), literal("scale-") + number, type_=Text)


if __name__ == "__main__":
    asyncio.run(fill(QueueFilling.loads(sys.argv[1])))
