"""Carries what is due in the queue, as much at once as this process can, and of no lane more than it bears."""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from mailnode.delivery.attempt_loop import AttemptLoop
from mailnode.delivery.capacity import BATCH, Capacity
from mailnode.delivery.circuit_breaker import CircuitBreaker
from mailnode.delivery.claims import Claimed, Claims
from mailnode.delivery.delivery import UnreadableDelivery
from mailnode.delivery.dispatcher import Dispatcher, end_tasks
from mailnode.delivery.job import DeliveryJob
from mailnode.delivery.outbox import Outbox, StaleClaim
from mailnode.delivery.recovery import Defect, meets_defect
from mailnode.delivery.result import Result
from mailnode.delivery.route import Clients, Destination, FindRoute, Route
from mailnode.delivery.rows import whole
from mailnode.errors import MailnodeError, StoreError
from mailnode.message.envelope import Message
from mailnode.store.clock import unix_ms
from mailnode.store.retry import insist
from mailnode.supervision import Supervised

# Between two claims, so that there is something to claim together.
PAUSE_SECONDS = 0.002
# How often a worker looks for what nobody has told it of.
LOOK_SECONDS = 1.0
# What a server lets in nobody for so long of is taken for silent: one delivery waits on, the others are put back.
DOOR_SECONDS = 10.0
# A worker that has not looked for so long is stuck.
SILENT_SECONDS = 60.0

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Round:
    """What one round began, and in how many seconds another one may begin more; None when nothing is in the queue.

    `is_paced` tells that something is due which only waits for its rate limit.
    """

    begun: int
    more_in: float | None
    is_paced: bool


class QueueWorker:
    """Claims and carries deliveries for one process; `outcomes` counts how they have ended."""

    def __init__(
        self,
        outbox: Outbox,
        claims: Claims,
        dispatcher: Dispatcher,
        breaker: CircuitBreaker,
        clients: Clients,
        find: FindRoute,
    ) -> None:
        """Take from `claims`; `find` gives the route to a destination as it is now."""
        self._outbox = outbox
        self._claims = claims
        self._dispatcher = dispatcher
        self._breaker = breaker
        self._clients = clients
        self._find = find
        self._capacity = Capacity()
        self._claimed_at = -math.inf
        self._not_stored: Counter[str] = Counter()
        self._carries: set[AttemptLoop] = set()
        self._draining: set[str | None] = set()
        self.stopped = asyncio.Event()
        self.supervised = Supervised("the queue's worker", stalled_after=SILENT_SECONDS)
        self.outcomes: Counter[str] = Counter()
        self.freed = asyncio.Event()

    @property
    def is_stopped(self) -> bool:
        """Whether it claims nothing more."""
        return self.stopped.is_set()

    @property
    def busy(self) -> int:
        """How many deliveries are under way."""
        return self._capacity.total

    async def round(self, only: str | None = None) -> Round:
        """Claim what is due, of all lanes or of `only` one, and begin to carry it.

        Raises:
            StoreError: the database can't be asked now.
        """
        self.freed.clear()
        began = asyncio.get_running_loop().time()
        self._call_back_from_silence()
        hands = self._capacity.hands(only, self._breaker.troubled)
        is_short = hands.free < BATCH and began < self._claimed_at + LOOK_SECONDS
        if self.is_stopped or hands.is_empty or (is_short and self.busy):
            self.supervised.report_success()
            return Round(0, None, False)
        catch = await self._claims.take(hands)
        self._claimed_at = began
        self.outcomes += Counter(held=catch.held)
        if catch.claimed:
            with self._dispatcher.holding(one.delivery.id for one in catch.claimed):
                await self._send_out(catch.claimed, began)
        self.supervised.report_success()
        return Round(len(catch.claimed), catch.more_in, catch.is_paced)

    async def drain(self, only: str | None = None) -> None:
        """Carry what is due, of all lanes or of `only` one, until there is no more or this is stopped."""
        if only in self._draining:
            return
        self._draining.add(only)
        try:
            while not self.is_stopped:
                was_busy = self._busy_with(only)
                if was_busy and only is not None and not self._capacity.room(only):
                    await self._lane_changes(only)
                    continue
                round_ = await insist(lambda: self.round(only), is_over=lambda: self.is_stopped)
                if round_.begun:
                    await asyncio.sleep(PAUSE_SECONDS)
                elif was_busy and not self._busy_with(only):
                    pass  # what ended meanwhile may have made something due that this round did not see
                elif was_busy:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self.freed.wait(), LOOK_SECONDS)
                elif round_.is_paced and round_.more_in is not None:
                    await asyncio.sleep(min(round_.more_in, LOOK_SECONDS))
                else:
                    return
        finally:
            self._draining.discard(only)

    def _busy_with(self, only: str | None) -> int:
        """Tell how many are under way; one whose outcome can't be stored for long is waited for no more."""
        lanes = [only] if only is not None else self._capacity.lanes
        return sum(self._capacity.of(lane) - self._not_stored[lane] for lane in lanes)

    async def _lane_changes(self, lane: str) -> None:
        """Wait until one of a lane has ended, or waits for the database alone."""
        carries = [carry for carry in self._carries if carry.delivery.lane == lane]
        ends = {end for carry in carries if not carry.not_stored.done() for end in (carry.task, carry.not_stored)}
        if ends:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)

    def _call_back_from_silence(self) -> None:
        """Put back what waits for a server that lets nobody in, all but the one that has waited longest."""
        silent_since = asyncio.get_running_loop().time() - DOOR_SECONDS
        waiting: dict[str, list[AttemptLoop]] = {}
        for carry in self._carries:
            waiting.setdefault(carry.delivery.lane, []).append(carry)
        for lane, carries in waiting.items():
            carries.sort(key=lambda carry: carry.waits_since)
            if carries[0].waits_since <= silent_since and carries[-1].waits_since < math.inf and carries[1:]:
                self._capacity.fails(lane)
                for carry in carries[1:]:
                    carry.give_up()

    async def recover(self) -> int:
        """Put back into the queue what dead workers left, and what a defect has left of this one; tell how many.

        What waits for a silent server is put back too.

        Raises:
            StoreError: the database can't be asked now.
        """
        self._call_back_from_silence()
        return await self._outbox.recover() + await self._dispatcher.settle_lost()

    async def wake(self) -> None:
        """Have the engine wake for every lane that has something due.

        Raises:
            StoreError: the database can't be asked now.
        """
        await self._outbox.wake()

    def start(self) -> None:
        """Be ready to claim, for the first time or after a stop."""
        self.stopped.clear()

    async def stop(self, seconds: float | None = None) -> None:
        """Claim nothing more, return what can be returned, and wait as long as is given for answers that are due.

        What is left then is in doubt, and is told so by whoever takes it over when this process is gone.
        """
        self.stopped.set()
        self.freed.set()
        for carry in self._carries:
            carry.give_up()
        await end_tasks({carry.task for carry in self._carries}, seconds)

    async def _send_out(self, claimed: Sequence[Claimed], began: float) -> None:
        messages = await self._messages(claimed)
        routes: dict[Destination, Route | Exception] = {}
        for one in claimed:
            began_at = unix_ms()
            with suppress(StaleClaim):  # whoever has taken it over sends it
                try:
                    await self._send_one(one, messages, routes, began)
                except UnreadableDelivery as error:
                    await self._until_stopped(partial(self._outbox.held, one.delivery, error))
                    self.outcomes["held"] += 1
                except Exception as error:  # one delivery's trouble is no other's
                    if isinstance(error, StaleClaim) or (isinstance(error, StoreError) and self.is_stopped):
                        raise
                    _log.exception("delivery %s met a defect", one.delivery.id)
                    lost = Defect(*meets_defect(one.delivery, error, "connect", began_at))
                    await self._until_stopped(partial(self._outbox.met_defect, lost))

    async def _messages(self, claimed: Sequence[Claimed]) -> Mapping[str, Message]:
        try:
            return await self._until_stopped(lambda: self._outbox.messages([one.delivery for one in claimed]))
        except Exception:  # noqa: BLE001 -- it is met again by those deliveries that it is of
            return {}

    async def _send_one(
        self,
        one: Claimed,
        messages: Mapping[str, Message],
        routes: dict[Destination, Route | Exception],
        began: float,
    ) -> None:
        destination = one.delivery.destination
        if destination not in routes:
            routes[destination] = await self._route(destination)
        route = routes[destination]
        if isinstance(route, MailnodeError):
            await self._no_way(one, route)
            return
        if isinstance(route, Exception):
            raise route
        if one.delivery.id not in messages:
            messages = await self._until_stopped(lambda: self._outbox.messages([one.delivery]))
        slack = route.rate_limit.slack_us / 1_000_000 if route.rate_limit else 0.0
        self._begin(
            DeliveryJob(
                one.delivery,
                whole(messages[one.delivery.id]),
                self._clients.of(route),
                route,
                one.seconds_left,
                keep=False,
                is_probe=one.is_probe,
                is_last=one.is_last,
                time_until=began + slack,
            )
        )

    async def _route(self, destination: Destination) -> Route | Exception:
        try:
            return await self._find(destination)
        except Exception as error:  # noqa: BLE001 -- it is raised, or told, for each delivery that goes there
            return error

    async def _no_way(self, one: Claimed, error: MailnodeError) -> None:
        """A connection that is gone or can't be opened may come back: its mails wait, and tell why when they can't."""
        delivery = one.delivery
        connection = delivery.destination.connection
        await self._until_stopped(
            lambda: self._breaker.fails(delivery.lane, connection, None, error, probe=one.is_probe)
        )
        await self._until_stopped(lambda: self._outbox.put_back(delivery))

    async def _until_stopped(self, ask: Callable[[], Awaitable[T]]) -> T:
        return await insist(ask, seconds=math.inf, is_over=lambda: self.is_stopped)

    def _begin(self, job: DeliveryJob) -> None:
        lane = job.delivery.lane
        self._capacity.begin(job.delivery, is_probe=job.is_probe)
        carry = self._dispatcher.carry(job)
        self._carries.add(carry)
        carry.not_stored.add_done_callback(lambda _: self._waits_for_store(lane))
        carry.task.add_done_callback(lambda task: self._ended(job, carry, task))

    def _waits_for_store(self, lane: str) -> None:
        self._not_stored[lane] += 1
        self.freed.set()

    def _ended(self, job: DeliveryJob, carry: AttemptLoop, task: asyncio.Task[Result]) -> None:
        lane = job.delivery.lane
        self._carries.discard(carry)
        self._capacity.end(job.delivery, is_probe=job.is_probe)
        self._not_stored[lane] -= carry.not_stored.done()
        if not carry.is_lane_well:
            self._capacity.fails(lane)
        elif not carry.is_called_back:
            self._capacity.works(lane)
        if task.cancelled():
            pass
        elif not (error := task.exception()):
            self.outcomes[task.result()["status"]] += 1
        else:
            _log.error("delivery %s is left to the next worker: %s", job.delivery.id, error)
        if self._capacity.room(lane):
            self.freed.set()
