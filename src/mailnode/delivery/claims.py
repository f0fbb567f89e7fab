"""What is due: claimed lane by lane, so that no lane keeps another one waiting."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, exists, select, update

from mailnode.connections.rate_limit import RateLimit
from mailnode.delivery.capacity import MOST_OCTETS, Hands, deal
from mailnode.delivery.circuit_breaker import is_failing, lanes_with_due, retry_at, take_probe
from mailnode.delivery.delivery import LONGEST_WAIT, Delivery
from mailnode.delivery.rates import next_time, take_time
from mailnode.delivery.recovery import Tell, read_sound
from mailnode.delivery.result import Result
from mailnode.delivery.rows import QUEUED
from mailnode.errors import MailnodeError
from mailnode.store.backend import ThisProcess
from mailnode.store.clock import now_ms, unix_ms
from mailnode.store.database import Database
from mailnode.store.tables import attempts, deliveries

# How long the last try of a delivery may take whose time is over: as long as a server may think about its content.
LAST_TRY_SECONDS = 600.0
_LONGEST_WAIT_MS = int(LONGEST_WAIT * 1000)


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery in this worker's hands.

    `seconds_left` is how long it may be tried, none if its time is over; `is_probe` tells that its lane fails, and
    nobody else tries it meanwhile, `is_last` that its time is over but for this try.
    """

    delivery: Delivery
    seconds_left: float
    is_probe: bool = False
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class ClaimBatch:
    """What was claimed, and in how many seconds there may be more; None when nothing is in the queue.

    `is_paced` tells that something is due which only waits for its rate limit, and `held` how many could not be read
    and are left to a person.
    """

    claimed: Sequence[Claimed]
    more_in: float | None
    is_paced: bool = False
    held: int = 0


class Claims:
    """The queue, as one worker takes from it."""

    def __init__(self, database: Database, process: ThisProcess, tell: Tell) -> None:
        """Claim from `database` for `process`; `tell` hears of what can't be read, and is held."""
        self._database = database
        self._process = process
        self._tell = tell
        self._up_since = unix_ms()
        self._turn = 0
        self._held = 0

    async def take(self, hands: Hands) -> ClaimBatch:
        """Claim what is due, as much as the hands hold, dealt out to the lanes; what has run out of time comes first.

        That is what has been tried since this worker is up, or whose lane has, and fails; all else is tried once more.

        A failing lane gives one, and that only when its wait is over; one with a rate limit as many as have their time
        now, for which it is taken.
        """
        return await self._database.write(lambda db: self._take(db, hands))

    def _take(self, db: Connection, hands: Hands) -> ClaimBatch:
        now, self._held = now_ms(db), 0
        lanes = lanes_with_due(db, hands.only)
        over = self._claim(db, now, self._is_over(now, lanes, hands), hands.free, hands.octets, deliveries.c.expires_at)
        claimed = [Claimed(delivery, 0.0) for delivery, _ in over]
        ready, wakes, is_paced = [], [], False
        for lane in lanes:
            at = max(_sane(lane.due, now, _LONGEST_WAIT_MS), retry_at(lane, now))
            if at <= now and _limit(lane):
                at = -(-next_time(db, lane.connection, now * 1000) // 1000)
                is_paced |= at > now
            if at <= now:
                ready.append(lane)
            else:
                wakes.append(at)
        self._turn += 1  # where there are more lanes than hands each one comes first once
        ready = [*ready[self._turn % len(ready) :], *ready[: self._turn % len(ready)]] if ready else []
        octets = {True: hands.octets - sum(delivery.size for delivery, _ in over), False: hands.newcomer_octets}
        rooms = deal(ready, hands, hands.free - len(over))
        for lane in ready:
            works = lane.name in hands.rooms
            taken = self._take_from(db, lane, rooms[lane.name], octets[works], now)
            octets[works] -= sum(one.delivery.size for one in taken)
            claimed += taken
        more_in = 0.0 if claimed else (min(wakes) - now) / 1000 if wakes else None
        return ClaimBatch(claimed, more_in, is_paced, self._held)

    def _is_over(self, now: int, lanes: list[Row[Any]], hands: Hands) -> ColumnElement[bool]:
        tried = exists().where(attempts.c.delivery_id == deliveries.c.id, attempts.c.started_at >= self._up_since)
        failing = [lane.name for lane in lanes if lane.name in hands.troubled and is_failing(lane)]
        return (deliveries.c.expires_at <= now) & (tried | deliveries.c.lane.in_(failing) if failing else tried)

    def _take_from(self, db: Connection, lane: Row[Any], room: int, octets: int, now: int) -> list[Claimed]:
        if room < 1:
            return []
        failing = is_failing(lane)
        if failing:
            if not take_probe(db, lane, now):
                return []
            room = 1
        limit = _limit(lane)
        if limit:
            times = 0
            while times < room and take_time(db, lane.connection, limit, now * 1000) is not None:
                times += 1
            room = times
        is_due = (deliveries.c.due_at <= now) | (deliveries.c.due_at > now + _LONGEST_WAIT_MS)
        of_lane = (deliveries.c.lane == lane.name) & is_due
        return [
            Claimed(
                delivery,
                LAST_TRY_SECONDS if expires_at <= now else (expires_at - now) / 1000,
                is_probe=failing,
                is_last=expires_at <= now,
            )
            for delivery, expires_at in self._claim(db, now, of_lane, room, octets)
        ]

    def _claim(
        self,
        db: Connection,
        now: int,
        which: ColumnElement[bool],
        room: int,
        octets: int,
        order: ColumnElement[int] = deliveries.c.due_at,
    ) -> list[tuple[Delivery, int]]:
        claimed: list[tuple[Delivery, int]] = []
        while (left := room - len(claimed)) > 0:
            due = select(deliveries).where(QUEUED, which).order_by(order).limit(left)
            rows = list(_within(db.execute(due.with_for_update(skip_locked=True)), octets))
            if not rows:
                break
            sound = read_sound(db, rows, self._tell_of_held)
            claimed += self._take_up(db, now, sound)
            octets -= sum(delivery.size for delivery, _ in sound)
            if len(sound) == len(rows):  # else what can't be read is out of the way now, and has left room
                break
        return claimed

    def _tell_of_held(self, db: Connection, ended: Sequence[tuple[Delivery, Result]]) -> None:
        self._held += len(ended)
        self._tell(db, ended)

    def _take_up(self, db: Connection, now: int, sound: list[tuple[Delivery, Row[Any]]]) -> list[tuple[Delivery, int]]:
        if not sound:
            return []
        process_id = self._process.id  # it may change at any time, and what is claimed is claimed under one
        ours = {"state": "claimed", "worker": process_id, "updated_at": now}
        of_these = deliveries.c.id.in_([delivery.id for delivery, _ in sound])
        db.execute(update(deliveries).where(of_these).values(generation=deliveries.c.generation + 1, **ours))
        return [
            (replace(delivery, generation=delivery.generation + 1, claimed_by=process_id), row.expires_at)
            for delivery, row in sound
        ]


def _sane(at: int, now: int, longest: int) -> int:
    """Give a time to come, or none: nothing waits longer than this, so what seems to was written by a later clock."""
    return at if at <= now + longest else 0


def _within(rows: Iterable[Row[Any]], octets: int) -> Iterable[Row[Any]]:
    for number, row in enumerate(rows):
        octets -= row.size
        if octets < 0 and (number or octets + row.size < MOST_OCTETS):
            return
        yield row


def _limit(lane: Row[Any]) -> RateLimit | None:
    try:
        written = json.loads(lane.settings).get("rateLimit") if lane.settings else None
        return RateLimit.parse(written) if written else None
    except (ValueError, AttributeError, MailnodeError):
        return None  # a connection that can't be read sends nothing anyhow, and its mail says why
