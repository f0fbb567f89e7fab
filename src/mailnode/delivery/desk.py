"""What a person may do about deliveries: have one sent again, or not at all; and what time does: clear them away."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from mailnode.delivery.delivery import FINAL_STATES, Delivery, Terms
from mailnode.delivery.lanes import ensure_lanes, try_now
from mailnode.delivery.ledger import find_delivery
from mailnode.delivery.outbox import Engine, Tell
from mailnode.delivery.report import report_of
from mailnode.delivery.rows import read_deliveries
from mailnode.errors import DeliveryError, ErrorCode
from mailnode.store.clock import now_ms
from mailnode.store.database import Database
from mailnode.store.tables import deliveries, delivery_content, delivery_recipients, runs
from mailnode.store.worker import Worker

RETRY_HOURS = 24.0
_DAY_MS = 86_400_000
# How many rows one transaction clears away, so that nobody waits long for it.
_SWEPT_AT_ONCE = 500


class InDoubt(DeliveryError):
    """Somebody may have got the mail already: sending it again needs a person's word."""


class Desk:
    """The deliveries of a database, for whoever decides about them."""

    def __init__(self, database: Database, worker: Worker, engine: Engine, tell: Tell) -> None:
        """Work on `database` as `worker`; `engine` hears what is due, `tell` of outcomes."""
        self._database = database
        self._worker = worker
        self._engine = engine
        self._tell = tell

    async def retry(self, which: str, *, is_sure: bool = False) -> str:
        """Put a delivery into the queue, to be tried at once and for a day; tell its id.

        Whom a server has accepted it for does not get it again; who was refused is tried once more.

        Raises:
            InDoubt: it may have been accepted, and `is_sure` is not given.
            DeliveryError: there is none, or it is sent, or under way, or its content is gone.
        """
        return await self._database.write(lambda db: self._retry(db, which, is_sure=is_sure))

    async def cancel(self, which: str) -> str:
        """Take a delivery out of the queue, or end one that is held; tell its id.

        Raises:
            DeliveryError: there is none, or it is under way, or over.
        """
        return await self._database.write(lambda db: self._cancel(db, which))

    async def sweep(self, days: float) -> int:
        """Delete deliveries and runs that ended, or were interrupted, longer ago than this; tell how many."""
        swept = 0
        dead = await self._database.read(self._dead_runners)
        while count := await self._database.write(lambda db: _sweep(db, now_ms(db) - int(days * _DAY_MS), dead)):
            swept += count
        return swept

    def _dead_runners(self, db: Connection) -> list[str]:
        runners = select(runs.c.worker).where(runs.c.status == "running").distinct()
        return sorted(self._worker.dead_among(db, set(db.execute(runners).scalars())))[:_SWEPT_AT_ONCE]

    def _retry(self, db: Connection, which: str, *, is_sure: bool) -> str:
        row = find_delivery(db, which, lock=True)
        self._check_rest(db, row)
        (delivery,) = read_deliveries(db, [row])
        in_doubt = delivery.maybe_accepted or row.state == "handingOver"
        if row.state == "sent":
            raise _not_now(row, "was sent: all of its recipients are accepted", "run the flow again for another mail")
        if in_doubt and not is_sure:
            raise InDoubt(
                f"delivery {row.id} may have reached its recipients: {', '.join(delivery.open_addresses)}",
                code=ErrorCode.UNKNOWN_OUTCOME,
                phase="content",
                hint="ask them, or look for its Message-ID in the server's log; then say so with --yes",
            )
        if not db.execute(select(delivery_content.c.position).where(delivery_content.c.delivery_id == row.id)).first():
            raise _not_now(row, "has no content any more", "run the flow again")
        self._queue(db, row, delivery.marked_as_resent() if in_doubt else delivery)
        return str(row.id)

    def _queue(self, db: Connection, row: Row[Any], delivery: Delivery) -> None:
        now = now_ms(db)
        terms = delivery.terms if delivery.terms.queued else delivery.terms.for_queue(RETRY_HOURS)
        values = {
            "state": "queued",
            "generation": row.generation + 1,
            "worker": None,
            "maybe_accepted": False,
            "warnings": json.dumps(delivery.warnings),
            "options": _with_terms(row.options, terms),
            "result": None,
            "due_at": now,
            "expires_at": now + int(terms.seconds * 1000),
            "updated_at": now,
        }
        db.execute(update(deliveries).where(deliveries.c.id == row.id).values(**values))
        refused = (delivery_recipients.c.delivery_id == row.id) & (delivery_recipients.c.status == "refused")
        db.execute(update(delivery_recipients).where(refused).values(status="pending"))
        ensure_lanes(db, {row.lane: row.connection})
        try_now(db, row.lane)
        self._engine.due(db, row.lane)

    def _cancel(self, db: Connection, which: str) -> str:
        row = find_delivery(db, which, lock=True)
        self._check_rest(db, row)
        if row.state not in {"queued", "held", "claimed", "handingOver"}:
            raise _not_now(row, f"is over: {row.state}", "only what is still to be sent can be cancelled")
        (delivery,) = read_deliveries(db, [row])
        if row.state == "handingOver":  # whoever was sending it is gone, and so is the server's answer
            delivery = replace(delivery, maybe_accepted=True)
        doubt = " It may have been accepted before." if delivery.is_in_doubt else ""
        cancelled = DeliveryError(f"a person cancelled it.{doubt}", code=ErrorCode.CANCELLED, phase="connect")
        report = report_of(delivery, status="cancelled", error=cancelled)
        values = {
            "state": "cancelled",
            "generation": row.generation + 1,
            "worker": None,
            "maybe_accepted": delivery.maybe_accepted,
            "result": json.dumps(report),
            "updated_at": now_ms(db),
        }
        db.execute(update(deliveries).where(deliveries.c.id == row.id).values(**values))
        self._tell(db, [(delivery, report)])
        return str(row.id)

    def _check_rest(self, db: Connection, row: Row[Any]) -> None:
        if row.state in {"claimed", "handingOver"} and self._worker.alive(db, row.worker):
            raise _not_now(row, "is being sent at this moment", "wait a little, and look at it again")


def _with_terms(options: str, terms: Terms) -> str:
    return json.dumps({**json.loads(options), "terms": asdict(replace(terms, tries=None))})


def _not_now(row: Row[Any], why: str, hint: str) -> DeliveryError:
    return DeliveryError(f"delivery {row.id} {why}", code=ErrorCode.BAD_USAGE, phase="settings", hint=hint)


def _sweep(db: Connection, before: int, dead: Sequence[str]) -> int:
    over = [deliveries.c.state.in_(sorted(FINAL_STATES)), deliveries.c.updated_at < before]
    ended: Sequence[str] = db.execute(select(deliveries.c.id).where(*over).limit(_SWEPT_AT_ONCE)).scalars().all()
    db.execute(delete(deliveries).where(deliveries.c.id.in_(ended)))
    past = [(runs.c.status != "running") | runs.c.worker.in_(dead), runs.c.updated_at < before]
    ran: Sequence[str] = db.execute(select(runs.c.id).where(*past).limit(_SWEPT_AT_ONCE)).scalars().all()
    db.execute(delete(runs).where(runs.c.id.in_(ran)))
    return len(ended) + len(ran)
