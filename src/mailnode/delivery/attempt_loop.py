"""One delivery on its way: attempts, the waits between them, and the commit that goes with each step."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from mailnode.delivery.circuit_breaker import CircuitBreaker, is_route_failure
from mailnode.delivery.delivery import Attempt, Delivery
from mailnode.delivery.job import DeliveryJob, OutOfTime, may_try_again, message_now, rate_used_up, too_late
from mailnode.delivery.outbox import Outbox, StaleClaim
from mailnode.delivery.policy import ConnectionEdited
from mailnode.delivery.recovery import Defect, defect_attempt
from mailnode.delivery.result import Result, refusal, result_of, unstored
from mailnode.delivery.spans import attempt_span, delivery_span
from mailnode.errors import ConnectionsError, MailnodeError, Phase, SessionLost, SmtpError, StoreError
from mailnode.smtp.channel import interrupted_wait
from mailnode.smtp.outcome import Outcome
from mailnode.smtp.send_queue import SendRequest
from mailnode.store.clock import unix_ms
from mailnode.store.retry import retry_transient
from mailnode.supervision import is_defect

# How long a server is kept waiting between DATA and content for a rate limit, or for a database that is away.
LONGEST_PAUSE = 30.0
_log = logging.getLogger(__name__)
_LONGEST_MARGIN, _LONGEST_CROWDED_WAIT = 1.0, 5.0


class AttemptLoop:
    """One delivery in the hands of this process, from its claim to its outcome, or back to the queue.

    `task` ends with the report. The flow's patience never ends an attempt whose final dot is out: the mail may be
    accepted though nobody waits for the reply, and would be sent twice (RFC 1047). When the time is up in that state,
    it `is_overdue` and the task goes on; before the dot the session is dropped, and the server has accepted nothing.
    Where the outcome can't be stored for long, `not_stored` brings the report, and the task goes on until it is. `news`
    is done with the first of these. `is_answer_due` tells that the dot is out and its answer awaited, `is_route_well`
    what the last attempt showed, `waits_since` (the loop's time) when it began to wait to be let in, else math.inf.
    """

    def __init__(self, outbox: Outbox, breaker: CircuitBreaker, job: DeliveryJob) -> None:
        """Begin at once; the delivery is claimed by this process."""
        self._loop = asyncio.get_running_loop()
        self._outbox, self._breaker, self._job = outbox, breaker, job
        self._route, self._client, self._is_route_fresh = job.route, job.client, True
        self._delivery, self._time_until = job.delivery, job.time_until
        # A flow has its answer, stored too, within the time that it allows.
        margin = min(job.seconds / 10, _LONGEST_MARGIN) if job.keep else 0.0
        self._ends_at = self._deadline = self._loop.time() + job.seconds - margin
        self.is_called_back = self._is_given_up = self.is_answer_due = self.is_overdue = False
        self.waits_since = math.inf
        self.is_route_well, self._is_crowded_out = True, False  # the latter: other processes have all of its sessions
        self._timeout: asyncio.Timeout | None = None
        self._phase: Phase = "connect"
        self._outcome: Outcome | None = None
        self._is_leaving = False  # content has begun to leave, and its outcome is not known yet
        self._noted, self._began_at = job.delivery.tries, unix_ms()  # the former: the attempts that are stored
        self._storing: tuple[Callable[[], Awaitable[Result | None]], Result] | None = None
        self._error: MailnodeError | None = None
        self._noting: asyncio.Task[bool] | None = None
        self._is_over = asyncio.Event()
        self.news: asyncio.Future[None] = self._loop.create_future()
        self.not_stored: asyncio.Future[Result] = self._loop.create_future()
        self.task = asyncio.create_task(self._run())
        self.task.add_done_callback(self._tell)

    @property
    def delivery(self) -> Delivery:
        """The delivery as it is known here."""
        return self._delivery

    def give_up(self) -> None:
        """End the time for it now: a flow that waits is told so; a delivery of the queue goes back there."""
        self._is_given_up = True
        if self.not_stored.done():
            self._is_over.set()
        self.is_called_back = not self._job.keep
        self._deadline = self._loop.time()
        if self._timeout and self._timeout.when() is not None:
            self._timeout.reschedule(self._deadline)

    def overdue_result(self) -> Result:
        """Tell the flow what is known while the server's answer is awaited, or a server's answer is not stored."""
        if self._storing:
            return unstored(self._storing[1], StoreError(self._outbox.unstored.reason))
        return result_of(replace(self._delivery, maybe_accepted=True), status="unknown")

    @delivery_span
    async def _run(self) -> Result:
        try:
            return await self._attempt_until_over()
        except BaseException as error:
            if not is_defect(error):
                raise
            return await self._met_defect(error)
        finally:
            if self._noting:
                await asyncio.wait({self._noting})

    async def _met_defect(self, error: BaseException) -> Result:
        """End, or put back, what met a defect; once its content has begun to leave it may have been accepted."""
        _log.error("delivery %s hit an internal error", self._delivery.id, exc_info=error)
        if self._storing:  # its outcome is known, and only has to be stored
            return await self._store(*self._storing)
        delivery = self._delivery
        if self._is_leaving:
            delivery = replace(delivery, maybe_accepted=True)
        if delivery.tries > self._noted:  # it is stored with the attempt that met it
            delivery = replace(delivery, tries=delivery.tries - 1)
        self._delivery, attempt = defect_attempt(delivery, error, self._phase, self._began_at)
        defect = Defect(self._delivery, attempt, is_awaited=self._job.keep)
        known = result_of(self._delivery, status=None if self._job.keep else "queued", error=attempt.error)
        return await self._store(lambda: self._outbox.store_defect(defect), known)

    async def _attempt_until_over(self) -> Result:
        if self._delivery.maybe_accepted and self._delivery.terms.on_unknown == "hold":
            return await self._end(None)
        if self._job.seconds <= 0 or (self._job.is_last and not self._delivery.terms.queued):
            words, hint = await self._last_error()
            self._error = too_late(self._delivery.terms, self._phase, words, hint=hint)
            return await self._end(None)
        while True:
            before = self._delivery
            attempt = await self._attempt()
            if self.is_called_back and isinstance(self._error, OutOfTime):
                return await self._put_back(before, None, 0.0)
            # A stop ends the attempt, not the delivery.
            is_over = self._loop.time() >= (self._deadline if self._job.keep else self._ends_at)
            may_again = self._is_crowded_out or may_try_again(self._delivery, self._error, is_awaited=self._job.keep)
            if is_over or not may_again:
                return await self._end(attempt)
            if self._job.is_last and (why := attempt.error) and not isinstance(why, ConnectionEdited):
                self._error = too_late(self._delivery.terms, why.phase, why.message, hint=why.hint)
                return await self._end(attempt)
            wait = self._wait_seconds()
            if not self._job.keep:
                return await self._put_back(self._delivery, attempt, wait)
            try:
                await self._outbox.unstored.try_for_a_while(lambda: self._outbox.store_attempt(self._delivery, attempt))  # noqa: B023 -- awaited here
            except StoreError:
                return await self._end(attempt)
            self._noted = self._delivery.tries
            try:
                async with self._within_deadline():
                    await asyncio.sleep(wait)
            except SmtpError as error:
                self._error = error
                return await self._end(None)

    async def _end(self, attempt: Attempt | None) -> Result:
        result = result_of(self._delivery, outcome=self._outcome, error=self._error)
        # A flow that has stopped waiting goes its own way.
        run_end = self._job.end_run(result) if self._job.end_run and not self.is_overdue else None
        return await self._store(lambda: self._outbox.store_end(self._delivery, result, attempt, run_end), result)

    async def _put_back(self, delivery: Delivery, attempt: Attempt | None, wait: float) -> Result:
        result = result_of(delivery, status="queued")
        return await self._store(lambda: self._outbox.put_back(delivery, attempt, wait), result)

    async def _store(self, write: Callable[[], Awaitable[Result | None]], result: Result) -> Result:
        """Store the outcome; what a server replied stays true even if it can't be stored."""
        self._storing = write, result

        def late(error: StoreError) -> None:
            if not self.not_stored.done():
                self.not_stored.set_result(unstored(result, error))
                self._tell(error)
            if self._is_given_up:
                self._is_over.set()

        try:
            return await self._outbox.unstored.keep(write, late, self._is_over) or result
        except StoreError as error:
            return unstored(result, error)

    async def _last_error(self) -> tuple[str, str]:
        try:
            return await self._outbox.last_error(self._delivery)
        except StoreError:
            return "", ""

    @attempt_span
    async def _attempt(self) -> Attempt:
        self._began_at = unix_ms()
        self._delivery = self._delivery.with_new_attempt()
        self._phase, self._outcome, self._error, self._is_crowded_out = "connect", None, None, False
        try:
            await self._renew_route()
            self._delivery = self._delivery.with_policy(self._route.policy)
            self._outcome = await self._send()
            self._delivery = self._delivery.with_verdicts(self._outcome.recipients)
        except StaleClaim:
            raise
        except SessionLost as lost:
            self._error = lost
            self._delivery = self._delivery.after_loss(lost)
        except MailnodeError as error:
            self._error = error
        self._is_leaving = False
        why = self._error or refusal(self._delivery, self._outcome)
        await self._record_route(why)
        dialogue = (self._error and self._error.dialogue) or (self._outcome.dialogue if self._outcome else "")
        return Attempt(self._delivery.tries, self._began_at, unix_ms(), why, dialogue)

    async def _record_route(self, why: MailnodeError | None) -> None:
        if isinstance(why, OutOfTime | ConnectionsError):  # neither tells anything of the server
            return
        self.is_route_well = not is_route_failure(why)
        probe = self._job.is_probe
        if not self.is_route_well:
            self._is_crowded_out = await self._breaker.record(self._route, why, probe=probe)
        elif self._breaker.must_record_success(
            self._route, probe=probe
        ):  # what came of the mail does not wait for that
            self._noting = asyncio.create_task(self._breaker.record(self._route, None, probe=probe))

    async def _renew_route(self) -> None:
        """Go by the connection as it is now: it may have been changed since the attempt before."""
        if self._job.renew and not self._is_route_fresh:
            self._route, self._client = await self._job.renew(self._delivery.destination)
        self._is_route_fresh = False

    async def _send(self) -> Outcome:
        due = None

        async def before_content() -> None:
            self._phase = "content"
            await self._await_time(LONGEST_PAUSE)
            revision = self._route.policy.connection_revision
            await retry_transient(
                lambda: self._outbox.store_handing_over(self._delivery, revision), seconds=LONGEST_PAUSE
            )
            await self._await_time(LONGEST_PAUSE)  # again, where the commit took longer than the time is good for
            self._is_leaving = True

        def before_dot() -> None:
            nonlocal due
            self._outbox.check_claim(self._delivery)
            if self._timeout:
                self._timeout.reschedule(None)
            due = self._loop.call_at(self._deadline, self._tell)
            self.is_answer_due = True

        try:
            async with self._within_deadline():
                await self._await_time(self._deadline - self._loop.time())
                self.waits_since = self._loop.time()
                request = SendRequest(
                    message_now(self._delivery, self._job.message),
                    partial_delivery=self._delivery.terms.partial_delivery,
                    on_session=partial(setattr, self, "waits_since", math.inf),
                    before_content=before_content,
                    before_dot=before_dot,
                    queue_group=self._delivery.terms.flow,
                )
                return await self._client.hand_over(request)
        finally:
            self._time_until = -math.inf
            self.waits_since = math.inf
            self.is_answer_due = False
            if due:
                due.cancel()

    async def _await_time(self, within_seconds: float) -> None:
        """Wait for the time that the connection's rate limit gives; it is good for a little while."""
        limit = self._route.rate_limit
        if limit is None or time.monotonic() <= self._time_until:
            return
        at = await retry_transient(lambda: self._breaker.time_for(self._route, within_seconds), seconds=LONGEST_PAUSE)
        if at is None:
            raise rate_used_up(self._route, self._phase)
        self._time_until = at + limit.slack_us / 1_000_000
        await asyncio.sleep(at - time.monotonic())

    def _tell(self, ended: object = None) -> None:
        self.is_overdue |= ended is None
        if not self.news.done():
            self.news.set_result(None)

    @asynccontextmanager
    async def _within_deadline(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(self._deadline) as self._timeout:
                yield
        except TimeoutError as over:
            last_message = self._error.message if self._error else ""
            raise too_late(self._delivery.terms, self._phase, last_message, interrupted_wait(over)) from None
        finally:
            self._timeout = None

    def _wait_seconds(self) -> float:
        """Give the wait until the next attempt; where the route failed, its circuit breaker decides instead."""
        if isinstance(self._error, ConnectionEdited) or (not self._job.keep and not self.is_route_well):
            return 0.0
        wait = self._delivery.terms.wait_seconds(self._delivery.tries)
        return min(wait, _LONGEST_CROWDED_WAIT) if self._is_crowded_out else wait
