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

from sqlalchemy import BigInteger, ColumnElement, Table, Text, cast, create_engine, func, literal, select

from benchmarks.clients.fill import copy_rows, id_in_sql, numbers_to
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
    with engine.connect() as db:
        at = (numbers := numbers_to(filling.deliveries - 1)).c.number
        # One after another, each with its own place in time, as if they had come in turns.
        of = cast(at % filling.connections, Text)
        (sample,) = db.execute(select(tables.deliveries)).all()
        (routed,) = db.execute(select(tables.routes)).all()
        id_ = id_in_sql(db, at)
        # Over some hours: of one minute the counting trigger would change one row a million times in one transaction.
        came = cast(sample.created_at - (filling.deliveries - at) * CAME_MS // filling.deliveries, BigInteger)

        def renamed(stored: str) -> ColumnElement[str]:
            return func.replace(literal(stored), _name(0), literal("scale-") + of, type_=Text)

        copies: dict[Table, Mapping[str, ColumnElement[Any]]] = {
            tables.deliveries: {
                "id": id_,
                "key": literal("scale-") + cast(at, Text),
                "message_id": literal("<") + id_ + "@example.com>",
                "connection": renamed(sample.connection),
                "lane": renamed(sample.route_key),
                "options": renamed(sample.options),
                "due_at": came,
                "created_at": came,
                "updated_at": came,
            },
            tables.delivery_recipients: {"delivery_id": id_, "created_at": came},
            tables.delivery_content: {"delivery_id": id_},
        }
        for table, filled in copies.items():
            copy_rows(db, table, numbers, filled)
        others = numbers_to(filling.connections - 1)
        of = cast(others.c.number, Text)
        names = {"name": renamed(routed.name), "connection": renamed(routed.connection)}
        copy_rows(db, tables.routes, others, names)
        db.commit()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
        db.exec_driver_sql("ANALYZE")
    engine.dispose()


if __name__ == "__main__":
    asyncio.run(fill(QueueFilling.loads(sys.argv[1])))
