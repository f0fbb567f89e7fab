"""Deliveries, and what may be done about them: send one again, cancel one, delete those that ended long ago."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, delete, literal_column, select, update

from mailnode.delivery.circuit_breaker import end_wait, ensure_routes
from mailnode.delivery.delivery import FINAL_STATES, Delivery
from mailnode.delivery.duplicates import forget_submissions
from mailnode.delivery.history import fold_counts
from mailnode.delivery.intake import WakeWorker, forget_keys, keep_keys
from mailnode.delivery.queries import DeliveryQueries, find_delivery
from mailnode.delivery.recovery import OnEnd
from mailnode.delivery.reroute import CurrentRoute, FindCurrentRoute, no_flow, rerouted
from mailnode.delivery.result import result_of
from mailnode.delivery.row_reader import origin_of, read_deliveries, read_leniently
from mailnode.delivery.rows import read_messages, regroup, whole
from mailnode.delivery.sequences import forget_invitations
from mailnode.errors import DeliveryError, ErrorCode, MailnodeError
from mailnode.store.backend import ThisProcess
from mailnode.store.clock import now_ms
from mailnode.store.database import Database
from mailnode.store.steps import ask_in_steps
from mailnode.store.tables import deliveries, delivery_content, delivery_recipients, runs

_DAY_MS = 86_400_000
# How many rows one transaction deletes, so that no other one waits long for it.
_SWEPT_AT_ONCE = 500
# Spelled out in the statement: an index of only some rows is not used for a parameter.
_SWEPT = deliveries.c.state.in_([literal_column(f"'{state}'") for state in sorted(FINAL_STATES - {"held"})])
_RUNNING = runs.c.status == literal_column("'running'")


class InDoubt(DeliveryError):
    """The recipients may have the email already, so that sending it again takes a person's decision."""


class Deliveries(DeliveryQueries):
    """The deliveries of a database: what has become of each, and what a person may do about it."""

    def __init__(
        self,
        database: Database,
        process: ThisProcess,
        wake_worker: WakeWorker,
        on_end: OnEnd,
        find_current: FindCurrentRoute = no_flow,
    ) -> None:
        """Work on `database` as `process`; `wake_worker` is called when something is due, `on_end` for outcomes.

        `find_current` gives the route that the flow of a delivery names now.
        """
        super().__init__(database, process)
        self._wake_worker = wake_worker
        self._on_end = on_end
        self._find_current = find_current

    async def retry(self, which: str, *, is_sure: bool = False, as_queued: bool = False) -> str:
        """Put a delivery into the queue again, due at once, and give its id.

        It is tried for `retryHours` of its node, or for a day. Recipients for whom a server has accepted it do not get
        it again; those that were refused are tried once more. The message stays as it was composed. Its server,
        connection and EHLO name are those that its node in the flow file names now; where they can't be known, they
        stay as they are, and `show` tells why under `retry`. With `as_queued` they stay as they are in any case.

        Raises:
            InDoubt: it may have been accepted, and `is_sure` is not given.
            DeliveryError: there is none, it is sent or being sent, or its content is deleted.
            UnreadableDelivery: it is damaged, or another version's, so that no route could send it.
        """
        current, why = (None, "") if as_queued else await self._current(which)

        def work(db: Connection) -> str:
            row, delivery = self._to_send_again(db, which, is_sure=is_sure)
            route = rerouted(row, delivery, current, as_queued=as_queued, why=why)
            self._queue(db, row, delivery, route)
            read_deliveries(db, [find_delivery(db, row.id)])  # another route may be all that it needed, or not
            return str(row.id)

        return await self._database.write(work)

    async def cancel(self, which: str) -> str:
        """Take a delivery out of the queue, or end one that is held, and give its id.

        Raises:
            DeliveryError: there is none, it is being sent, or it has ended.
        """
        return await self._database.write(lambda db: self._cancel(db, which))

    async def sweep(self, days: float, key_days: float) -> int:
        """Delete deliveries and runs that ended, or were interrupted, more than `days` ago, and give their number.

        One that is held stays until a person has decided. Idempotency keys, and how their deliveries ended, are kept
        for `key_days` from that end on.
        """
        swept = 0
        dead = await self._database.read(self._dead_runners)
        while count := await self._database.write(lambda db: _sweep(db, _ago(db, days), dead)):
            swept += count
        await self._database.write(fold_counts)
        while await self._database.write(lambda db: forget_keys(db, _ago(db, key_days), _SWEPT_AT_ONCE)):
            pass
        for forget in (forget_invitations, forget_submissions):
            while await self._database.write(lambda db, forget=forget: forget(db, now_ms(db), _SWEPT_AT_ONCE)):  # type: ignore[misc]
                pass
        return swept

    def _dead_runners(self, db: Connection) -> list[str]:
        runners = select(runs.c.worker).where(_RUNNING, runs.c.worker.is_not(None)).distinct()
        return sorted(one for one in self._process.dead_among(db, set(db.execute(runners).scalars())) if one)[
            :_SWEPT_AT_ONCE
        ]

    async def _current(self, which: str) -> tuple[CurrentRoute | None, str]:
        """Give the route that the flow of a delivery names now, or None and why it can't be known."""
        origin = await self._database.read(lambda db: origin_of(find_delivery(db, which)))
        if origin is None:
            return None, "it does not come from a flow file"
        try:
            return await self._find_current(origin), ""
        except MailnodeError as error:
            return None, f"{error} ({error.hint})" if error.hint else str(error)

    def _to_send_again(self, db: Connection, which: str, *, is_sure: bool) -> tuple[Row[Any], Delivery]:
        row = find_delivery(db, which, lock=True)
        self._check_rest(db, row)
        (delivery,) = read_leniently(db, [row])
        in_doubt = delivery.maybe_accepted or row.state == "handingOver"
        if row.state == "sent":
            raise _not_now(
                row, "was sent: all its recipients were accepted", "run the flow again to send another email"
            )
        if in_doubt and not is_sure:
            raise InDoubt(
                f"delivery {row.id} may have reached its recipients: {', '.join(delivery.open_addresses)}",
                code=ErrorCode.UNKNOWN_OUTCOME,
                phase="content",
                hint="ask them, or look for its Message-ID in the server's log; retry it only if they do not have it",
            )
        if not db.execute(select(delivery_content.c.position).where(delivery_content.c.delivery_id == row.id)).first():
            raise _not_now(row, "no longer has its content", "run the flow again")
        whole(read_messages(db, [delivery])[delivery.id])
        own = delivery.not_redirected()  # the policy at that time decides who gets it
        if own.is_regrouped:
            regroup(db, [own])
            row = find_delivery(db, row.id)
        return row, own.marked_as_resent() if in_doubt else own

    def _queue(self, db: Connection, row: Row[Any], delivery: Delivery, route: dict[str, Any]) -> None:
        now = now_ms(db)
        seconds = json.loads(route["options"])["terms"]["seconds"]
        values = {
            **route,
            "state": "queued",
            "generation": row.generation + 1,
            "worker": None,
            "maybe_accepted": False,
            "warnings": json.dumps(delivery.warnings),
            "result": None,
            "due_at": now,
            "expires_at": now + int(seconds * 1000),
            "updated_at": now,
        }
        db.execute(update(deliveries).where(deliveries.c.id == row.id).values(**values))
        refused = (delivery_recipients.c.delivery_id == row.id) & (delivery_recipients.c.status == "refused")
        db.execute(update(delivery_recipients).where(refused).values(status="pending"))
        ensure_routes(db, {route["route_key"]: route["connection"]})
        end_wait(db, route["route_key"])
        self._wake_worker(db, route["route_key"])

    def _cancel(self, db: Connection, which: str) -> str:
        row = find_delivery(db, which, lock=True)
        self._check_rest(db, row)
        if row.state not in {"queued", "held", "claimed", "handingOver"}:
            raise _not_now(
                row, f"has already ended: {row.state}", "only a delivery that is still to be sent can be cancelled"
            )
        (delivery,) = read_leniently(db, [row])
        if row.state == "handingOver":  # the process that was sending it is gone, and with it the server's reply
            delivery = replace(delivery, maybe_accepted=True)
        doubt = " It may have been accepted before that." if delivery.is_in_doubt else ""
        cancelled = DeliveryError(f"cancelled by hand.{doubt}", code=ErrorCode.CANCELLED, phase="connect")
        result = result_of(delivery, status="cancelled", error=cancelled)
        values = {
            "state": "cancelled",
            "generation": row.generation + 1,
            "worker": None,
            "maybe_accepted": delivery.maybe_accepted,
            "result": json.dumps(result),
            "updated_at": now_ms(db),
        }
        db.execute(update(deliveries).where(deliveries.c.id == row.id).values(**values))
        ask_in_steps(db, self._on_end(db, [(delivery, result)]))
        return str(row.id)

    def _check_rest(self, db: Connection, row: Row[Any]) -> None:
        if row.state in {"claimed", "handingOver"} and self._process.is_alive(db, row.worker):
            raise _not_now(row, "is being sent right now", "wait a moment, then look at it again")


def _not_now(row: Row[Any], why: str, hint: str) -> DeliveryError:
    return DeliveryError(f"delivery {row.id} {why}", code=ErrorCode.BAD_USAGE, phase="settings", hint=hint)


def _ago(db: Connection, days: float) -> int:
    return now_ms(db) - int(days * _DAY_MS)


def _sweep(db: Connection, before: int, dead: Sequence[str]) -> int:
    over = select(deliveries).where(_SWEPT, deliveries.c.updated_at < before)
    ended = db.execute(over.limit(_SWEPT_AT_ONCE).with_for_update(skip_locked=True)).all()
    keep_keys(db, ended)
    db.execute(delete(deliveries).where(deliveries.c.id.in_([row.id for row in ended])))
    # One that is queued has waited for a worker, however long ago that was.
    is_left = runs.c.request.is_(None) & (runs.c.worker.is_(None) | runs.c.worker.in_(dead))
    ran = [
        id_
        for which in (~_RUNNING, _RUNNING & is_left)
        for id_ in db.execute(
            select(runs.c.id).where(which, runs.c.updated_at < before).limit(_SWEPT_AT_ONCE)
        ).scalars()
    ]
    db.execute(delete(runs).where(runs.c.id.in_(ran)))
    return len(ended) + len(ran)
