"""The runs in the database: a run id belongs to one run, and gives its outcome ever after."""

import asyncio
import json
import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from mailnode.delivery.delivery import Delivery
from mailnode.delivery.result import Result
from mailnode.delivery.row_reader import stored_json
from mailnode.errors import DeliveryError, StoreError
from mailnode.flow.state import MailOutcome, apply_outcome, outcomes_of, queued_in, results_in, unstored_in
from mailnode.store.backend import ThisProcess
from mailnode.store.clock import unix_ms
from mailnode.store.database import Database
from mailnode.store.retry import retry_begin, retry_transient
from mailnode.store.sql import savepoint
from mailnode.store.tables import runs

POLL_SECONDS = 0.2
_log = logging.getLogger(__name__)
_IN_PROGRESS: dict[str, Any] = {}


class RunStore:
    """Runs, stored by this process."""

    def __init__(self, database: Database, process: ThisProcess) -> None:
        """Work on `database` as `process`."""
        self._database = database
        self._process = process

    async def begin(self, run_id: str, flow: str, digest: str) -> dict[str, Any] | None:
        """Store that a run begins; gives the stored run instead if it has ended before.

        A run in progress elsewhere is waited for. A run whose process died begins again: its emails have idempotency
        keys, so none is sent twice.

        Raises:
            DeliveryError: the id belongs to a run of another flow or input.
        """
        new_run = _NewRun(run_id, flow, digest)
        while (found := await retry_begin(lambda: self._begin_shielded(new_run))) is _IN_PROGRESS:  # noqa: ASYNC110 -- see below
            await asyncio.sleep(POLL_SECONDS)  # another process has no event of ours
        return found

    async def _begin_shielded(self, new_run: "_NewRun") -> dict[str, Any] | None:
        beginning = asyncio.create_task(self._database.write_alike(self._begin, new_run))
        try:
            await asyncio.wait({beginning})
        except asyncio.CancelledError:
            await asyncio.wait({beginning})
            if not (beginning.cancelled() or beginning.exception() or beginning.result()):
                await self.abandon(new_run.run_id)
            raise
        return beginning.result()

    async def abandon(self, run_id: str) -> None:
        """Store that this process has abandoned a run, as if the process had died."""
        in_this_process = (runs.c.id == run_id) & (runs.c.status == "running") & (runs.c.worker == self._process.id)
        left = update(runs).where(in_this_process).values(worker=None, updated_at=unix_ms())
        try:
            await self._database.write(lambda db: db.execute(left))
        except StoreError as error:
            _log.warning("run %s was abandoned, but this can't be stored: %s", run_id, error)

    async def end(self, run_id: str, status: str, state: dict[str, Any]) -> None:
        """Store how a run ended, as JSON that `begin` gives back.

        Outcomes that came in the meantime replace `queued` in it.

        Raises:
            StoreError: it can't be stored for long; it is still retried.
        """
        ended = _EndedRun(run_id, status, state)
        await self._database.unstored.keep_beside(lambda: self._database.write_alike(_end, ended))

    def _begin(self, db: Connection, new_runs: list["_NewRun"]) -> list[dict[str, Any] | Exception | None]:
        there = {row.id: row for row in db.execute(_LOCKED, {"ids": [one.run_id for one in new_runs]})}
        fresh = {one.run_id: one for one in reversed(new_runs) if one.run_id not in there}
        try:
            with savepoint(db):
                self._insert(db, list(fresh.values()))
        except IntegrityError:  # another process has just begun one of them
            return [_IN_PROGRESS for _ in new_runs]
        answers: list[dict[str, Any] | Exception | None] = []
        for one in new_runs:
            if one.run_id in there:
                answers.append(self._resume(db, there[one.run_id], one))
            else:  # of several with one id the first is the one that runs
                answers.append(None if fresh[one.run_id] is one else _IN_PROGRESS)
        return answers

    def _insert(self, db: Connection, fresh: list["_NewRun"]) -> None:
        now = unix_ms()
        written = {"status": "running", "worker": self._process.id, "created_at": now, "updated_at": now}
        rows = [{"id": one.run_id, "flow": one.flow, "digest": one.digest, **written} for one in fresh]
        if rows:
            db.execute(_INSERT, rows)

    def _resume(self, db: Connection, row: Row[Any], new_run: "_NewRun") -> dict[str, Any] | Exception | None:
        if row.digest != new_run.digest:
            return DeliveryError(
                f"the run id {new_run.run_id!r} was used for another flow or input",
                hint="give each run its own id, or none; for another flow over the same rows choose another run id",
            )
        if row.status != "running":
            return _ended(row)
        if row.worker and self._process.is_alive(db, row.worker):
            return _IN_PROGRESS
        db.execute(update(runs).where(runs.c.id == row.id).values(worker=self._process.id, updated_at=unix_ms()))
        return None

    async def with_outcomes(self, run: dict[str, Any]) -> dict[str, Any]:
        """Give a run, as JSON, with the outcomes that its emails have by now."""
        pending = queued_in(results_in(run))
        outcomes = await retry_transient(lambda: self._database.read(lambda db: list(outcomes_of(db, pending))))
        for outcome in outcomes:
            apply_outcome(run, outcome)
        return run


class _NewRun(NamedTuple):
    """A run that begins."""

    run_id: str
    flow: str
    digest: str


class _EndedRun(NamedTuple):
    """A run that has ended."""

    run_id: str
    status: str
    state: dict[str, Any]


_INSERT = insert(runs)
_END = update(runs).where(runs.c.id == bindparam("of"))
# The same order everywhere, so that there is no deadlock.
_LOCKED = select(runs).where(runs.c.id.in_(bindparam("ids", expanding=True))).order_by(runs.c.id).with_for_update()


def _end(db: Connection, ended: list[_EndedRun]) -> list[None]:
    lacking = ((one, queued_in(results_in(one.state)) + unstored_in(results_in(one.state))) for one in ended)
    waiting = {one.run_id: (one, lacks) for one, lacks in lacking if lacks}
    if waiting:
        # Locked first, so that no outcome comes between reading the outcomes and writing the state.
        db.execute(_LOCKED, {"ids": list(waiting)}).all()
        for one, lacks in waiting.values():
            for outcome in outcomes_of(db, lacks):
                apply_outcome(one.state, outcome)
    now = unix_ms()
    rows = [
        {"of": one.run_id, "status": one.status, "state": json.dumps(one.state), "updated_at": now} for one in ended
    ]
    db.execute(_END, sorted(rows, key=lambda row: str(row["of"])))
    return [None for _ in ended]


def store_outcomes(db: Connection, ended: Sequence[tuple[Delivery, Result]]) -> None:
    """Replace first results by outcomes in runs that have ended."""
    by_run: dict[str, list[MailOutcome]] = {}
    for delivery, result in ended:
        if delivery.run_id is not None:
            by_run.setdefault(delivery.run_id, []).append(MailOutcome(delivery.node_id, delivery.place, result))
    # Locked even without a state: whoever is writing it now must see these outcomes, or be seen here.
    for row in db.execute(_LOCKED, {"ids": list(by_run)}).all() if by_run else ():
        if row.state is None:
            continue
        if (state := _with_outcomes(row, by_run[row.id])) is not None:
            db.execute(update(runs).where(runs.c.id == row.id).values(state=state))


def _ended(row: Row[Any]) -> dict[str, Any] | Exception:
    run = stored_json(row.state)
    if "nodes" in run:
        return run
    return StoreError(
        f"the stored state of the run {row.id!r} is damaged",
        hint="look for its email in the list of deliveries; to run it again choose another run id",
    )


def _with_outcomes(row: Row[Any], outcomes: list[MailOutcome]) -> str | None:
    """Give the state with these outcomes; None if it has no place for them, or is damaged."""
    try:
        run = json.loads(row.state)
        return json.dumps(run) if [outcome for outcome in outcomes if apply_outcome(run, outcome)] else None
    except Exception:  # noqa: BLE001 -- another program may have written anything
        _log.exception("the stored state of run %s is damaged: outcomes of its email were not added", row.id)
        return None
