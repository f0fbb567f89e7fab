"""Carries what is due in the queue, as much at once as this process can, and of no route more than it bears."""

import asyncio
import logging
import math
from collections import Counter
from contextlib import suppress

from mailnode.delivery.attempt_loop import AttemptLoop
from mailnode.delivery.capacity import CLAIM_BATCH, Capacity, FreeCapacity
from mailnode.delivery.circuit_breaker import CircuitBreaker
from mailnode.delivery.claimed_jobs import ClaimedJobs
from mailnode.delivery.claims import ClaimBatch, Claims
from mailnode.delivery.dispatcher import Dispatcher, end_tasks
from mailnode.delivery.job import DeliveryJob
from mailnode.delivery.outbox import Outbox
from mailnode.delivery.result import Result
from mailnode.delivery.route import Clients, FindRoute
from mailnode.delivery.silent_servers import kept_waiting
from mailnode.delivery.waking import Waker
from mailnode.store.retry import retry_transient
from mailnode.supervision import Supervised
from mailnode.worker_report import QUEUE_TASK

# Between two claims, so that there is something to claim together.
PAUSE_SECONDS = 0.002
# How often a worker looks for what it was not woken for.
LOOK_SECONDS = 1.0
# For how long a worker keeps a route that waits for its rate limit: later the sweep finds that it is due.
REST_SECONDS = 5.0
# A worker that is to end when nothing is due begins again after at most so many defects in a row.
MOST_DEFECTS = 3
# A worker that has not looked for so long is stuck.
SILENT_SECONDS = 60.0

_log = logging.getLogger(__name__)


class QueueWorker:
    """Claims and sends deliveries for one process; `outcomes` counts how they have ended."""

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
        self._jobs = ClaimedJobs(outbox, breaker, clients, find, lambda: self.is_stopped)
        self._capacity, self._claimed_at = Capacity(), -math.inf
        self._not_stored, self.outcomes = Counter[str](), Counter[str]()
        self._loops: set[AttemptLoop] = set()
        self._draining: set[str | None] = set()
        self._asked_again: set[str | None] = set()
        self.stopped = asyncio.Event()
        self.supervised = Supervised(QUEUE_TASK, stalled_after=SILENT_SECONDS)
        self.freed = asyncio.Event()

    @property
    def is_stopped(self) -> bool:
        """Whether it claims nothing more."""
        return self.stopped.is_set()

    @property
    def busy(self) -> int:
        """How many deliveries are under way."""
        return self._capacity.total

    async def start_due(self, only: str | None = None) -> ClaimBatch:
        """Claim what is due, of all routes or of `only` one, and start to send it.

        Raises:
            StoreError: the database can't be asked now.
        """
        self.freed.clear()
        self._call_back_from_silence()
        batch = await self._claims.take(lambda: self._free_now(only))
        self.outcomes += Counter(held=batch.held)
        if batch.claims:
            with self._dispatcher.guarding(one.delivery.id for one in batch.claims):
                await self._start_all(batch)
        self.supervised.report_success()
        return batch

    async def _start_all(self, batch: ClaimBatch) -> None:
        """Count claims in before their content is read, which takes room too, and out again what is not begun."""
        left = {one.delivery.id: one for one in batch.claims}
        for one in batch.claims:
            self._capacity.begin(one.delivery, is_probe=one.is_probe)

        def begin(job: DeliveryJob) -> None:
            self._begin(job)
            del left[job.delivery.id]

        try:
            self.outcomes += Counter(held=await self._jobs.begin(batch, begin))
        finally:
            for one in left.values():
                self._capacity.end(one.delivery, is_probe=one.is_probe)

    def _free_now(self, only: str | None) -> FreeCapacity | None:
        """Give the capacity that is worth a claim: none that is small while there is other work, but once a second.

        Routes that are untried have room of their own.
        """
        free = self._capacity.free(only, self._breaker.tripped, self._breaker.left_to_others)
        now = asyncio.get_running_loop().time()
        is_short = free.deliveries < CLAIM_BATCH and now < self._claimed_at + LOOK_SECONDS
        is_untried = only is not None and only not in free.per_route
        if self.is_stopped or free.is_empty or (is_short and self.busy and not is_untried):
            return None
        if not is_untried:
            self._claimed_at = now
        return free

    async def drain(self, only: str | None = None, rests: asyncio.Event | None = None) -> None:
        """Carry what is due, of all routes or of `only` one, until there is no more or this is stopped.

        `rests` is set when one waits for its rate limit alone; it is left to whoever took the time that it waited for.
        """
        if only in self._draining:
            self._asked_again.add(only)
            return
        self._draining.add(only)
        try:
            await self._carry_due(only, rests)
            # The last look may have come before the commit that this is asked for.
            while only in self._asked_again and not self.is_stopped:
                self._asked_again.discard(only)
                await self._carry_due(only, rests)
        finally:
            self._draining.discard(only)
            self._asked_again.discard(only)

    async def _carry_due(self, only: str | None, rests: asyncio.Event | None) -> None:
        has_taken = has_waited = False
        while not self.is_stopped:
            was_busy = self._busy_with(only)
            if was_busy and only is not None and not self._capacity.room(only):
                await self._route_changes(only)
                continue
            batch = await retry_transient(lambda: self.start_due(only), is_over=lambda: self.is_stopped)
            if batch.claims:
                if only is not None and batch.is_paced and self._claims.is_crowded:
                    await self._route_changes(only)  # its next email is for a job to come
                    return
                has_taken, has_waited = True, False
                await asyncio.sleep(PAUSE_SECONDS)
            elif was_busy:
                await self._one_ends(only)
            elif batch.is_full and not has_waited:
                has_waited = True  # once: then its place is for another route, and the look wakes for this one again
                await self._frees()
            elif only is None and batch.is_paced and batch.more_in is not None:
                await asyncio.sleep(min(batch.more_in, LOOK_SECONDS))
            elif has_taken and batch.is_paced and (batch.more_in or math.inf) <= REST_SECONDS:
                has_taken = False
                if rests:
                    rests.set()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.stopped.wait(), batch.more_in)
            else:
                return

    def _busy_with(self, only: str | None) -> int:
        """Tell how many are under way; one whose outcome can't be stored for long is waited for no more."""
        keys = [only] if only is not None else self._capacity.route_keys
        return sum(self._capacity.under_way(route_key) - self._not_stored[route_key] for route_key in keys)

    async def _one_ends(self, only: str | None) -> None:
        """Wait for a while; not if one has ended already, which may have made something due that nobody saw."""
        if self._busy_with(only):
            await self._frees()

    async def _frees(self) -> None:
        if not self.is_stopped:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.freed.wait(), LOOK_SECONDS)

    async def _route_changes(self, route_key: str) -> None:
        """Wait until one of a route has ended, or waits for the database alone."""
        loops = [loop for loop in self._loops if loop.delivery.route_key == route_key]
        ends = {end for loop in loops if not loop.not_stored.done() for end in (loop.task, loop.not_stored)}
        if ends:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(PAUSE_SECONDS)

    def _call_back_from_silence(self) -> None:
        """Put back what waits for a silent server, all but the delivery that has waited longest."""
        for route_key, loops in kept_waiting(self._loops, asyncio.get_running_loop().time()):
            self._capacity.note_failure(route_key)
            for loop in loops:
                loop.give_up()

    async def recover(self) -> int:
        """Put back what dead workers left, what a defect has left of this one, and what waits for a silent server.

        Raises:
            StoreError: the database can't be asked now.
        """
        self._call_back_from_silence()
        return await self._outbox.recover() + await self._dispatcher.settle_lost()

    async def wake(self, waker: Waker) -> None:
        """Have an engine wake for routes that have something due; raises as `recover`."""
        await self._outbox.wake(waker)

    def start(self) -> None:
        """Be ready to claim, for the first time or after a stop."""
        self.stopped.clear()

    async def stop(self, seconds: float | None = None) -> None:
        """Claim nothing more, return what can be returned, and wait as long as is given for answers that are due.

        What is left then is in doubt; the process that takes it over when this one is gone finds it so.
        """
        self.stopped.set()
        self.freed.set()
        for loop in self._loops:
            loop.give_up()
        await end_tasks({loop.task for loop in self._loops}, seconds)

    def _begin(self, job: DeliveryJob) -> None:
        route_key = job.delivery.route_key
        loop = self._dispatcher.start(job)
        self._loops.add(loop)
        loop.not_stored.add_done_callback(lambda _: self._waits_for_store(route_key))
        loop.task.add_done_callback(lambda task: self._ended(job, loop, task))

    def _waits_for_store(self, route_key: str) -> None:
        self._not_stored[route_key] += 1
        self.freed.set()

    def _ended(self, job: DeliveryJob, loop: AttemptLoop, task: asyncio.Task[Result]) -> None:
        route_key = job.delivery.route_key
        self._loops.discard(loop)
        self._capacity.end(job.delivery, is_probe=job.is_probe)
        self._not_stored[route_key] -= loop.not_stored.done()
        if not loop.is_route_well:
            self._capacity.note_failure(route_key)
        elif not loop.is_called_back:
            self._capacity.note_success(route_key)
        if not task.cancelled() and (error := task.exception()):
            _log.error("delivery %s is left to the next worker: %s", job.delivery.id, error)
        elif not task.cancelled():
            self.outcomes[task.result()["status"]] += 1
        if self._capacity.room(route_key):
            self.freed.set()
