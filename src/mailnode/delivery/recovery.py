"""Deliveries whose sending was interrupted, by the end of a process or by a defect of mailnode.

A defect becomes the delivery's last error, and with the third in a row the delivery is held for a person.
"""

import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection, Row, select, update
from sqlalchemy.exc import SQLAlchemyError

from mailnode.delivery.delivery import Attempt, Delivery
from mailnode.delivery.result import Result, result_of
from mailnode.delivery.row_reader import read_deliveries, read_leniently
from mailnode.delivery.rows import UNDER_WAY, attempt_changes, insert_attempt
from mailnode.errors import ErrorCode, InternalError, MailnodeError, Phase, SmtpError
from mailnode.store.asking import ask_all
from mailnode.store.clock import now_ms, unix_ms
from mailnode.store.steps import InSteps, ask_in_steps
from mailnode.store.tables import attempts, deliveries

# A delivery that has met so many, one right after the other, is held.
MOST_IN_A_ROW = 3

_log = logging.getLogger(__name__)

# Told of deliveries that have ended, in the transaction that stores it.
OnEnd = Callable[[Connection, Sequence[tuple[Delivery, Result]]], InSteps[None]]


class RunEnd(NamedTuple):
    """How a run ends with the outcome of its last delivery; `state` is what is stored of it, JSON."""

    run_id: str
    status: str
    state: str


class RunHooks(Protocol):
    """What is stored of runs in the transactions that store their deliveries."""

    def store_begins(self, db: Connection, run_ids: Collection[str | None]) -> None:
        """Store those of these runs that are not stored yet."""
        ...

    def store_ends(self, db: Connection, ends: Sequence[RunEnd]) -> None:
        """Store how runs end."""
        ...


@dataclass(frozen=True, slots=True)
class Defect:
    """A delivery that has met a defect, which `attempt` holds; `is_awaited` tells that a flow waits for its end."""

    delivery: Delivery
    attempt: Attempt
    is_awaited: bool = False

    @property
    def wait(self) -> float:
        """How many seconds it waits before it is tried again."""
        return self.delivery.terms.wait_seconds(self.delivery.tries)

    @property
    def error(self) -> MailnodeError:
        """What it met."""
        assert self.attempt.error
        return self.attempt.error


def defect_attempt(delivery: Delivery, error: BaseException, phase: Phase, started_at: int) -> tuple[Delivery, Attempt]:
    """Count a defect as an attempt of its own, which makes no second copy."""
    delivery = replace(delivery, tries=delivery.tries + 1)
    return delivery, Attempt(delivery.tries, started_at, unix_ms(), InternalError.of(error, phase))


def result_after_defect(db: Connection, defect: Defect) -> Result:
    """Tell what becomes of a delivery that has met a defect: `queued`, to be tried again, or how it ends.

    It ends where somebody waits for it (`is_awaited`), where it may have been accepted and is not to be sent again, and
    with the third defect in a row, which leaves it to a person.
    """
    delivery, error = defect.delivery, defect.error
    is_kept = delivery.maybe_accepted and delivery.terms.on_unknown == "hold"
    if defect.is_awaited or is_kept or not delivery.open_addresses:
        return result_of(delivery, error=error)
    latest = select(attempts.c.code).where(attempts.c.delivery_id == delivery.id, attempts.c.number < delivery.tries)
    codes = db.execute(latest.order_by(attempts.c.number.desc()).limit(MOST_IN_A_ROW - 1)).scalars().all()
    if len(codes) == MOST_IN_A_ROW - 1 and set(codes) == {ErrorCode.INTERNAL_ERROR}:
        return result_of(delivery, status="held", error=error)
    return result_of(delivery, status="queued")


def claims_of(db: Connection, worker_id: str) -> dict[str, int]:
    """Give the ids of what a worker has claimed, with the generations."""
    of_it = select(deliveries.c.id, deliveries.c.generation).where(UNDER_WAY, deliveries.c.worker == worker_id)
    return {row.id: row.generation for row in db.execute(of_it)}


def lost_claims(db: Connection, worker_id: str, claims: Mapping[str, int], on_end: OnEnd) -> list[Defect]:
    """Give a defect for each of these claims that is still valid: nothing in this process works on it."""
    of_it = (deliveries.c.worker == worker_id) & deliveries.c.id.in_(claims)
    rows = [row for row in db.execute(select(deliveries).where(UNDER_WAY, of_it)) if claims[row.id] == row.generation]
    return [_lost(delivery, row) for delivery, row in read_or_hold(db, rows, on_end)]


def _lost(delivery: Delivery, row: Row[Any]) -> Defect:
    hint = "please report it, with the traceback from the log"
    error = InternalError("mailnode lost track of the delivery while sending it", phase="connect", hint=hint)
    in_doubt = delivery.maybe_accepted or row.state == "handingOver"
    met = defect_attempt(replace(delivery, maybe_accepted=in_doubt), error, "connect", row.updated_at)
    return Defect(*met, is_awaited=not delivery.terms.queued)


def take_over(db: Connection, delivery: Delivery, row: Row[Any], worker_id: str = "") -> Delivery:
    """Take a delivery from a process that is gone, for another one or for the queue; its row tells how far it was."""
    delivery = replace(delivery, generation=row.generation + 1, claimed_by=worker_id)
    if row.state == "handingOver":
        delivery = replace(delivery.with_new_attempt(), maybe_accepted=True)
        died = SmtpError(
            "the process that was sending this died before the server's reply",
            code=ErrorCode.UNKNOWN_OUTCOME,
            phase="content",
        )
        ask_all(db, attempt_changes([(delivery, Attempt(delivery.tries, row.updated_at, now_ms(db), died))]))
    values = {
        "generation": delivery.generation,
        "worker": worker_id or None,
        "state": "claimed" if worker_id else "queued",
        "tries": delivery.tries,
        "maybe_accepted": delivery.maybe_accepted,
        "warnings": json.dumps(delivery.warnings),
    }
    db.execute(update(deliveries).where(deliveries.c.id == row.id).values(values))
    return delivery


def read_or_hold(db: Connection, rows: Sequence[Row[Any]], on_end: OnEnd) -> list[tuple[Delivery, Row[Any]]]:
    """Make deliveries of rows; one that can't be read is held for a person, so that it does not block the others."""
    try:
        return list(zip(read_deliveries(db, rows), rows, strict=True))
    except SQLAlchemyError:
        raise
    except Exception as error:  # noqa: BLE001 -- whatever another hand has made of the row
        if len(rows) > 1:
            return [sound for row in rows for sound in read_or_hold(db, [row], on_end)]
        for row in rows:
            hold_unreadable(db, row, error, on_end)
        return []


def hold_unreadable(db: Connection, row: Row[Any], error: Exception, on_end: OnEnd) -> tuple[Delivery, Result]:
    """Hold a delivery that can't be read for a person; give what can be read of it, and its result."""
    why = error if isinstance(error, MailnodeError) else InternalError.of(error, "connect")
    about_it = {"delivery": row.id}
    _log.error("delivery %s is held: %s", row.id, why.message, exc_info=None if why is error else error, extra=about_it)
    now = now_ms(db)
    (delivery,) = read_leniently(db, [row])
    in_doubt = delivery.maybe_accepted or row.state == "handingOver"
    delivery = replace(delivery, tries=row.tries + 1, maybe_accepted=in_doubt, generation=row.generation + 1)
    result = result_of(delivery, status="held", error=why)
    values = {"state": "held", "worker": None, "result": json.dumps(result), "tries": delivery.tries, "updated_at": now}
    values |= {"generation": delivery.generation, "maybe_accepted": in_doubt}
    db.execute(update(deliveries).where(deliveries.c.id == row.id).values(**values))
    insert_attempt(db, row.id, Attempt(delivery.tries, now, now, why))
    ask_in_steps(db, on_end(db, [(delivery, result)]))
    return delivery, result
