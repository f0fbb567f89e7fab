"""Looks at `/health` all the time, and holds what it says against what is known from elsewhere."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2
from sqlalchemy import Connection, select

from mailnode.delivery.delivery import FINAL_STATES
from mailnode.errors import StoreError
from mailnode.store.database import Database
from mailnode.store.tables import deliveries, delivery_recipients
from support.fleet import Fleet
from support.server_records import ServerBook

EVERY_SECONDS = 0.2
# Where a commit of our own, or the answer itself, takes so long the machine is slow, and nobody else's is quick.
SLOW_SECONDS = 1.0
# How soon after a trouble all has to be well again.
WELL_WITHIN_SECONDS = 5.0
# How long an outcome may be on its way to the database before it counts as waiting: twice as long as is promised, as
# the machine may be slow.
STORING_SECONDS = 6.0


@dataclass
class HealthWatch:
    """What was seen: `looks` by status, 0 for none, and `lies` with what was true instead.

    `in_trouble` names what is done to the processes now; `is_gone` is that the editor's process is not there, `is_deaf`
    that the database answers nobody. `history` has what was done, and when.
    """

    fleet: Fleet
    database: Database
    books: Iterable[ServerBook]
    looks: dict[int, int] = field(default_factory=dict)
    lies: list[str] = field(default_factory=list)
    slowest: float = 0.0
    latest_well: float = 0.0
    in_trouble: str = ""
    is_gone: bool = False
    is_deaf: bool = False
    history: list[str] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    _slow_at: float = -math.inf
    _writing_since: float | None = None
    _changes: int = 0
    _calm_since: float = 0.0

    @asynccontextmanager
    async def trouble(self, name: str, *, gone: bool = False, deaf: bool = False) -> AsyncIterator[None]:
        self.in_trouble, self.is_gone, self.is_deaf = name, gone, deaf
        self._changes += 1
        self.history.append(f"{time.strftime('%H:%M:%S')} {name}")
        try:
            yield
        finally:
            self.history.append(f"{time.strftime('%H:%M:%S')} over")
            self.in_trouble, self.is_gone, self.is_deaf = "", False, False
            self._changes += 1
            self._calm_since = time.monotonic()

    async def watch(self) -> None:
        """Look until cancelled."""
        async with self.fleet.client() as client, asyncio.TaskGroup() as group:
            group.create_task(self._write())
            while True:
                await self._look(client)
                await asyncio.sleep(EVERY_SECONDS)

    async def _write(self) -> None:
        """Write something of our own all the time, and see how long that takes."""

        def work(db: Connection) -> None:
            db.exec_driver_sql("CREATE TABLE IF NOT EXISTS watched (number INTEGER)")
            db.exec_driver_sql("INSERT INTO watched VALUES (1)")

        while True:
            self._writing_since = began = time.monotonic()
            with suppress(StoreError):
                await self.database.write(work)
            self._writing_since = None
            if time.monotonic() - began > SLOW_SECONDS:
                self._slow_at = time.monotonic()
            await asyncio.sleep(EVERY_SECONDS)

    def _is_slow(self) -> bool:
        now = time.monotonic()
        is_writing = self._writing_since is not None and now - self._writing_since > SLOW_SECONDS
        return is_writing or now - self._slow_at < STORING_SECONDS

    async def _look(self, client: httpx2.AsyncClient) -> None:
        hidden = await self._hidden()
        began, changes, trouble = time.monotonic(), self._changes, self.in_trouble
        is_gone, is_deaf, calm_since = self.is_gone, self.is_deaf, self._calm_since
        try:
            answer = await client.get("/health")
        except httpx2.TransportError as error:
            self.looks[0] = self.looks.get(0, 0) + 1
            if not is_gone and changes == self._changes and began - calm_since > WELL_WITHIN_SECONDS and not trouble:
                self.lies.append(f"no answer, and nothing was wrong: {error!r}")
            return
        self.looks[answer.status_code] = self.looks.get(answer.status_code, 0) + 1
        took = time.monotonic() - began
        self.slowest = max(self.slowest, took)
        told = answer.json()
        is_well = answer.status_code == 200
        self._is_consistent(answer.status_code, told)
        if is_well and hidden and hidden & await self._hidden():
            ages = {
                one: round(time.monotonic() - at, 1) for book in self.books for one, (_, at) in book.answered.items()
            }
            waiting = {one: (self.states.get(one), ages.get(one)) for one in hidden}
            self.lies.append(f"well, and outcomes wait ({trouble}, {began - calm_since:.1f} s): {waiting}; {told}")
        if changes != self._changes:
            return
        if is_deaf and is_well:
            self.lies.append(f"well, and the database was away: {told}")
        if took > SLOW_SECONDS:
            self._slow_at = time.monotonic()
        if not trouble and not is_well and not self._is_slow():
            self.latest_well = max(self.latest_well, began - calm_since)
            if began - calm_since > WELL_WITHIN_SECONDS:
                self.lies.append(f"not well {began - calm_since:.1f} s after the trouble: {told}")

    def _is_consistent(self, status: int, told: dict[str, Any]) -> None:
        is_bad = bool(told["outcomesWaiting"] or not told["worker"]["alive"] or not told["ready"] or told["reason"])
        if is_bad != (status == 503) or (told["status"] == "ok") != (status == 200):
            self.lies.append(f"{status} with {told}")

    async def _hidden(self) -> set[str]:
        """Give those whose mail the editor's process knows to be taken for a while, and the database does not."""
        now = time.monotonic()
        late = [one for book in self.books for one, (_, at) in book.answered.items() if now - at > STORING_SECONDS]
        if not late:
            return set()
        states = select(delivery_recipients.c.address, deliveries.c.state, deliveries.c.tries).join(deliveries)
        with suppress(StoreError):
            rows = await self.database.read(
                lambda db: db.execute(states.where(delivery_recipients.c.address.in_(late))).all()
            )
            self.states = {row.address: f"{row.state}, try {row.tries}" for row in rows}
            stored = {row.address for row in rows if row.state in FINAL_STATES}
            for book in self.books:
                for one in stored:
                    book.answered.pop(one, None)
            return set(late) - stored
        return set()
