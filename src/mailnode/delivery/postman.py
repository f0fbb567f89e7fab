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

from mailnode.delivery.broken_off import Defect, meets_defect
from mailnode.delivery.carry import Carry
from mailnode.delivery.claims import MOST_OCTETS, Claimed, Claims, Hands
from mailnode.delivery.courier import Courier, end_tasks
from mailnode.delivery.errand import Errand
from mailnode.delivery.outbox import Outbox, StaleClaim
from mailnode.delivery.report import Report
from mailnode.delivery.route import Clients, Destination, FindRoute, Route
from mailnode.delivery.stored import StoredMessage
from mailnode.delivery.traffic import Traffic
from mailnode.errors import MailnodeError, StoreError
from mailnode.store.clock import unix_ms
from mailnode.store.insist import insist
from mailnode.supervision import Supervised

# How many deliveries are under way at once, and of one lane: more than its sessions, so that none ever waits.
HANDS = 128
LANE_HANDS = 64
# So many are claimed together, as long as there is work meanwhile: a claim costs a commit.
_BATCH = 32

# Between two claims, so that there is something to claim together.
PAUSE_SECONDS = 0.002
# How often a worker looks for what nobody has told it of.
LOOK_SECONDS = 1.0
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


class Postman:
    """Claims and carries deliveries for one process.

    A lane that it does not know gets one delivery at first, and twice as many with each one that goes well; trouble
    puts it back to one. So a server that swallows what it is given can never hold all the hands. `tally` counts how
    deliveries have ended.
    """

    def __init__(
        self, outbox: Outbox, claims: Claims, courier: Courier, traffic: Traffic, clients: Clients, find: FindRoute
    ) -> None:
        """Take from `claims`; `find` gives the route to a destination as it is now."""
        self._outbox = outbox
        self._claims = claims
        self._courier = courier
        self._traffic = traffic
        self._clients = clients
        self._find = find
        self._windows: dict[str, int] = {}
        self._under_way: Counter[str] = Counter()
        self._not_stored: Counter[str] = Counter()
        self._carries: set[Carry] = set()
        self._draining: set[str | None] = set()
        self._octets = 0
        self.stopped = asyncio.Event()
        self.supervised = Supervised("the queue's worker", silent_after=SILENT_SECONDS)
        self.tally: Counter[str] = Counter()
        self.freed = asyncio.Event()

    @property
    def is_stopped(self) -> bool:
        """Whether it claims nothing more."""
        return self.stopped.is_set()

    @property
    def busy(self) -> int:
        """How many deliveries are under way."""
        return self._under_way.total()

    async def round(self, only: str | None = None) -> Round:
        """Claim what is due, of all lanes or of `only` one, and begin to carry it.

        Raises:
            StoreError: the database can't be asked now.
        """
        self.freed.clear()
        free = HANDS - self.busy
        if self.is_stopped or (free < _BATCH and self.busy):
            return Round(0, None, False)
        began = asyncio.get_running_loop().time()
        rooms = {lane: self._room(lane) for lane in self._windows}
        catch = await self._claims.take(
            Hands(free, MOST_OCTETS - self._octets, rooms, only=only, tried=self._traffic.troubled)
        )
        if catch.claimed:
            with self._courier.holding(one.delivery.id for one in catch.claimed):
                await self._send_out(catch.claimed, began)
        self.supervised.looked()
        return Round(len(catch.claimed), catch.more_in, catch.is_paced)

    async def drain(self, only: str | None = None) -> None:
        """Carry what is due, of all lanes or of `only` one, until there is no more or this is stopped."""
        if only in self._draining:
            return
        self._draining.add(only)
        try:
            while not self.is_stopped:
                was_busy = self._busy_with(only)
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
        lanes = [only] if only is not None else [*self._under_way]
        return sum(self._under_way[lane] - self._not_stored[lane] for lane in lanes)

    def _room(self, lane: str) -> int:
        window = self._windows[lane]
        room = window - self._under_way[lane]
        return room if room >= min(_BATCH, window / 2) else 0

    async def recover(self) -> int:
        """Put back into the queue what dead workers left, and what a defect has left of this one; tell how many.

        Raises:
            StoreError: the database can't be asked now.
        """
        return await self._outbox.recover() + await self._courier.settle_lost()

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
            try:
                await self._send_one(one, messages, routes, began)
            except StaleClaim:
                pass  # whoever has taken it over sends it
            except Exception as error:  # one delivery's trouble is no other's
                if isinstance(error, StoreError) and self.is_stopped:
                    raise
                _log.exception("delivery %s met a defect", one.delivery.id)
                lost = Defect(*meets_defect(one.delivery, error, "connect", began_at))
                with suppress(StaleClaim):
                    await self._until_stopped(partial(self._outbox.met_defect, lost))

    async def _messages(self, claimed: Sequence[Claimed]) -> Mapping[str, StoredMessage]:
        try:
            return await self._until_stopped(lambda: self._outbox.messages([one.delivery for one in claimed]))
        except Exception:  # noqa: BLE001 -- it is met again by those deliveries that it is of
            return {}

    async def _send_one(
        self,
        one: Claimed,
        messages: Mapping[str, StoredMessage],
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
            Errand(
                one.delivery,
                messages[one.delivery.id],
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
            lambda: self._traffic.fails(delivery.lane, connection, None, error, probe=one.is_probe)
        )
        await self._until_stopped(lambda: self._outbox.put_back(delivery))

    async def _until_stopped(self, ask: Callable[[], Awaitable[T]]) -> T:
        return await insist(ask, seconds=math.inf, is_over=lambda: self.is_stopped)

    def _begin(self, errand: Errand) -> None:
        lane = errand.delivery.lane
        self._windows.setdefault(lane, 1)
        self._under_way[lane] += 1
        self._octets += errand.delivery.size
        carry = self._courier.carry(errand)
        self._carries.add(carry)
        carry.not_stored.add_done_callback(lambda _: self._waits_for_store(lane))
        carry.task.add_done_callback(lambda task: self._ended(errand, carry, task))

    def _waits_for_store(self, lane: str) -> None:
        self._not_stored[lane] += 1
        self.freed.set()

    def _ended(self, errand: Errand, carry: Carry, task: asyncio.Task[Report]) -> None:
        lane = errand.delivery.lane
        self._carries.discard(carry)
        self._under_way[lane] -= 1
        self._not_stored[lane] -= carry.not_stored.done()
        self._octets -= errand.delivery.size
        self._windows[lane] = min(self._windows[lane] * 2, LANE_HANDS) if carry.is_lane_well else 1
        if task.cancelled():
            pass
        elif not (error := task.exception()):
            self.tally[task.result()["status"]] += 1
        else:
            _log.error("delivery %s is left to whoever finds it: %s", errand.delivery.id, error)
        if self._room(lane):
            self.freed.set()
