"""Deliveries as they come into the database: each idempotency key once."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from mailnode.delivery.circuit_breaker import ensure_routes
from mailnode.delivery.delivery import FINAL_STATES, RESENT_AFTER_UNKNOWN, Delivery, State, UnreadableDelivery
from mailnode.delivery.prepare import PreparedMail
from mailnode.delivery.recovery import OnEnd, RunHooks, hold_unreadable, take_over
from mailnode.delivery.result import Result, result_of
from mailnode.delivery.row_reader import options_of, read_deliveries, read_leniently, read_result
from mailnode.delivery.rows import insert_deliveries, route_columns
from mailnode.delivery.sequences import number_invitations
from mailnode.errors import DeliveryError
from mailnode.new_ids import new_id
from mailnode.store.backend import ThisProcess
from mailnode.store.clock import now_ms, utc
from mailnode.store.prepared import AnyOf, Query
from mailnode.store.tables import deliveries as table
from mailnode.store.tables import delivery_recipients, kept_keys

# What ended so has given its key back; only a doubt is kept of it.
FREES_KEY = frozenset({"failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class EarlierDelivery:
    """A delivery that was there under the same key: its report once it has one, None while it is on its way."""

    delivery: Delivery
    state: State
    result: Result | None


Answer = Delivery | EarlierDelivery | Exception


# Called, in the transaction that makes it so, with the key of a route that has a delivery in the queue.
WakeWorker = Callable[[Connection, str], None]


def wake_for(db: Connection, queued: Iterable[Delivery], wake_worker: WakeWorker) -> None:
    """Wake for each route, in one order everywhere: who defers the same job twice waits for the other's commit."""
    by_route = {delivery.route_key: delivery.destination.connection for delivery in queued}
    if by_route:
        ensure_routes(db, by_route)
    for route_key in sorted(by_route):
        wake_worker(db, route_key)


class Intake:
    """The way in: new deliveries of this worker, and what stands under their keys already."""

    def __init__(self, process: ThisProcess, wake_worker: WakeWorker, on_end: OnEnd, runs: RunHooks) -> None:
        """Claim for `process`; `wake_worker` is called for what is due, `on_end` for what is held, being unreadable."""
        self._runs = runs
        self._process = process
        self._wake_worker = wake_worker
        self._on_end = on_end

    def begin(self, db: Connection, mails: list[PreparedMail]) -> list[Answer]:
        """Write deliveries down, or find those that their keys have already."""
        self._runs.store_begins(db, {mail.run_id for mail in mails})
        answers: dict[int, Answer] = {}
        in_doubt: set[str | None] = set()  # keys freed by deliveries that may have reached somebody
        while left := [number for number in range(len(mails)) if number not in answers]:
            begun = {number: self._new_delivery(mails[number], in_doubt) for number in left}
            new = insert_deliveries(db, [(begun[number], mails[number]) for number in left], now_ms(db))
            came = {number: mails[number] for number in left if begun[number].id in new}
            kept = self._answers_of_kept_keys(db, came, in_doubt)
            db.execute(delete(table).where(table.c.id.in_([begun[one].id for one in kept]))) if kept else None
            answers |= {number: answer for number, answer in kept.items() if answer is not None}
            begun |= self._numbered(db, {one: begun[one] for one in came if one not in kept}, mails)
            answers |= {number: begun[number] for number in came if number not in kept}
            queued = [begun[one] for one in came if one not in kept and not begun[one].claimed_by]
            wake_for(db, queued, self._wake_worker)
            refused = {mails[one].key: one for one in reversed(left) if one not in answers and one not in kept}
            known = _rows_by_key(db, list(refused), in_doubt) if refused else {}
            # Of several with one key the second must find what the first has made of it.
            for key, row in known.items():
                answers[refused[key]] = self._earlier_or_taken_over(db, row, mails[refused[key]])
        return [answers[number] for number in range(len(mails))]

    def _numbered(
        self, db: Connection, came: Mapping[int, Delivery], mails: Sequence[PreparedMail]
    ) -> dict[int, Delivery]:
        """Give those that invite somebody with their sequence numbers, which they take here."""
        inviting = [(one, mails[place], numbered) for place, one in came.items() if (numbered := mails[place].numbered)]
        stored = number_invitations(db, inviting, now_ms(db)) if inviting else {}
        return {place: stored[one.id] for place, one in came.items() if one.id in stored}

    def _new_delivery(self, mail: PreparedMail, in_doubt: Collection[str | None]) -> Delivery:
        begun = mail.delivery(new_id(), "" if mail.terms.queued else self._process.id)
        return begun.marked_after_earlier() if mail.key in in_doubt else begun

    def _answers_of_kept_keys(
        self, db: Connection, came: Mapping[int, PreparedMail], in_doubt: set[str | None]
    ) -> dict[int, Answer | None]:
        """Answer for those whose keys outlived their deliveries; with None, and `in_doubt`, for whom to begin marked.

        It is asked after they were written, because a delivery is cleared away and its key kept in one transaction.
        """
        kept = find_kept(db, {mail.key for mail in came.values() if mail.key is not None})
        answers: dict[int, Answer | None] = {}
        for number, mail in came.items():
            found = kept.get(mail.key) if mail.key is not None else None
            if found is None or (found.status in FREES_KEY and mail.key in in_doubt):
                continue
            if found.status in FREES_KEY:
                in_doubt.add(mail.key)
                answers[number] = None
            else:
                answers[number] = _other_content(mail) if found.digest != mail.digest else earlier_of_key(found, mail)
        return answers

    def _earlier_or_taken_over(self, db: Connection, row: Row[Any], mail: PreparedMail) -> Answer:
        if row.digest != mail.digest:
            return _other_content(mail)
        if row.state in FINAL_STATES or mail.terms.queued or (row.worker and self._process.is_alive(db, row.worker)):
            (delivery,) = read_leniently(db, [row])
            return EarlierDelivery(delivery, row.state, read_result(db, row))
        try:
            return self._taken_over(db, row, mail)
        except UnreadableDelivery as error:
            delivery, result = hold_unreadable(db, row, error, self._on_end)
            return EarlierDelivery(delivery, "held", result)

    def _taken_over(self, db: Connection, row: Row[Any], mail: PreparedMail) -> Delivery:
        (delivery,) = read_deliveries(db, [row])
        take_over(db, delivery, row, self._process.id)
        # Whoever runs it again waits for it, and has it go where the flow sends its mail by now.
        columns = route_columns(mail.destination, mail.route)
        columns["options"] = json.dumps({**options_of(row), "destination": columns.pop("destination")})
        db.execute(update(table).where(table.c.id == row.id).values(**columns))
        (taken,) = read_deliveries(db, db.execute(select(table).where(table.c.id == row.id)).all())
        return replace(taken, terms=mail.terms)


_OF_KEYS = select(table).where(table.c.key.in_(bindparam("keys", expanding=True))).with_for_update()


def _rows_by_key(db: Connection, keys: Sequence[str | None], in_doubt: set[str | None]) -> dict[str | None, Row[Any]]:
    """Find what has these keys already, and take them from what has failed or was cancelled.

    The keys of those that may have reached somebody nevertheless are added to `in_doubt`.
    """
    found = db.execute(_OF_KEYS, {"keys": keys}).all()
    over = {row.id: row for row in found if row.state in FREES_KEY}
    if over:
        left = read_leniently(db, list(over.values()))
        in_doubt.update(over[one.id].key for one in left if one.may_have_reached_somebody)
        db.execute(update(table).where(table.c.id.in_(over)).values(key=None))
    return {row.key: row for row in found if row.id not in over}


def _other_content(mail: PreparedMail) -> DeliveryError:
    return DeliveryError(
        f"the idempotency key {mail.key!r} was already used for an email with different content",
        hint="give each email its own key, or leave idempotencyKey out and give each run its own id",
    )


def find_kept(db: Connection, keys: Collection[str]) -> Mapping[str, Row[Any]]:
    """Find what is kept of these keys, by the key."""
    by_hash = {_key_hash(key): key for key in keys}
    return {by_hash[row.hash]: row for row in _FIND_KEPT.all(db, hashes=[*by_hash])} if by_hash else {}


def earlier_of_key(kept: Row[Any], mail: PreparedMail) -> EarlierDelivery:
    """Tell how the delivery of a mail's key ended: no more than its row says."""
    begun = replace(
        mail.delivery(kept.delivery_id), message_id=kept.message_id, reverse_path=None, recipients=(), size=0
    )
    day = f"{utc(kept.ended_at):%Y-%m-%d}"
    warning = f"the details of this email, which ended on {day}, have been deleted (MAILNODE_KEEP_DAYS)"
    begun = replace(begun, host="", invitation=None, warnings=(warning,))
    return EarlierDelivery(begun, kept.status, result_of(begun, status=kept.status))


def keep_keys(db: Connection, ended: Sequence[Row[Any]]) -> None:
    """Keep the keys of deliveries that have ended and are about to be deleted."""
    freed = [row.id for row in ended if row.key is not None and row.state in FREES_KEY]
    accepted = set(db.execute(_ACCEPTED, {"ids": freed}).scalars()) if freed else set()
    rows = [
        {
            "hash": _key_hash(row.key),
            "digest": row.digest,
            "status": row.state,
            "message_id": row.message_id,
            "delivery_id": row.id,
            "ended_at": row.updated_at,
        }
        for row in ended
        if row.key is not None and (row.state not in FREES_KEY or row.id in accepted or _is_in_doubt(row))
    ]
    if rows:
        # One that was freed in doubt may stand there of an earlier delivery.
        db.execute(delete(kept_keys).where(kept_keys.c.hash.in_([row["hash"] for row in rows])))
        db.execute(insert(kept_keys), rows)


def forget_keys(db: Connection, before: int, most: int) -> int:
    """Delete what is kept of keys whose deliveries ended before a time (Unix ms); tell how many."""
    old = select(kept_keys.c.hash).where(kept_keys.c.ended_at < before).limit(most)
    return db.execute(delete(kept_keys).where(kept_keys.c.hash.in_(old.scalar_subquery()))).rowcount


def _is_in_doubt(row: Row[Any]) -> bool:
    return row.maybe_accepted or RESENT_AFTER_UNKNOWN in row.warnings


def _key_hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


_FIND_KEPT = Query(select(kept_keys).where(AnyOf(kept_keys.c.hash, "hashes")))
_ACCEPTED = select(delivery_recipients.c.delivery_id).where(
    delivery_recipients.c.delivery_id.in_(bindparam("ids", expanding=True)), delivery_recipients.c.status == "accepted"
)
