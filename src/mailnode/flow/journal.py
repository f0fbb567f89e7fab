"""The runs in the database: a run id is good for one run, and tells for ever what came of it."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from mailnode.delivery.delivery import Delivery
from mailnode.delivery.report import Report
from mailnode.errors import DeliveryError
from mailnode.flow.follow import Outcome, follow, outcomes_of, pending_of
from mailnode.store.clock import unix_ms
from mailnode.store.database import Database
from mailnode.store.insist import insist
from mailnode.store.tables import runs
from mailnode.store.worker import Worker

POLL_SECONDS = 0.2
_UNDER_WAY: dict[str, Any] = {}


class Journal:
    """Runs, written down by this worker."""

    def __init__(self, database: Database, worker: Worker) -> None:
        """Work on `database` as `worker`."""
        self._database = database
        self._worker = worker

    async def begin(self, run_id: str, flow: str, digest: str) -> dict[str, Any] | None:
        """Write down that a run begins; give what came of it when it was run to its end before.

        One that is under way elsewhere is waited for. A run whose process died is begun anew: its mails have keys of
        their own, so none is sent twice.

        Raises:
            DeliveryError: the id belongs to a run of another flow or input.
        """
        while (found := await self._begin(run_id, flow, digest)) is _UNDER_WAY:  # noqa: ASYNC110 -- see below
            await asyncio.sleep(POLL_SECONDS)  # another process has no event of ours
        return found

    async def _begin(self, run_id: str, flow: str, digest: str) -> dict[str, Any] | None:
        def work(db: Connection) -> dict[str, Any] | None:
            this = select(runs).where(runs.c.id == run_id).with_for_update()
            row = db.execute(this).first()
            if row is None:
                values = {"id": run_id, "flow": flow, "digest": digest, "worker": self._worker.id}
                try:
                    with db.begin_nested():
                        now = unix_ms()
                        db.execute(insert(runs).values(status="running", created_at=now, updated_at=now, **values))
                    return None
                except IntegrityError:  # another process has just begun it
                    row = db.execute(this).one()
            if row.digest != digest:
                raise DeliveryError(
                    f"the run id {run_id!r} was used for another flow or input",
                    hint="give each run an id of its own, or leave it out",
                )
            if row.status != "running":
                ended: dict[str, Any] = json.loads(row.state)
                return ended
            if self._worker.alive(db, row.worker):
                return _UNDER_WAY
            db.execute(update(runs).where(runs.c.id == run_id).values(worker=self._worker.id, updated_at=unix_ms()))
            return None

        return await self._database.write(work)

    async def end(self, run_id: str, status: str, state: dict[str, Any]) -> None:
        """Write down how a run ended, as JSON that `begin` gives back.

        Outcomes that came meanwhile take the place of `queued` in it.
        """

        def work(db: Connection) -> None:
            this = runs.c.id == run_id
            # First, because it locks the row: no outcome may come between reading the outcomes and writing the state.
            db.execute(update(runs).where(this).values(status=status, updated_at=unix_ms()))
            for outcome in outcomes_of(db, pending_of(state)):
                follow(state, outcome)
            db.execute(update(runs).where(this).values(state=json.dumps(state)))

        await insist(lambda: self._database.write(work))

    async def read(self, run_id: str) -> dict[str, Any]:
        """Read how a run ended, with all that has come of its mails since."""
        query = select(runs.c.state).where(runs.c.id == run_id)
        said: dict[str, Any] = json.loads(await self._database.read(lambda db: db.execute(query).scalar_one()))
        return said


def tell(db: Connection, ended: Sequence[tuple[Delivery, Report]]) -> None:
    """Bring outcomes where runs that have ended still hold the first word of them."""
    by_run: dict[str, list[Outcome]] = {}
    for delivery, report in ended:
        if delivery.run_id is not None:
            by_run.setdefault(delivery.run_id, []).append(Outcome(delivery.node_id, delivery.place, report))
    # Locked though it has no state yet: who is writing that now must see these outcomes, or be seen here.
    theirs = select(runs.c.id, runs.c.state).where(runs.c.id.in_(sorted(by_run))).order_by(runs.c.id).with_for_update()
    for row in db.execute(theirs).all() if by_run else ():
        if row.state is None:
            continue
        said = json.loads(row.state)
        if [outcome for outcome in by_run[row.id] if follow(said, outcome)]:
            db.execute(update(runs).where(runs.c.id == row.id).values(state=json.dumps(said)))
