"""The deliveries in the database: every change of state is one short transaction, fenced by the claim's generation."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Text, bindparam, cast, delete, literal_column, select, update

from mailnode.connections.connection import ConnectionRevision
from mailnode.connections.rows import outdated
from mailnode.delivery.circuit_breaker import last_error
from mailnode.delivery.delivery import Attempt, Delivery, State
from mailnode.delivery.enqueued import adopt_enqueued
from mailnode.delivery.intake import EarlierDelivery, Intake, WakeWorker, wake_for
from mailnode.delivery.policy import connection_edited
from mailnode.delivery.prepare import PreparedMail
from mailnode.delivery.recovery import (
    Defect,
    OnEnd,
    RunEnd,
    RunHooks,
    claims_of,
    lost_claims,
    read_or_hold,
    result_after_defect,
    take_over,
)
from mailnode.delivery.result import Result, result_of
from mailnode.delivery.rows import UNDER_WAY, attempt_changes, read_messages, regroup
from mailnode.delivery.waking import Waker, wake_for_due
from mailnode.errors import DeliveryError, MailnodeError
from mailnode.message.envelope import Message
from mailnode.store.backend import ThisProcess
from mailnode.store.clock import now_ms, unix_ms
from mailnode.store.database import Database
from mailnode.store.prepared import AnyOf, Change, Query
from mailnode.store.steps import InSteps, ask_in_steps, side_by_side
from mailnode.store.tables import deliveries as table
from mailnode.store.tables import delivery_content


class StaleClaim(DeliveryError):
    """Another worker has taken this delivery over: what this one knows of it no longer counts."""


@dataclass(frozen=True, slots=True)
class _Change:
    """A delivery that goes from its claimer's hands to a state; `due_in` (seconds) is for one that is queued."""

    delivery: Delivery
    state: State
    attempt: Attempt | None = None
    result: Result | None = None
    due_in: float = 0.0
    run_end: RunEnd | None = None


class Outbox:
    """Deliveries, stored by this process; works that wait together share statements and a commit."""

    def __init__(
        self, database: Database, process: ThisProcess, wake_worker: WakeWorker, on_end: OnEnd, runs: RunHooks
    ) -> None:
        """Work on `database` as `process`; `wake_worker` is called when something is due, `on_end` for outcomes.

        `runs` stores runs that begin or end with a delivery.
        """
        self._runs = runs
        self._database = database
        self._process = process
        self._wake_worker = wake_worker
        self._on_end = on_end
        self._intake = Intake(process, wake_worker, on_end, runs)
        self.unstored = database.unstored

    async def begin(self, mail: PreparedMail) -> Delivery | EarlierDelivery:
        """Write a delivery and its content down, or find the one that its key has already.

        It is claimed by this worker, or queued if its terms say so. A failed or cancelled delivery frees its key. One
        that a dead process left behind, or that waits in the queue, is taken over by the caller, with its first
        content.

        Raises:
            DeliveryError: the key belongs to a mail with other content.
        """
        return await self._database.write_alike(self._intake.begin, mail)

    async def read_messages(self, deliveries: Sequence[Delivery]) -> Mapping[str, Message]:
        """Read the content of deliveries, by their ids."""
        return await self._database.read(lambda db: read_messages(db, deliveries))

    async def last_error(self, delivery: Delivery) -> tuple[str, str]:
        """Read why a delivery has not been accepted so far, and what to do about it."""
        return await self._database.read(lambda db: last_error(db, delivery))

    async def store_handing_over(self, delivery: Delivery, revision: ConnectionRevision | None = None) -> None:
        """Commit that content is about to leave: from here on a crash makes this delivery `unknown`.

        Raises:
            StaleClaim: somebody may have taken it over.
            ConnectionEdited: the connection of `revision` is no more what it was then.
        """
        self.check_claim(delivery)
        await self._database.write_alike(self._hand_over, (delivery, revision))

    def check_claim(self, delivery: Delivery) -> None:
        """See that nobody can have taken a delivery over by now.

        Raises:
            StaleClaim: somebody may have.
        """
        if not self._process.still_holds(delivery.claimed_by):
            raise _stale(delivery)

    async def store_attempt(self, delivery: Delivery, attempt: Attempt) -> None:
        """Commit what one attempt brought, and that there will be another by this worker."""
        await self._database.write_alike(self._store_changes, _Change(delivery, "claimed", attempt))

    async def put_back(self, delivery: Delivery, attempt: Attempt | None = None, due_in: float = 0.0) -> None:
        """Commit what one attempt brought, and leave the next one to any worker, in `due_in` seconds."""
        await self._database.write_alike(self._store_changes, _Change(delivery, "queued", attempt, due_in=due_in))

    async def store_end(
        self, delivery: Delivery, result: Result, attempt: Attempt | None, run_end: RunEnd | None = None
    ) -> None:
        """Commit the outcome, with the attempt that brought it, and the end of the run if it ends with that.

        Content that all accepted is no longer needed.
        """
        change = _Change(delivery, result["status"], attempt, result, run_end=run_end)
        await self._database.write_alike(self._store_changes, change)

    async def hold(self, delivery: Delivery, error: MailnodeError) -> Result:
        """Commit that a delivery is left to a person, because what is stored of it can't be sent."""
        delivery = replace(delivery, tries=delivery.tries + 1)
        attempt = Attempt(delivery.tries, unix_ms(), unix_ms(), error)
        result = result_of(delivery, status="held", error=error)
        await self.store_end(delivery, result, attempt)
        return result

    async def store_defect(self, defect: Defect) -> Result:
        """Commit that a delivery has met a defect of ours: it goes back to the queue, or ends, or is held."""
        return await self._database.write_alike(self._settle_defects, defect)

    async def own_claims(self) -> Mapping[str, int]:
        """Give the ids of what this process has claimed, with the generations."""
        return await self._database.write(lambda db: claims_of(db, self._process.id))

    async def settle_lost(self, claims: Mapping[str, int]) -> int:
        """Settle claims of this process that nothing in it works on, as after a defect, and give their number."""
        return await self._database.write(lambda db: self._settle_lost(db, claims))

    async def recover(self) -> int:
        """Put back into the queue what dead workers left; tell how many. What they were handing over is in doubt."""
        return await self._database.write(self._recover)

    async def wake(self, waker: Waker) -> None:
        """Have an engine wake for routes that have something due, as many as it has room for."""
        await self._database.write(lambda db: wake_for_due(db, waker))

    def _recover(self, db: Connection) -> int:
        adopt_enqueued(db)
        workers = set(db.execute(select(table.c.worker).where(UNDER_WAY).distinct()).scalars())
        dead = self._process.dead_among(db, workers)
        if not dead:
            return 0
        of_dead = table.c.worker.in_(dead - {None}) | table.c.worker.is_(None)
        left = select(table).where(UNDER_WAY, of_dead).with_for_update(skip_locked=True)
        rows = db.execute(left).all()
        found = [take_over(db, delivery, row) for delivery, row in read_or_hold(db, rows, self._on_end)]
        wake_for(db, found, self._wake_worker)
        return len(found)

    def _hand_over(
        self, db: Connection, batch: list[tuple[Delivery, ConnectionRevision | None]]
    ) -> InSteps[list[Exception | None]]:
        edited = yield from outdated({revision for _, revision in batch if revision})
        going = [delivery for delivery, revision in batch if revision not in edited]
        ids, claims = [delivery.id for delivery in going], [_claim_of(delivery) for delivery in going]
        changed_rows = 0
        if going:
            (changed_rows,) = yield [_HAND_OVER.once(ids=ids, claims=claims, now=now_ms(db))]
        held = set(ids) if changed_rows == len(going) else _held(db, going)
        regroup(db, (delivery for delivery in going if delivery.id in held))
        changed = [connection_edited(revision) if revision and revision in edited else None for _, revision in batch]
        return [
            error or (None if delivery.id in held else _stale(delivery))
            for error, (delivery, _) in zip(changed, batch, strict=True)
        ]

    def _store_changes(self, db: Connection, changes: list[_Change]) -> InSteps[list[Exception | None]]:
        now = now_ms(db)
        deliveries = [change.delivery for change in changes]
        (settled,) = yield [_SETTLE.at_once([self._columns(change, now) for change in changes])]
        held = {one.id for one in deliveries} if settled == len(changes) else _held(db, deliveries)
        kept = [change for change in changes if change.delivery.id in held]
        if kept:
            regroup(db, (change.delivery for change in kept if change.attempt))
            ended = [(change.delivery, change.result) for change in kept if change.result and not change.run_end]
            yield from side_by_side(_write_outcomes(kept), self._on_end(db, ended))
            if ends := [change.run_end for change in kept if change.run_end]:
                self._runs.store_ends(db, ends)
            wake_for(db, [one.delivery for one in kept if one.state == "queued"], self._wake_worker)
        return [None if change.delivery.id in held else _stale(change.delivery) for change in changes]

    def _settle_defects(self, db: Connection, defects: list[Defect]) -> list[Result | Exception]:
        # Not in steps: outcomes that are stored beside may be of the same runs.
        results = [result_after_defect(db, one) for one in defects]
        ends = [None if result["status"] == "queued" else result for result in results]
        changes = [
            _Change(one.delivery, result["status"], one.attempt, end, one.wait)
            for one, result, end in zip(defects, results, ends, strict=True)
        ]
        stored = ask_in_steps(db, self._store_changes(db, changes))
        return [stale or result for stale, result in zip(stored, results, strict=True)]

    def _settle_lost(self, db: Connection, claims: Mapping[str, int]) -> int:
        defects = lost_claims(db, self._process.id, claims, self._on_end)
        return len(self._settle_defects(db, defects)) if defects else 0

    def _columns(self, change: _Change, now: int) -> dict[str, Any]:
        delivery = change.delivery
        return {
            "of": delivery.id,
            "claim": delivery.generation,
            "state": change.state,
            "worker": delivery.claimed_by if change.state == "claimed" else None,
            "tries": delivery.tries,
            "maybe_accepted": delivery.maybe_accepted,
            "warnings": json.dumps(delivery.warnings) if delivery.warnings else "[]",
            "result": json.dumps(change.result) if change.result else None,
            "due_at": now + int(change.due_in * 1000),
            "updated_at": now,
        }


_OF_CLAIM = (table.c.id == bindparam("of")) & (table.c.generation == bindparam("claim")) & UNDER_WAY
# Found by their ids; an older claim of one of them does not count.
_CLAIM = table.c.id + literal_column("'/'") + cast(table.c.generation, Text)
_HAND_OVER = Change(
    update(table)
    .where(AnyOf(table.c.id, "ids"), AnyOf(_CLAIM, "claims"), UNDER_WAY)
    .values(state=literal_column("'handingOver'"), updated_at=bindparam("now"))
)
_SETTLE = Change(update(table).where(_OF_CLAIM))
_THROW_AWAY = Change(delete(delivery_content).where(AnyOf(delivery_content.c.delivery_id, "ids")))
_GENERATIONS = Query(select(table.c.id, table.c.generation).where(AnyOf(table.c.id, "ids")))


def _write_outcomes(kept: Sequence[_Change]) -> InSteps[None]:
    asked = attempt_changes([(change.delivery, change.attempt) for change in kept if change.attempt])
    if sent := [change.delivery.id for change in kept if change.state == "sent"]:
        asked.append(_THROW_AWAY.once(ids=sent))
    yield asked


def _claim_of(delivery: Delivery) -> str:
    return f"{delivery.id}/{delivery.generation}"


def _held(db: Connection, changed: Sequence[Delivery]) -> set[str]:
    """Tell which of those deliveries whose claims were to be changed are held by them still.

    One that is written a second time, because the outcome of the first commit was unknown, counts as well.
    """
    found = {*_GENERATIONS.all(db, ids=[one.id for one in changed])}
    return {one.id for one in changed if (one.id, one.generation) in found}


def _stale(delivery: Delivery) -> StaleClaim:
    return StaleClaim(f"delivery {delivery.id} has been taken over by another worker")
