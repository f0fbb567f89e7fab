"""The runs in the database: a run id belongs to one run, and gives its outcome ever after."""

import asyncio
import json
import logging
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, select, update

from mailnode.delivery.delivery import Delivery
from mailnode.delivery.recovery import RunEnd
from mailnode.delivery.result import NOT_STORED, Result
from mailnode.delivery.row_reader import stored_json
from mailnode.errors import DeliveryError, StoreError
from mailnode.flow.state import MailOutcome, apply_outcome, outcomes_of, queued_in, results_in, unstored_in
from mailnode.store.backend import ThisProcess
from mailnode.store.clock import unix_ms
from mailnode.store.database import Database
from mailnode.store.prepared import AnyOf, Change, Query
from mailnode.store.retry import retry_begin, retry_transient
from mailnode.store.sql import insert_new
from mailnode.store.steps import InSteps
from mailnode.store.tables import runs

POLL_SECONDS = 0.2
_log = logging.getLogger(__name__)
_IN_PROGRESS: dict[str, Any] = {}


class RunStore:
    """Runs, stored by this process; they are the RunHooks of its outbox."""

    def __init__(self, database: Database, process: ThisProcess) -> None:
        """Work on `database` as `process`."""
        self._database = database
        self._process = process
        # Runs of this process by id, those that are not stored yet among them.
        self._under_way: dict[str, _NewRun] = {}
        self._unstored: dict[str, _NewRun] = {}

    def begin_new(self, run_id: str, flow: str, digest: str) -> None:
        """Begin a run whose id nobody can know: it is stored with its first delivery, or else with its end."""
        self._under_way[run_id] = self._unstored[run_id] = _NewRun(run_id, flow, digest)

    async def begin(self, run_id: str, flow: str, digest: str) -> dict[str, Any] | None:
        """Store that a run begins; gives the stored run instead if it has ended before.

        A run in progress is waited for. A run whose process died begins again: its emails have idempotency keys, so
        none is sent twice.

        Raises:
            DeliveryError: the id belongs to a run of another flow or input.
        """
        new_run = _NewRun(run_id, flow, digest)
        while True:
            found = self._under_way.get(run_id)
            if found is None:
                if (begun := await self._try_begin(new_run)) is not _IN_PROGRESS:
                    return begun
            elif found.digest != digest:
                raise other_run(run_id)
            await asyncio.sleep(POLL_SECONDS)  # another process has no event of ours

    async def take_up(self, run_id: str, flow: str, digest: str) -> bool:
        """Begin a run that is stored already, as `begin` does; tell false if it has ended, or somebody runs it."""
        return run_id not in self._under_way and await self._try_begin(_NewRun(run_id, flow, digest)) is None

    def is_under_way(self, run_id: str) -> bool:
        """Tell whether this process runs it."""
        return run_id in self._under_way

    async def _try_begin(self, new_run: "_NewRun") -> dict[str, Any] | None:
        self._under_way[new_run.run_id] = new_run
        begun: dict[str, Any] | None = _IN_PROGRESS
        try:
            begun = await retry_begin(lambda: self._store_begin(new_run))
        finally:
            if begun is not None:
                self._under_way.pop(new_run.run_id, None)
        return begun

    async def _store_begin(self, new_run: "_NewRun") -> dict[str, Any] | None:
        try:
            return await self._database.write_alike(self._begin, new_run)
        except asyncio.CancelledError:
            await self.abandon(new_run.run_id)  # in case that it is stored all the same
            raise

    async def abandon(self, run_id: str) -> None:
        """Store that this process has abandoned a run, as if the process had died."""
        in_this_process = (runs.c.id == run_id) & (runs.c.status == "running") & (runs.c.worker == self._process.id)
        left = update(runs).where(in_this_process).values(worker=None, updated_at=unix_ms())
        try:
            await self._database.write(lambda db: db.execute(left))
        except StoreError as error:
            _log.warning("run %s was abandoned, but this can't be stored: %s", run_id, error, extra={"run": run_id})
        finally:
            self._forget(run_id)

    async def end(self, run_id: str, status: str, state: dict[str, Any] | None) -> None:
        """Store how a run ended, as JSON that `begin` gives back; None if that is stored already.

        Outcomes that came in the meantime replace `queued` in it.

        Raises:
            StoreError: it can't be stored for long; it is still retried.
        """
        if state is not None:
            ended = RunEnd(run_id, status, json.dumps(state))
            await self._database.unstored.keep_beside(lambda: self._store_end(ended))
        self._forget(run_id)

    async def _store_end(self, ended: RunEnd) -> None:
        await self._database.write_alike(self._end, ended)
        self._forget(ended.run_id)  # also where nobody waits for it any more

    def _forget(self, run_id: str) -> None:
        self._under_way.pop(run_id, None)
        self._unstored.pop(run_id, None)

    def store_begins(self, db: Connection, run_ids: Collection[str | None]) -> None:
        """Store those of these runs that are not stored yet, in the transaction that stores deliveries of theirs."""
        self._insert(db, [new for one in run_ids if one is not None and (new := self._unstored.get(one))])

    def store_ends(self, db: Connection, ends: Sequence[RunEnd]) -> None:
        """Store how runs ended; outcomes that came in the meantime replace `queued` in them."""
        states = {one.run_id: one.state for one in ends}
        lacking = {one.run_id: lacks for one in ends if (lacks := _lacking(one.state))}
        if lacking:
            # Locked first, so that no outcome comes between reading the outcomes and writing the state.
            _LOCKED.all(db, ids=[*lacking])
            for run_id, lacks in lacking.items():
                state = json.loads(states[run_id])
                for outcome in outcomes_of(db, lacks):
                    apply_outcome(state, outcome)
                states[run_id] = json.dumps(state)
        now = unix_ms()
        rows = [
            {"of": one.run_id, "status": one.status, "state": states[one.run_id], "request": None, "updated_at": now}
            for one in sorted(ends)
        ]
        if _END.run(db, rows) < len(rows):  # one that had nothing to store before
            self.store_begins(db, states)
            _END.run(db, rows)

    def _end(self, db: Connection, ends: list[RunEnd]) -> list[None]:
        self.store_ends(db, ends)
        return [None for _ in ends]

    def _begin(self, db: Connection, new_runs: list["_NewRun"]) -> list[dict[str, Any] | Exception | None]:
        if self._insert(db, new_runs) == len(new_runs):
            return [None for _ in new_runs]
        there = {row.id: row for row in _LOCKED.all(db, ids=[one.run_id for one in new_runs])}
        return [self._resume(db, there[one.run_id], one) for one in new_runs]

    def _insert(self, db: Connection, new_runs: list["_NewRun"]) -> int:
        now = unix_ms()
        written = {"status": "running", "worker": self._process.id, "created_at": now, "updated_at": now}
        rows = [{"id": one.run_id, "flow": one.flow, "digest": one.digest, **written} for one in sorted(new_runs)]
        return _INSERT.run_at_once(db, rows)

    def _resume(self, db: Connection, row: Row[Any], new_run: "_NewRun") -> dict[str, Any] | Exception | None:
        if row.digest != new_run.digest:
            return other_run(row.id)
        if row.status != "running":
            return _ended(row)
        # What this process has under way is not begun again, so that what bears its name was stored by this very call.
        if row.worker == self._process.id:
            return None
        if row.worker and self._process.is_alive(db, row.worker):
            return _IN_PROGRESS
        lost = {"losses": (row.losses or 0) + 1} if row.worker else {}
        taken = {"worker": self._process.id, "updated_at": unix_ms(), **lost}
        db.execute(update(runs).where(runs.c.id == row.id).values(taken))
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


_INSERT = Change(insert_new(runs))
_END = Change(update(runs).where(runs.c.id == bindparam("of")))
# What a queued run begins with may be long, and only who runs it reads it.
_KNOWN = [column for column in runs.c if column is not runs.c.request]
# The same order everywhere, so that there is no deadlock.
_LOCKED = Query(select(*_KNOWN).where(AnyOf(runs.c.id, "ids")).order_by(runs.c.id).with_for_update())


def other_run(run_id: str) -> DeliveryError:
    """Make the error of an id that belongs to a run of another flow or input."""
    return DeliveryError(
        f"the run id {run_id!r} was used for another flow or input",
        hint="give each run its own id, or none; for another flow over the same rows choose another run id",
    )


def _lacking(state: str) -> list[str]:
    """Give the ids of deliveries whose outcome a stored state does not have, as far as it may name any."""
    if '"queued"' not in state and NOT_STORED not in state:
        return []
    results = list(results_in(json.loads(state)))
    return queued_in(results) + unstored_in(results)


def store_outcomes(db: Connection, ended: Sequence[tuple[Delivery, Result]]) -> InSteps[None]:
    """Replace first results by outcomes in runs that have ended."""
    by_run: dict[str, list[MailOutcome]] = {}
    for delivery, result in ended:
        if delivery.run_id is not None:
            by_run.setdefault(delivery.run_id, []).append(MailOutcome(delivery.node_id, delivery.place, result))
    if not by_run:
        return
    # Locked even without a state: whoever is writing it now must see these outcomes, or be seen here.
    (rows,) = yield [_LOCKED.of(ids=[*by_run])]
    for row in rows:
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
        words = "the stored state of run %s is damaged: outcomes of its email were not added"
        _log.exception(words, row.id, extra={"run": row.id})
        return None
