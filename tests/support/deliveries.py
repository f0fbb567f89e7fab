"""Deliveries on a real database to a real server, for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Table, select

from mailnode.connections.connection import Connection
from mailnode.connections.repository import ConnectionRepository
from mailnode.connections.service import find_service
from mailnode.delivery.admin import Deliveries
from mailnode.delivery.circuit_breaker import CircuitBreaker
from mailnode.delivery.claims import Claims
from mailnode.delivery.delivery import Terms
from mailnode.delivery.dispatcher import Dispatcher, WaitResult
from mailnode.delivery.outbox import Outbox
from mailnode.delivery.prepare import PreparedMail
from mailnode.delivery.queue_worker import QueueWorker
from mailnode.delivery.route import Clients, Destination, OtherServer, Router, route
from mailnode.engine.embedded import EmbeddedEngine
from mailnode.environment import Environment, open_connections
from mailnode.flow.run_store import RunStore, store_outcomes
from mailnode.message.envelope import Message
from mailnode.smtp.proxy import Proxy
from mailnode.store.backend import ThisProcess
from mailnode.store.database import Database
from support.messages import letter

# Retries at once: what is tested is that there are some, not how long they wait.
AT_ONCE = Terms(first_wait=0.0)


def prepared(
    port: int,
    message: Message | None = None,
    *,
    terms: Terms = AT_ONCE,
    connection: Connection | None = None,
    service: str = "",
    ca: str | None = None,
    **mail: Any,
) -> PreparedMail:
    """Make a letter to a server on this port, over TLS with `ca`, or to a service, that is ready to be written down."""
    message = message or letter()
    server = OtherServer(host="127.0.0.1", port=port, tls_option="tls" if ca else "none", ca=ca)
    target = find_service(service) if service else server
    destination = Destination(target, connection.name if connection else "", "client.example")
    to = route(target, connection, ehlo_name="client.example")
    return PreparedMail(message=message, destination=destination, route=to, terms=terms, **mail)


@dataclass
class Sending:
    """One process's half of `delivery/`."""

    database: Database
    repository: ConnectionRepository
    process: ThisProcess
    outbox: Outbox
    dispatcher: Dispatcher
    queue_worker: QueueWorker
    deliveries: Deliveries

    async def deliver(
        self, port: int, message: Message | None = None, *, terms: Terms = AT_ONCE, **mail: Any
    ) -> WaitResult:
        """Send a letter to a server on this port."""
        return await self.dispatcher.deliver(prepared(port, message, terms=terms, **mail))

    async def rows(self, table: Table) -> list[Any]:
        """Read a table."""
        return list(await self.database.read(lambda db: db.execute(select(table)).all()))


@asynccontextmanager
async def sending(home: Path, *, proxy: Proxy | None = None) -> AsyncIterator[Sending]:
    """Open one; it is closed as `Mailnode` closes it."""
    clients = Clients()
    async with open_connections(replace(Environment.read(), home=home)) as (database, _, repository, process):
        engine = EmbeddedEngine()
        outbox = Outbox(database, process, engine.wake, store_outcomes, RunStore(database, process))
        breaker = CircuitBreaker(database, process)
        find = Router(repository, proxy=proxy).find
        dispatcher = Dispatcher(outbox, breaker, clients, find)
        queue_worker = QueueWorker(
            outbox, Claims(database, process, store_outcomes), dispatcher, breaker, clients, find
        )
        try:
            yield Sending(
                database,
                repository,
                process,
                outbox,
                dispatcher,
                queue_worker,
                Deliveries(database, process, engine.wake, store_outcomes),
            )
        finally:
            await queue_worker.stop()
            await dispatcher.close()
            await clients.close()
