"""Deliveries on a real database to a real server, for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select

from mailnode.delivery.courier import Courier, Delivered
from mailnode.delivery.delivery import Draft, Field, Terms
from mailnode.delivery.outbox import Outbox
from mailnode.delivery.route import Clients, Route
from mailnode.smtp.content import Composed
from mailnode.smtp.server import ServerSettings
from mailnode.store.database import Database
from mailnode.store.worker import Worker
from support.letters import letter

# Retries at once: what is tested is that there are some, not how long they wait.
AT_ONCE = Terms(first_wait=0.0)


@dataclass
class Office:
    """One process's half of `delivery/`."""

    database: Database
    worker: Worker
    outbox: Outbox
    courier: Courier

    async def deliver(
        self, port: int, message: Composed | None = None, *, terms: Terms = AT_ONCE, **draft: Any
    ) -> Delivered:
        """Send a letter to a server on this port."""
        message = message or letter()
        fields: dict[str, Field] = dict.fromkeys(message.envelope.forward_paths, "to")
        server = ServerSettings(host="127.0.0.1", port=port, tls_option="none", ehlo_name="client.example")
        drafted = Draft(message, fields, connection="", host="127.0.0.1", port=port, **draft)
        return await self.courier.deliver(drafted, Route(server), terms)

    async def rows(self, table: Table) -> list[Any]:
        """Read a table."""
        return list(await self.database.read(lambda db: db.execute(select(table)).all()))


@asynccontextmanager
async def office(home: Path) -> AsyncIterator[Office]:
    """Open one; it is closed as `Mailnode` closes it."""
    database = Database.open(home / "mailnode.db")
    clients = Clients()
    with Worker(home / "workers") as worker:
        outbox = Outbox(database, worker)
        courier = Courier(outbox, clients)
        try:
            yield Office(database, worker, outbox, courier)
        finally:
            await courier.close()
            await clients.close()
            database.close()
