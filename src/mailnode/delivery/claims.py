"""Deliveries that are due are claimed route by route, so that no route keeps another one waiting."""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Integer, Row, bindparam, exists, literal_column, select, update

from mailnode.connections.rate_limit import MICROSECONDS
from mailnode.delivery.capacity import ASKED_AT_ONCE, MAX_BYTES, FreeCapacity, share_out
from mailnode.delivery.circuit_breaker import LATEST_DUE_MS, is_tripped, ready_at, routes_with_due, take_probe
from mailnode.delivery.delivery import Delivery
from mailnode.delivery.rates import next_times, rate_limit_of, take_time
from mailnode.delivery.recovery import OnEnd, read_or_hold
from mailnode.delivery.result import Result
from mailnode.delivery.rows import QUEUED
from mailnode.store.backend import ThisProcess
from mailnode.store.clock import now_ms, unix_ms
from mailnode.store.database import Database
from mailnode.store.kinds import Number
from mailnode.store.prepared import AnyOf, Change, Query
from mailnode.store.steps import InSteps
from mailnode.store.tables import attempts, deliveries

# How long the last attempt of a delivery may take whose time is over: as long as a server may take for its content.
LAST_TRY_SECONDS = 600.0
# A route whose rate limit gives a time less often may be left to the job that the next look makes for it.
LONG_SPACING = 1.0


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that this worker has claimed.

    `seconds_left` is how long it may be tried, none if its time is over; `is_probe` tells that its route is tripped,
    and nobody else tries it meanwhile, `is_last` that its time is over but for this attempt.
    """

    delivery: Delivery
    seconds_left: float
    is_probe: bool = False
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class ClaimBatch:
    """The claims, and in how many seconds there may be more; None when nothing is in the queue.

    `taken_at` is when its transaction began (`time.monotonic`): it may have waited long for that. `is_paced` tells that
    something is due which only waits for its rate limit, or that the one route that was asked for has no other time
    for long, and `held` how many could not be read and are held for a person. `is_full` tells that nothing was looked
    for, since there was no room.
    """

    claims: Sequence[Claim] = ()
    more_in: float | None = None
    is_paced: bool = False
    held: int = 0
    taken_at: float = 0.0
    is_full: bool = False


class Claims:
    """The queue, as one worker takes from it."""

    def __init__(self, database: Database, process: ThisProcess, on_end: OnEnd) -> None:
        """Claim from `database` for `process`; `on_end` is called for what can't be read, and is held."""
        self._database = database
        self._process = process
        self._on_end = on_end
        self._up_since = unix_ms()
        self._first = {True: "", False: ""}  # whose turn it is among the routes that work, and the others
        self._asking = asyncio.Semaphore(ASKED_AT_ONCE)
        self._held = 0

    async def take(self, free_now: Callable[[], FreeCapacity | None]) -> ClaimBatch:
        """Claim what is due, as much as there is room for, shared out to the routes; what is out of time comes first.

        `free_now` tells that room when it is this caller's turn, of which there are few at once; None is no room.

        That is what has been tried since this worker started, or whose route has, and fails; all else gets one more
        attempt. A tripped route gives one, and that only when its wait is over; one with a rate limit as many as have
        their time now, which they take.
        """
        async with self._asking:
            if (free := free_now()) is None:
                return ClaimBatch(is_full=True)
            return await self._database.write(lambda db: self._take(db, free))

    @property
    def is_crowded(self) -> bool:
        """Whether others wait to claim something."""
        return self._asking.locked()

    def _take(self, db: Connection, free: FreeCapacity) -> ClaimBatch:
        taken_at = time.monotonic()
        now, self._held = now_ms(db), 0
        due = routes_with_due(db, free.only)
        tripped = [row.name for row in due if row.name in free.tripped and is_tripped(row)]
        is_over = {"since": self._up_since, "tripped": tripped}
        over = self._claim(db, now, _OVER, is_over, free.deliveries, free.size)
        claims = [Claim(delivery, 0.0) for delivery, _ in over]
        ready, wakes, is_paced = [], [], False
        times = {row.name: ready_at(row, now) for row in due}
        limited = {row.connection for row in due if times[row.name] <= now and rate_limit_of(row)}
        paced = next_times(db, limited, now * 1000)
        for row in due:
            at = times[row.name]
            if at <= now and row.connection in paced:
                at = -(-paced[row.connection] // 1000)
                is_paced |= at > now
            if at <= now:
                ready.append(row)
            else:
                wakes.append(at)
        sizes = {True: free.size - sum(delivery.size for delivery, _ in over), False: free.untried_size}
        if free.only is None:
            ready = self._in_turn(ready, free)
        shares = share_out(ready, free, free.deliveries - len(over))
        if free.only is None:
            self._note_left_out(ready, free, shares)
        for row in ready:
            works = row.name in free.per_route
            taken = self._take_from(db, row, shares[row.name], sizes[works], now)
            sizes[works] -= sum(one.delivery.size for one in taken)
            claims += taken
            if taken and free.only is not None and (limit := rate_limit_of(row)):
                is_paced = limit.spacing_us > LONG_SPACING * MICROSECONDS
        more_in = 0.0 if claims else (min(wakes) - now) / 1000 if wakes else None
        return ClaimBatch(claims, more_in, is_paced, self._held, taken_at)

    def _in_turn(self, ready: Sequence[Row[Any]], free: FreeCapacity) -> list[Row[Any]]:
        """Put those ahead that the last look had no room for, so that no route waits for ever for others.

        Routes that work and untried ones have room of their own, and turns of their own.
        """
        in_turn: list[Row[Any]] = []
        for works, first in self._first.items():
            routes = sorted((row for row in ready if (row.name in free.per_route) == works), key=_NAME)
            begin = bisect_left(routes, first, key=_NAME)
            in_turn += routes[begin:] + routes[:begin]
        return in_turn

    def _note_left_out(self, ready: Sequence[Row[Any]], free: FreeCapacity, shares: Mapping[str, int]) -> None:
        left_out = [
            row.name for row in ready if not shares[row.name] and free.has_place(row.name) and not is_tripped(row)
        ]
        for works in self._first:
            self._first[works] = next((name for name in left_out if (name in free.per_route) == works), "")

    def _take_from(self, db: Connection, route_row: Row[Any], room: int, size: int, now: int) -> list[Claim]:
        if room < 1:
            return []
        tripped, limit = is_tripped(route_row), rate_limit_of(route_row)
        if tripped or limit:  # there are no bursts, so no second time comes now
            room = 1

        def may_go() -> bool:
            if tripped and not take_probe(db, route_row, now):
                return False
            return not limit or take_time(db, route_row.connection, limit, now * 1000) is not None

        of_route = {"route_key": route_row.name, "too_late": now + LATEST_DUE_MS}
        return [
            Claim(
                delivery,
                LAST_TRY_SECONDS if expires_at <= now else (expires_at - now) / 1000,
                is_probe=tripped,
                is_last=expires_at <= now,
            )
            for delivery, expires_at in self._claim(db, now, _DUE, of_route, room, size, may_go)
        ]

    def _claim(
        self,
        db: Connection,
        now: int,
        which: Query,
        parameters: Mapping[str, Any],
        room: int,
        size: int,
        may_go: Callable[[], bool] = lambda: True,
    ) -> list[tuple[Delivery, int]]:
        """Claim what a query finds; `may_go` is asked once there is something, and may take what that takes."""
        claimed: list[tuple[Delivery, int]] = []
        while (left := room - len(claimed)) > 0:
            rows = list(_within(which.all(db, now=now, most=left, **parameters), size))
            if not rows:
                break
            sound = read_or_hold(db, rows, self._on_held)
            if sound and not may_go():
                break
            claimed += self._claim_rows(db, now, sound)
            size -= sum(delivery.size for delivery, _ in sound)
            if len(sound) == len(rows):  # else what can't be read is out of the way now, and has left room
                break
        return claimed

    def _on_held(self, db: Connection, ended: Sequence[tuple[Delivery, Result]]) -> InSteps[None]:
        self._held += len(ended)
        yield from self._on_end(db, ended)

    def _claim_rows(
        self, db: Connection, now: int, sound: list[tuple[Delivery, Row[Any]]]
    ) -> list[tuple[Delivery, int]]:
        if not sound:
            return []
        process_id = self._process.id  # it may change at any time, and what is claimed is claimed under one
        _CLAIM.run_once(db, ids=[delivery.id for delivery, _ in sound], process_id=process_id, now=now)
        return [
            (replace(delivery, generation=delivery.generation + 1, claimed_by=process_id), row.expires_at)
            for delivery, row in sound
        ]


_NAME = attrgetter("name")
_MOST = bindparam("most", type_=Integer)
_NOW = bindparam("now", type_=Number)
_TRIED = exists().where(attempts.c.delivery_id == deliveries.c.id, attempts.c.started_at >= bindparam("since"))
_OVER = Query(
    select(deliveries)
    .where(QUEUED, deliveries.c.expires_at <= _NOW, _TRIED | AnyOf(deliveries.c.route_key, "tripped"))
    .order_by(deliveries.c.expires_at)
    .limit(_MOST)
    .with_for_update(skip_locked=True)
)
_DUE = Query(
    select(deliveries)
    .where(
        QUEUED,
        deliveries.c.route_key == bindparam("route_key"),
        (deliveries.c.due_at <= _NOW) | (deliveries.c.due_at > bindparam("too_late")),
    )
    .order_by(deliveries.c.due_at)
    .limit(_MOST)
    .with_for_update(skip_locked=True)
)
_CLAIM = Change(
    update(deliveries)
    .where(AnyOf(deliveries.c.id, "ids"))
    .values(
        generation=deliveries.c.generation + literal_column("1"),
        state=literal_column("'claimed'"),
        worker=bindparam("process_id"),
        updated_at=_NOW,
    )
)


def _within(rows: Iterable[Row[Any]], size: int) -> Iterable[Row[Any]]:
    for number, row in enumerate(rows):
        size -= row.size
        if size < 0 and (number or size + row.size < MAX_BYTES):
            return
        yield row
