"""The runs in the database: a run id is good for one run, and tells for ever what came of it."""

import asyncio
import json
from typing import Any

from sqlalchemy import Connection, insert, select, update

from mailnode.errors import DeliveryError
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
            row = db.execute(select(runs).where(runs.c.id == run_id)).first()
            if row is None:
                values = {"id": run_id, "flow": flow, "digest": digest, "created_at": unix_ms()}
                db.execute(
                    insert(runs).values(status="running", worker=self._worker.id, updated_at=unix_ms(), **values)
                )
                return None
            if row.digest != digest:
                raise DeliveryError(
                    f"the run id {run_id!r} was used for another flow or input",
                    hint="give each run an id of its own, or leave it out",
                )
            if row.status != "running":
                ended: dict[str, Any] = json.loads(row.state)
                return ended
            if self._worker.is_alive(row.worker):
                return _UNDER_WAY
            db.execute(update(runs).where(runs.c.id == run_id).values(worker=self._worker.id, updated_at=unix_ms()))
            return None

        return await self._database.write(work)

    async def end(self, run_id: str, status: str, state: dict[str, Any]) -> None:
        """Write down how a run ended, as JSON that `begin` gives back."""
        values = {"status": status, "state": json.dumps(state), "updated_at": unix_ms()}
        ended = update(runs).where(runs.c.id == run_id).values(**values)
        await insist(lambda: self._database.write(lambda db: db.execute(ended)))
