"""The runs that nobody waits for, in the database: any worker takes them up, also when the one before has died."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, literal_column, select, update

from mailnode.flow.run_queries import ShownRunStatus
from mailnode.flow.run_store import other_run
from mailnode.store.backend import ThisProcess
from mailnode.store.clock import unix_ms
from mailnode.store.database import Database
from mailnode.store.prepared import Change
from mailnode.store.retry import retry_begin, retry_transient
from mailnode.store.sql import insert_new
from mailnode.store.tables import runs

# A run that so many processes have died of is left to a person.
MOST_LOSSES = 3
# Spelled out in the statement: an index of only some rows is not used for a parameter.
_QUEUED = (runs.c.status == literal_column("'running'")) & runs.c.request.is_not(None)
_DUE = select(runs.c.id, runs.c.flow, runs.c.digest, runs.c.losses).order_by(runs.c.created_at, runs.c.id)
_WORKERS = select(runs.c.worker).where(_QUEUED, runs.c.worker.is_not(None)).distinct()
_INSERT = Change(insert_new(runs))


class DueRun(NamedTuple):
    """A queued run that nobody runs; too many processes have died of it if `is_lost`."""

    id: str
    flow: str
    digest: str
    is_lost: bool


class AcceptedRun(NamedTuple):
    """A run that a worker will run.

    Attributes:
        id: The run's id.
        flow: The name of its flow.
        status: `running`, or that of the run that has ended under this id.
        is_repeat: Whether its id was there before.
    """

    id: str
    flow: str
    status: ShownRunStatus
    is_repeat: bool

    def to_json(self) -> dict[str, Any]:
        """Give it as command line and API show it; `duplicate` means that the id was there before."""
        repeat = {"duplicate": True} if self.is_repeat else {}
        return {**repeat, "run": self.id, "flow": self.flow, "status": self.status}


class RunQueue:
    """Queued runs, stored by this process; `wake` is called when one was added."""

    def __init__(self, database: Database, process: ThisProcess) -> None:
        """Work on `database` as `process`."""
        self._database = database
        self._process = process
        self.wake: Callable[[], None] = lambda: None

    async def put(self, run_id: str, flow: str, digest: str, request: str) -> AcceptedRun:
        """Store a run that a worker is to run; one that is under way or over already stays what it is.

        A run under this id whose process has died is queued, to be taken up where it was.

        Raises:
            DeliveryError: the id belongs to a run of another flow or input.
            StoreError: it can't be stored.
        """
        now = unix_ms()
        times = {"created_at": now, "updated_at": now}
        row = {"id": run_id, "flow": flow, "digest": digest, "status": "running", "request": request, **times}
        accepted = await retry_begin(lambda: self._database.write(lambda db: self._put(db, row)))
        self.wake()
        return accepted

    def _put(self, db: Connection, row: dict[str, Any]) -> AcceptedRun:
        run_id, flow = row["id"], row["flow"]
        if _INSERT.run(db, [row]):
            return AcceptedRun(run_id, flow, "running", is_repeat=False)
        known = select(runs.c.digest, runs.c.status).where(runs.c.id == run_id).with_for_update()
        there = db.execute(known).one()
        if there.digest != row["digest"]:
            raise other_run(run_id)
        # The promise holds for one that is run already by somebody who waits for it, and who may die.
        unpromised = (runs.c.id == run_id) & (runs.c.status == "running") & runs.c.request.is_(None)
        db.execute(update(runs).where(unpromised).values(request=row["request"], losses=None))
        return AcceptedRun(run_id, flow, there.status, is_repeat=True)

    async def due(self, limit: int, is_ours: Callable[[str], bool]) -> list[DueRun]:
        """Give queued runs that nobody runs, the oldest first, `limit` of each kind at the most.

        `is_ours` tells which of this process's own are under way in it.

        Raises:
            StoreError: the database can't be asked now.
        """
        return await self._database.glance(lambda db: self._due(db, limit, is_ours))

    def _due(self, db: Connection, limit: int, is_ours: Callable[[str], bool]) -> list[DueRun]:
        waiting = self._found(db, runs.c.worker.is_(None), limit)
        workers = {*db.execute(_WORKERS).scalars()}
        dead = self._process.dead_among(db, workers - {self._process.id})
        lost = self._found(db, runs.c.worker.in_(dead), limit, has_lost=True) if dead else []
        left: list[DueRun] = []
        if self._process.id in workers:
            own = self._found(db, runs.c.worker == self._process.id, None)
            left = [one for one in own if not is_ours(one.id)][:limit]
        return [*waiting, *lost, *left]

    def _found(
        self, db: Connection, condition: ColumnElement[bool], limit: int | None, *, has_lost: bool = False
    ) -> list[DueRun]:
        rows = db.execute(_DUE.where(_QUEUED, condition).limit(limit)).all()
        return [DueRun(row.id, row.flow, row.digest, (row.losses or 0) + has_lost >= MOST_LOSSES) for row in rows]

    async def request_of(self, run_id: str) -> str | None:
        """Read what a queued run begins with; None if it is queued no more.

        Raises:
            StoreError: the database can't be asked for long.
        """
        asked = select(runs.c.request).where(runs.c.id == run_id, _QUEUED)
        read = self._database.read
        found: str | None = await retry_transient(lambda: read(lambda db: db.execute(asked).scalar_one_or_none()))
        return found

    async def give_up(self, run_ids: Sequence[str]) -> None:
        """Leave queued runs to a person: they are interrupted then, and nobody takes them up.

        Raises:
            StoreError: it can't be stored for long.
        """
        given_up = (runs.c.id.in_(run_ids)) & (runs.c.status == "running")
        left = update(runs).where(given_up).values(request=None, updated_at=unix_ms())
        await retry_transient(lambda: self._database.write(lambda db: db.execute(left)))
