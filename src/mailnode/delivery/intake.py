"""Deliveries as they come into the database: each idempotency key once."""

import json
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from sqlalchemy import Connection, Row, bindparam, delete, select, update

from mailnode.delivery.broken_off import Tell, set_aside, take_over
from mailnode.delivery.circuit_breaker import ensure_lanes
from mailnode.delivery.delivery import FINAL_STATES, Delivery, Draft, UnreadableDelivery
from mailnode.delivery.kept_keys import FREES_KEY, find_kept, standing_of
from mailnode.delivery.row_reader import options_of, read_deliveries, read_roughly
from mailnode.delivery.rows import insert_deliveries, route_columns
from mailnode.delivery.stored import Standing, read_report
from mailnode.errors import DeliveryError
from mailnode.store.backend import ThisProcess
from mailnode.store.clock import now_ms
from mailnode.store.tables import deliveries as table

Answer = Delivery | Standing | Exception


class Engine(Protocol):
    """Who wakes a worker when a delivery is due."""

    def due(self, db: Connection, lane: str) -> None:
        """Hear, in the transaction that makes it so, that a lane has a delivery in the queue."""


class Intake:
    """The way in: new deliveries of this worker, and what stands under their keys already."""

    def __init__(self, process: ThisProcess, engine: Engine, tell: Tell) -> None:
        """Claim for `process`; `engine` hears what is due, `tell` of what can't be read, and is held."""
        self._process = process
        self._engine = engine
        self._tell = tell

    def begin(self, db: Connection, drafts: list[Draft]) -> list[Answer]:
        """Write deliveries down, or find those that their keys have already."""
        answers: dict[int, Answer] = {}
        in_doubt: set[str | None] = set()  # keys that were freed by what may have reached somebody
        while left := [number for number in range(len(drafts)) if number not in answers]:
            begun = {number: self._begun(drafts[number], in_doubt) for number in left}
            new = insert_deliveries(db, [(begun[number], drafts[number]) for number in left], now_ms(db))
            came = {number: drafts[number] for number in left if begun[number].id in new}
            kept = self._not_to_be_sent(db, came, in_doubt)
            db.execute(delete(table).where(table.c.id.in_([begun[one].id for one in kept]))) if kept else None
            answers |= {number: answer for number, answer in kept.items() if answer is not None}
            answers |= {number: begun[number] for number in came if number not in kept}
            self.say_due(db, [begun[one] for one in came if one not in kept and not begun[one].claimed_by])
            refused = {drafts[one].key: one for one in reversed(left) if one not in answers and one not in kept}
            known = _by_key(db, list(refused), in_doubt) if refused else {}
            # Of several with one key the second must find what the first has made of it.
            for key, row in known.items():
                answers[refused[key]] = self._stand_or_take_over(db, row, drafts[refused[key]])
        return [answers[number] for number in range(len(drafts))]

    def say_due(self, db: Connection, queued: Iterable[Delivery]) -> None:
        """Wake for each lane, in one order everywhere: who defers the same job twice waits for the other's commit."""
        by_lane = {delivery.lane: delivery.destination.connection for delivery in queued}
        if by_lane:
            ensure_lanes(db, by_lane)
        for lane in sorted(by_lane):
            self._engine.due(db, lane)

    def _begun(self, draft: Draft, in_doubt: Collection[str | None]) -> Delivery:
        begun = draft.begun(uuid.uuid4().hex, "" if draft.terms.queued else self._process.id)
        return begun.marked_after_earlier() if draft.key in in_doubt else begun

    def _not_to_be_sent(
        self, db: Connection, came: Mapping[int, Draft], in_doubt: set[str | None]
    ) -> dict[int, Answer | None]:
        """Answer for those whose keys outlived their deliveries; with None, and `in_doubt`, for whom to begin marked.

        It is asked after they were written, because a delivery is cleared away and its key kept in one transaction.
        """
        kept = find_kept(db, {draft.key for draft in came.values() if draft.key is not None})
        answers: dict[int, Answer | None] = {}
        for number, draft in came.items():
            found = kept.get(draft.key) if draft.key is not None else None
            if found is None or (found.status in FREES_KEY and draft.key in in_doubt):
                continue
            if found.status in FREES_KEY:
                in_doubt.add(draft.key)
                answers[number] = None
            else:
                answers[number] = _other_content(draft) if found.digest != draft.digest else standing_of(found, draft)
        return answers

    def _stand_or_take_over(self, db: Connection, row: Row[Any], draft: Draft) -> Answer:
        if row.digest != draft.digest:
            return _other_content(draft)
        if row.state in FINAL_STATES or draft.terms.queued or (row.worker and self._process.is_alive(db, row.worker)):
            (delivery,) = read_roughly(db, [row])
            return Standing(delivery, row.state, read_report(db, row))
        try:
            return self._taken_over(db, row, draft)
        except UnreadableDelivery as error:
            delivery, report = set_aside(db, row, error, self._tell)
            return Standing(delivery, "held", report)

    def _taken_over(self, db: Connection, row: Row[Any], draft: Draft) -> Delivery:
        (delivery,) = read_deliveries(db, [row])
        take_over(db, delivery, row, self._process.id)
        # Whoever runs it again waits for it, and has it go where the flow sends its mail by now.
        columns = route_columns(draft.destination, draft.route)
        columns["options"] = json.dumps({**options_of(row), "destination": columns.pop("destination")})
        db.execute(update(table).where(table.c.id == row.id).values(**columns))
        (taken,) = read_deliveries(db, db.execute(select(table).where(table.c.id == row.id)).all())
        return replace(taken, terms=draft.terms)


_OF_KEYS = select(table).where(table.c.key.in_(bindparam("keys", expanding=True))).with_for_update()


def _by_key(db: Connection, keys: Sequence[str | None], in_doubt: set[str | None]) -> dict[str | None, Row[Any]]:
    """Find what has these keys already, and take them from what has failed or was cancelled.

    The keys of those that may have reached somebody all the same are added to `in_doubt`.
    """
    found = db.execute(_OF_KEYS, {"keys": keys}).all()
    over = {row.id: row for row in found if row.state in FREES_KEY}
    if over:
        left = read_roughly(db, list(over.values()))
        in_doubt.update(over[one.id].key for one in left if one.may_have_reached_somebody)
        db.execute(update(table).where(table.c.id.in_(over)).values(key=None))
    return {row.key: row for row in found if row.id not in over}


def _other_content(draft: Draft) -> DeliveryError:
    return DeliveryError(
        f"the idempotency key {draft.key!r} was used for a mail with other content",
        hint="give each mail a key of its own, or leave idempotencyKey out and give each run its own id",
    )
