"""The deliveries in the database: every change of state is one short transaction, fenced by the claim's generation."""

import json
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from sqlalchemy import Connection, Row, Update, bindparam, delete, select, tuple_, update

from mailnode.connections.connection import Stamp
from mailnode.connections.rows import edited_among
from mailnode.delivery.broken_off import Defect, claims_of, lost_among, read_sound, report_after, take_over
from mailnode.delivery.delivery import FINAL_STATES, Attempt, Delivery, Draft, State
from mailnode.delivery.lanes import ensure_lanes, is_failing, lanes_with_due
from mailnode.delivery.policy import connection_edited
from mailnode.delivery.report import Report
from mailnode.delivery.rows import (
    UNDER_WAY,
    insert_deliveries,
    read_deliveries,
    route_columns,
    write_attempts,
    write_recipients,
)
from mailnode.delivery.stored import Standing, StoredMessage, read_last_words, read_messages
from mailnode.errors import DeliveryError
from mailnode.store.clock import now_ms
from mailnode.store.database import Database
from mailnode.store.tables import deliveries as table
from mailnode.store.tables import delivery_content
from mailnode.store.worker import Worker

# Told of outcomes in their transaction.
Tell = Callable[[Connection, Sequence[tuple[Delivery, Report]]], None]


class Engine(Protocol):
    """Who wakes a worker when a delivery is due."""

    def due(self, db: Connection, lane: str) -> None:
        """Hear, in the transaction that makes it so, that a lane has a delivery in the queue."""


class StaleClaim(DeliveryError):
    """Another worker has taken this delivery over: what this one knows of it no longer counts."""


@dataclass(frozen=True, slots=True)
class _Move:
    """A delivery that goes from its claimer's hands to a state; `due_in` (seconds) is for one that is queued."""

    delivery: Delivery
    state: State
    attempt: Attempt | None = None
    report: Report | None = None
    due_in: float = 0.0


class Outbox:
    """Deliveries, written down by this worker; works that wait together share statements and a commit."""

    def __init__(self, database: Database, worker: Worker, engine: Engine, tell: Tell) -> None:
        """Work on `database` as `worker`; `engine` hears what is due, `tell` of outcomes."""
        self._database = database
        self._worker = worker
        self._engine = engine
        self._tell = tell
        self.unstored = database.unstored

    async def begin(self, draft: Draft) -> Delivery | Standing:
        """Write a delivery and its content down, or find the one that its key has already.

        It is claimed by this worker, or queued if its terms say so. A failed or cancelled delivery frees its key. One
        that a dead process left behind, or that waits in the queue, is taken over by whoever waits for it, with its
        first content.

        Raises:
            DeliveryError: the key belongs to a mail with other content.
        """
        return await self._database.write_alike(self._begin, draft)

    async def messages(self, deliveries: Sequence[Delivery]) -> Mapping[str, StoredMessage]:
        """Read the content of deliveries, by their ids."""
        return await self._database.read(lambda db: read_messages(db, deliveries))

    async def last_words(self, delivery: Delivery) -> tuple[str, str]:
        """Read why a delivery has not been accepted so far, and what to do about it."""
        return await self._database.read(lambda db: read_last_words(db, delivery))

    async def handing_over(self, delivery: Delivery, stamp: Stamp | None = None) -> None:
        """Commit that content is about to leave: from here on a crash makes this delivery `unknown`.

        Raises:
            StaleClaim: somebody may have taken it over.
            ConnectionEdited: the connection of `stamp` is no more what it was then.
        """
        self.check_claim(delivery)
        await self._database.write_alike(self._hand_over, (delivery, stamp))

    def check_claim(self, delivery: Delivery) -> None:
        """See that nobody can have taken a delivery over by now.

        Raises:
            StaleClaim: somebody may have.
        """
        if not self._worker.holds(delivery.claimed_by):
            raise _stale(delivery)

    async def attempted(self, delivery: Delivery, attempt: Attempt) -> None:
        """Commit what one attempt brought, and that there will be another by this worker."""
        await self._database.write_alike(self._move, _Move(delivery, "claimed", attempt))

    async def put_back(self, delivery: Delivery, attempt: Attempt | None = None, due_in: float = 0.0) -> None:
        """Commit what one attempt brought, and leave the next one to any worker, in `due_in` seconds."""
        await self._database.write_alike(self._move, _Move(delivery, "queued", attempt, due_in=due_in))

    async def ended(self, delivery: Delivery, report: Report, attempt: Attempt | None) -> None:
        """Commit the outcome, with the attempt that brought it; content that all accepted is no longer needed."""
        await self._database.write_alike(self._move, _Move(delivery, report["status"], attempt, report))

    async def met_defect(self, defect: Defect) -> Report:
        """Commit that a delivery has met a defect of ours: it goes back to the queue, or ends, or is held."""
        return await self._database.write_alike(self._settle_defects, defect)

    async def own_claims(self) -> Mapping[str, int]:
        """Give the ids of what this worker has claimed, with the generations; whoever has claimed knows it by then."""
        return await self._database.write(lambda db: claims_of(db, self._worker.id))

    async def lose(self, claims: Mapping[str, int]) -> int:
        """Settle, as after a defect, what this worker has claimed and nobody in it has in hand; tell how many."""
        return await self._database.write(lambda db: self._lose(db, claims))

    async def recover(self) -> int:
        """Put back into the queue what dead workers left; tell how many. What they were handing over is in doubt."""
        return await self._database.write(self._recover)

    async def wake(self) -> None:
        """Have the engine wake for every lane that has something due."""
        await self._database.write(self._wake)

    def _begin(self, db: Connection, drafts: list[Draft]) -> list[Delivery | Standing | Exception]:
        answers: dict[int, Delivery | Standing | Exception] = {}
        in_doubt: set[str | None] = set()  # keys that were freed by what may have reached somebody
        while left := [number for number in range(len(drafts)) if number not in answers]:
            begun = {number: self._begun(drafts[number], in_doubt) for number in left}
            new = self._insert(db, [(begun[number], drafts[number]) for number in left])
            answers.update((number, begun[number]) for number in left if begun[number].id in new)
            refused = {drafts[number].key: number for number in reversed(left) if number not in answers}
            known = _by_key(db, list(refused), in_doubt) if refused else {}
            # Of several with one key the second must find what the first has made of it.
            for key, row in known.items():
                answers[refused[key]] = self._stand_or_take_over(db, row, drafts[refused[key]])
        return [answers[number] for number in range(len(drafts))]

    def _begun(self, draft: Draft, in_doubt: Collection[str | None]) -> Delivery:
        begun = draft.begun(uuid.uuid4().hex, "" if draft.terms.queued else self._worker.id)
        return begun.marked_after_earlier() if draft.key in in_doubt else begun

    def _insert(self, db: Connection, begun: list[tuple[Delivery, Draft]]) -> set[str]:
        new = insert_deliveries(db, begun, now_ms(db))
        self._say_due(db, [delivery for delivery, _ in begun if delivery.id in new and not delivery.claimed_by])
        return new

    def _say_due(self, db: Connection, queued: Iterable[Delivery]) -> None:
        """Wake for each lane, in one order everywhere: who defers the same job twice waits for the other's commit."""
        by_lane = {delivery.lane: delivery.destination.connection for delivery in queued}
        if by_lane:
            ensure_lanes(db, by_lane)
        for lane in sorted(by_lane):
            self._engine.due(db, lane)

    def _stand_or_take_over(self, db: Connection, row: Row[Any], draft: Draft) -> Delivery | Standing | Exception:
        if row.digest != draft.digest:
            return DeliveryError(
                f"the idempotency key {draft.key!r} was used for a mail with other content",
                hint="give each mail a key of its own, or leave idempotencyKey out and give each run its own id",
            )
        (delivery,) = read_deliveries(db, [row])
        if row.state in FINAL_STATES or draft.terms.queued or (row.worker and self._worker.alive(db, row.worker)):
            return Standing(delivery, row.state, json.loads(row.result) if row.result else None)
        take_over(db, delivery, row, self._worker.id)
        # Whoever runs it again waits for it, and has it go where the flow sends its mail by now.
        columns = route_columns(draft.destination, draft.route)
        columns["options"] = json.dumps({**json.loads(row.options), "destination": columns.pop("destination")})
        db.execute(update(table).where(table.c.id == row.id).values(**columns))
        (taken,) = read_deliveries(db, db.execute(select(table).where(table.c.id == row.id)).all())
        return replace(taken, terms=draft.terms)

    def _recover(self, db: Connection) -> int:
        workers = set(db.execute(select(table.c.worker).where(UNDER_WAY).distinct()).scalars())
        dead = self._worker.dead_among(db, workers)
        if not dead:
            return 0
        left = select(table).where(UNDER_WAY, table.c.worker.in_(dead)).with_for_update(skip_locked=True)
        rows = db.execute(left).all()
        found = [take_over(db, delivery, row) for delivery, row in read_sound(db, rows)]
        self._say_due(db, found)
        return len(found)

    def _wake(self, db: Connection) -> None:
        now = now_ms(db)
        for lane in sorted(lanes_with_due(db), key=lambda lane: str(lane.name)):
            if lane.due <= now and not (is_failing(lane) and lane.retry_at > now):
                self._engine.due(db, lane.name)

    def _hand_over(self, db: Connection, batch: list[tuple[Delivery, Stamp | None]]) -> list[Exception | None]:
        now = now_ms(db)
        edited = edited_among(db, {stamp for _, stamp in batch if stamp})
        going = [delivery for delivery, stamp in batch if stamp not in edited]
        rows = [{"of": delivery.id, "claim": delivery.generation, "updated_at": now} for delivery in going]
        held = _fenced(db, _HAND_OVER, rows) if rows else set()
        write_recipients(db, (delivery for delivery in going if delivery.id in held and delivery.is_regrouped))
        changed = [connection_edited(stamp) if stamp and stamp in edited else None for _, stamp in batch]
        return [
            error or (None if delivery.id in held else _stale(delivery))
            for error, (delivery, _) in zip(changed, batch, strict=True)
        ]

    def _move(self, db: Connection, moves: list[_Move]) -> list[Exception | None]:
        now = now_ms(db)
        held = _fenced(db, _SETTLE, [self._settled(move, now) for move in moves])
        kept = [move for move in moves if move.delivery.id in held]
        if kept:
            write_attempts(db, [(move.delivery, move.attempt) for move in kept if move.attempt])
            if sent := [{"of": move.delivery.id} for move in kept if move.state == "sent"]:
                db.execute(_THROW_AWAY, sent)
            self._tell(db, [(move.delivery, move.report) for move in kept if move.report])
            self._say_due(db, (move.delivery for move in kept if move.state == "queued"))
        return [None if move.delivery.id in held else _stale(move.delivery) for move in moves]

    def _settle_defects(self, db: Connection, defects: list[Defect]) -> list[Report | Exception]:
        reports = [report_after(db, one) for one in defects]
        ends = [None if report["status"] == "queued" else report for report in reports]
        moves = [
            _Move(one.delivery, report["status"], one.attempt, end, one.wait)
            for one, report, end in zip(defects, reports, ends, strict=True)
        ]
        return [stale or report for stale, report in zip(self._move(db, moves), reports, strict=True)]

    def _lose(self, db: Connection, claims: Mapping[str, int]) -> int:
        defects = lost_among(db, self._worker.id, claims)
        return len(self._settle_defects(db, defects)) if defects else 0

    def _settled(self, move: _Move, now: int) -> dict[str, Any]:
        delivery = move.delivery
        return {
            "of": delivery.id,
            "claim": delivery.generation,
            "state": move.state,
            "worker": delivery.claimed_by if move.state == "claimed" else None,
            "tries": delivery.tries,
            "maybe_accepted": delivery.maybe_accepted,
            "warnings": json.dumps(delivery.warnings),
            "result": json.dumps(move.report) if move.report else None,
            "due_at": now + int(move.due_in * 1000),
            "updated_at": now,
        }


_OF_CLAIM = (table.c.id == bindparam("of")) & (table.c.generation == bindparam("claim")) & UNDER_WAY
_HAND_OVER = update(table).where(_OF_CLAIM).values(state="handingOver")
_SETTLE = update(table).where(_OF_CLAIM)
_OF_KEYS = select(table).where(table.c.key.in_(bindparam("keys", expanding=True))).with_for_update()
_THROW_AWAY = delete(delivery_content).where(delivery_content.c.delivery_id == bindparam("of"))


def _by_key(db: Connection, keys: Sequence[str | None], in_doubt: set[str | None]) -> dict[str | None, Row[Any]]:
    """Find what has these keys already, and take them from what has failed or was cancelled.

    The keys of those that may have reached somebody all the same are added to `in_doubt`.
    """
    found = db.execute(_OF_KEYS, {"keys": keys}).all()
    over = {row.id: row for row in found if row.state in {"failed", "cancelled"}}
    if over:
        left = read_deliveries(db, list(over.values()))
        in_doubt.update(over[one.id].key for one in left if one.may_have_reached_somebody)
        db.execute(update(table).where(table.c.id.in_(over)).values(key=None))
    return {row.key: row for row in found if row.id not in over}


def _fenced(db: Connection, change: Update, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Change those deliveries whose claim still stands, and tell which they are.

    One that is written a second time, because nobody knew what came of the first commit, counts as well.
    """
    if db.execute(change, rows).rowcount == len(rows):
        return {row["of"] for row in rows}
    claims = tuple_(table.c.id, table.c.generation).in_([(row["of"], row["claim"]) for row in rows])
    return set(db.execute(select(table.c.id).where(claims)).scalars())


def _stale(delivery: Delivery) -> StaleClaim:
    return StaleClaim(f"delivery {delivery.id} has been taken over by another worker")
