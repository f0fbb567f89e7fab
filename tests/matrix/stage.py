"""Where cases are played: a database and an environment of their own; what stands there before and after."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import update

from mailnode.app import Mailnode
from mailnode.environment import Environment, open_database
from mailnode.errors import UsageError
from mailnode.store.tables import deliveries
from matrix.contents import BESIDE
from matrix.scenario import Scenario

# Long enough for a machine that has much else to do.
PATIENCE = 200.0
TOKEN = "a-token-of-this-test-run"
_HURRY_SECONDS = 0.1

# JSON.
Json = dict[str, Any]


@dataclass
class Ran:
    """What came of a case: by tag what its face said of the run and of the same run again, and what is stored now.

    Where a face has no run it is the result of the delivery. `other` is the same mail under another run id, where its
    idempotency key is its own.
    """

    statuses: list[int] = field(default_factory=list)
    said: dict[str, Json] = field(default_factory=dict)
    again: dict[str, Json] = field(default_factory=dict)
    stored: dict[str, Json] = field(default_factory=dict)
    deliveries: dict[str, list[Json]] = field(default_factory=dict)
    other: Json | None = None
    # Deliveries that report to the app which has handed in the mail.
    reports: list[Json] = field(default_factory=list)


@dataclass
class Stage:
    """Cases that share a database and an environment, and the face that runs them."""

    scenarios: Sequence[Scenario]
    home: Path
    database_url: str
    ran: dict[str, Ran] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ran = {scenario.case.id: Ran() for scenario in self.scenarios}

    @property
    def variables(self) -> dict[str, str]:
        """What every process here is told."""
        return {
            "MAILNODE_HOME": str(self.home),
            "MAILNODE_DATABASE_URL": self.database_url,
            "MAILNODE_SECRET_KEY": base64.b64encode(bytes(32)).decode(),
            "MAILNODE_TOKEN": TOKEN,
            **self.scenarios[0].environment,
        }

    @property
    def environment(self) -> Environment:
        """The same, read."""
        return Environment.read(self.variables)

    def of(self, scenario: Scenario) -> Ran:
        """What came of a case."""
        return self.ran[scenario.case.id]

    def flow(self, scenario: Scenario) -> Path:
        """Where its flow lies."""
        return self.home / "flows" / f"{scenario.name}.flow.json"

    def rows(self, scenario: Scenario) -> Path:
        """Where its rows lie."""
        return self.home / "flows" / f"{scenario.name}.jsonl"

    def run_ids(self, scenario: Scenario) -> dict[str, str]:
        """Give the run id of each tag."""
        tags = scenario.tags()
        by_row = scenario.case.face == "inputs"
        return {tag: f"{scenario.name}-{number}" if by_row else scenario.name for number, tag in enumerate(tags, 1)}

    async def prepare(self) -> None:
        """Write flows, rows and connections."""
        self.home.mkdir(parents=True, exist_ok=True)
        for path, octets in BESIDE.items():
            beside = self.home / "flows" / path
            beside.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(octets)
        for scenario in self.scenarios:
            self.flow(scenario).write_text(json.dumps(scenario.flow()), encoding="utf-8")
            rows = (json.dumps(scenario.input(tag)) for tag in scenario.tags())
            self.rows(scenario).write_text("\n".join(rows), encoding="utf-8")
            scenario.world.books.treatment[scenario.case.id] = scenario.case.server
        async with Mailnode.open(self.environment) as mailnode:
            for scenario in self.scenarios:
                if connection := scenario.connection():
                    await mailnode.connections.create(scenario.name, *connection)
            if self._has_webhook:
                await mailnode.webhooks.create("outcomes", self.scenarios[0].world.hook_url)

    @property
    def _has_webhook(self) -> bool:
        return any(scenario.case.webhook == "there" for scenario in self.scenarios)

    @asynccontextmanager
    async def hurrying(self) -> AsyncIterator[None]:
        """Have time pass at once for what was tried and waits for another try."""
        database = open_database(self.environment)
        waits = (deliveries.c.state == "queued") & (deliveries.c.tries > 0) & (deliveries.c.due_at > 0)

        async def hurry() -> None:
            while True:
                await database.write(lambda db: db.execute(update(deliveries).where(waits).values(due_at=0)))
                await asyncio.sleep(_HURRY_SECONDS)

        task = asyncio.create_task(hurry())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            database.close()

    async def look(self) -> None:
        """Read what is stored of every case."""
        async with Mailnode.open(self.environment) as mailnode:
            for scenario in self.scenarios:
                ran = self.of(scenario)
                if not scenario.case.has_flow:
                    for tag, said in ran.said.items():
                        shown = await mailnode.deliveries.show(said["deliveryId"])
                        ran.stored[tag], ran.deliveries[tag] = dict(shown["result"] or {}), [dict(shown)]
                    continue
                for tag, run_id in self.run_ids(scenario).items():
                    with suppress(UsageError):  # it did not come to that
                        ran.stored[tag] = dict(await mailnode.runs.show(run_id))
                    ran.deliveries[tag] = [dict(one) for one in await mailnode.deliveries.list(run=run_id)]
            if self._has_webhook:
                await mailnode.work(drain=True)  # what no process has posted before it was stopped

    async def send_again(self) -> None:
        """Have the same mails sent under other run ids: those that have an idempotency key of their own."""
        async with Mailnode.open(self.environment) as mailnode:
            for scenario in self.scenarios:
                if scenario.case.rest != "all" or scenario.case.face == "inputs" or not scenario.case.has_flow:
                    continue
                (tag,) = scenario.tags()
                run = await mailnode.run(
                    self.flow(scenario), input=scenario.input(tag), run_id=f"{scenario.name}-other"
                )
                self.of(scenario).other = run.to_json()
