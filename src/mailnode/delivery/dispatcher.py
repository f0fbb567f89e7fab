"""Begins deliveries, gives each to an attempt loop, and tells the waiting flow how it ended."""

import asyncio
import logging
from collections.abc import Awaitable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from mailnode.delivery.attempt_loop import AttemptLoop
from mailnode.delivery.circuit_breaker import CircuitBreaker
from mailnode.delivery.delivery import Delivery, UnreadableDelivery
from mailnode.delivery.intake import EarlierDelivery
from mailnode.delivery.job import DeliveryJob, EndRun
from mailnode.delivery.outbox import Outbox, StaleClaim
from mailnode.delivery.prepare import PreparedMail
from mailnode.delivery.recovery import Defect, defect_attempt
from mailnode.delivery.result import Result, result_of, unstored
from mailnode.delivery.route import Clients, Destination, FindRoute, Route
from mailnode.delivery.rows import whole
from mailnode.errors import DeliveryError, ErrorCode, InternalError, MailnodeError
from mailnode.log_ids import about
from mailnode.message.envelope import Message
from mailnode.smtp.client import SmtpClient
from mailnode.store.clock import unix_ms
from mailnode.store.retry import RETRY_SECONDS, retry_begin, retry_transient
from mailnode.supervision import is_defect

POLL_SECONDS = 0.2
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WaitResult:
    """What the waiting flow learns; `later` brings the last word when the server's answer outlasts the wait."""

    result: Result
    later: Awaitable[Result] | None = None


_Begun = AttemptLoop | WaitResult | EarlierDelivery


class Dispatcher:
    """Sends deliveries, each in a task that goes on when the flow stops waiting."""

    def __init__(self, outbox: Outbox, breaker: CircuitBreaker, clients: Clients, find: FindRoute) -> None:
        """Store every step in `outbox`, obey the `breaker`, and send with `clients`; `find` looks routes up again."""
        self._outbox = outbox
        self._breaker = breaker
        self._clients = clients
        self._find = find
        self._loops: dict[str, AttemptLoop] = {}
        self._guarded: list[frozenset[str]] = []

    async def deliver(self, mail: PreparedMail, end_run: EndRun | None = None) -> WaitResult:
        """Store a delivery, send it, and wait for its end as long as its terms allow.

        `end_run` tells how the run ends with that, which is stored in the same commit.

        Raises:
            DeliveryError: the idempotency key belongs to a mail with other content.
            StoreError: the delivery can't be stored; nothing was sent.
        """
        deadline = asyncio.get_running_loop().time() + mail.terms.seconds
        while True:
            begun = await self._begin_or_settle(mail, deadline, end_run)
            if isinstance(begun, EarlierDelivery):
                return WaitResult({**(begun.result or _still_sending(begun)), "duplicate": True})
            if isinstance(begun, WaitResult):
                return begun
            try:
                return await self._outcome(begun)
            except StaleClaim:
                if mail.key is None:
                    raise
                # Whoever took it over will know how it ends.

    async def _begin_or_settle(self, mail: PreparedMail, deadline: float, end_run: EndRun | None) -> _Begun:
        try:
            return await self._begin(mail, deadline, end_run)
        except BaseException as error:
            if is_defect(error):  # it may have been claimed all the same
                await self.settle_lost()
            raise

    async def _claim_shielded(self, mail: PreparedMail, end_run: EndRun | None) -> _Begun:
        """Claim the delivery and start to send it; it goes on if the caller is cancelled meanwhile."""
        taking_up = asyncio.create_task(self._claim(mail, end_run))
        try:
            return await asyncio.shield(taking_up)
        except asyncio.CancelledError:
            await asyncio.gather(taking_up, return_exceptions=True)
            raise

    async def _claim(self, mail: PreparedMail, end_run: EndRun | None) -> _Begun:
        begun = await self._outbox.begin(mail)
        if isinstance(begun, EarlierDelivery):
            return begun
        began_at = unix_ms()
        with self.guarding([begun.id]):
            try:
                is_as_stored = begun.generation == 1 and not mail.numbered
                message = mail.message if is_as_stored else await self._stored(begun)
                client = self._clients.of(mail.route)
                seconds = mail.terms.seconds
                job = DeliveryJob(begun, message, client, mail.route, seconds, renew=self._renew, end_run=end_run)
                return self.start(job)
            except UnreadableDelivery as error:
                held = error
                return WaitResult(await retry_transient(lambda: self._outbox.hold(begun, held)))
            except BaseException as error:
                if not is_defect(error):
                    raise
                _log.error("delivery %s hit an internal error", begun.id, exc_info=error, extra={"delivery": begun.id})
                defect = Defect(*defect_attempt(begun, error, "connect", began_at), is_awaited=True)
                return WaitResult(await retry_transient(lambda: self._outbox.store_defect(defect)))

    async def _stored(self, delivery: Delivery) -> Message:
        return whole((await retry_transient(lambda: self._outbox.read_messages([delivery])))[delivery.id])

    async def queue(self, mail: PreparedMail) -> Result:
        """Store a delivery for any worker to send, and give its result so far.

        Raises:
            DeliveryError: the idempotency key belongs to a mail with other content.
            StoreError: the delivery can't be stored.
        """
        begun = await retry_begin(lambda: self._outbox.begin(mail))
        if isinstance(begun, EarlierDelivery):
            return {**(begun.result or result_of(begun.delivery, status="queued")), "duplicate": True}
        return result_of(begun, status="queued")

    async def wait_for_end(self, delivery_ids: Collection[str]) -> None:
        """Wait until one of these may have ended, in this process or another one."""
        loops = [self._loops[one] for one in delivery_ids if one in self._loops]
        ends = {end for loop in loops if not loop.not_stored.done() for end in (loop.task, loop.not_stored)}
        if ends:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(POLL_SECONDS)

    def unstored_results(self, delivery_ids: Collection[str]) -> list[tuple[Delivery, Result]]:
        """Give those of these, with their results, whose outcome this process has not been able to store for long."""
        loops = [self._loops[one] for one in delivery_ids if one in self._loops]
        return [(loop.delivery, loop.not_stored.result()) for loop in loops if loop.not_stored.done()]

    @contextmanager
    def guarding(self, delivery_ids: Iterable[str]) -> Iterator[None]:
        """Keep `settle_lost` away from deliveries that are claimed and have no attempt loop yet, or never get one."""
        held = frozenset(delivery_ids)
        self._guarded.append(held)
        try:
            yield
        finally:
            self._guarded.remove(held)

    async def settle_lost(self) -> int:
        """Settle claims of this process that nothing in it works on, as after a defect, and give their number.

        Raises:
            StoreError: the database can't be asked now.
        """
        claims = await self._outbox.own_claims()
        held = {*self._loops}.union(*self._guarded)
        lost = {one: generation for one, generation in claims.items() if one not in held}
        return await self._outbox.settle_lost(lost) if lost else 0

    def start(self, job: DeliveryJob) -> AttemptLoop:
        """Start to send a delivery that this process has claimed."""
        delivery = job.delivery
        with about(delivery=delivery.id, run=delivery.run_id, node=delivery.node_id, app=delivery.app):
            loop = AttemptLoop(self._outbox, self._breaker, job)
            loop.task.add_done_callback(partial(self._ended, delivery.id))
        self._loops[delivery.id] = loop
        return loop

    def _ended(self, delivery_id: str, task: asyncio.Task[Result]) -> None:
        self._loops.pop(delivery_id, None)
        if not task.cancelled() and not task.exception():
            _log.info("delivery %s: %s", delivery_id, task.result()["status"])

    async def _outcome(self, loop: AttemptLoop) -> WaitResult:
        try:
            await loop.news
        except BaseException as error:
            if not is_defect(error):
                raise
            _log.error("the wait for a delivery hit an internal error; the delivery goes on", exc_info=error)
        if loop.task.cancelled():  # by a stop that has waited as long as it may
            return WaitResult(loop.overdue_result())
        if loop.task.done():
            try:
                return WaitResult(loop.task.result())
            except MailnodeError:
                raise
            except Exception as error:  # noqa: BLE001 -- it is logged, and the result tells what is known
                why = InternalError.of(error)
                return WaitResult(unstored(result_of(loop.delivery, error=why), why))
        if loop.not_stored.done():
            return WaitResult(loop.not_stored.result())
        return WaitResult(loop.overdue_result(), later=_last_word(loop))

    async def _renew(self, destination: Destination) -> tuple[Route, SmtpClient]:
        route = await self._find(destination)
        return route, self._clients.of(route)

    @property
    def is_busy(self) -> bool:
        """Whether a delivery is under way."""
        return bool(self._loops)

    @property
    def answers_due(self) -> int:
        """How many mails have their final dot out and no answer to it."""
        return sum(loop.is_answer_due for loop in self._loops.values())

    async def leave(self, run_ids: Collection[str], seconds: float) -> None:
        """Let the email of these runs go on for `seconds`; what has not ended then is left as if the process died."""
        await end_tasks({one.task for one in self._loops.values() if one.delivery.run_id in run_ids}, seconds)

    async def close(self, seconds: float | None = None, left: Collection[str] = ()) -> None:
        """Wait for every answer that is due to a final dot; give up all else, which is safe to send again.

        What has no answer after `seconds` is in doubt; the process that takes it over finds it so. The email of the
        runs in `left` goes on.
        """
        loops = [loop for loop in self._loops.values() if loop.delivery.run_id not in left]
        for loop in loops:
            loop.give_up()
        await end_tasks({loop.task for loop in loops}, seconds)

    async def _begin(self, mail: PreparedMail, deadline: float, end_run: EndRun | None) -> _Begun:
        """Start to send the delivery, or wait for the end of another one with the same key."""
        now = asyncio.get_running_loop().time
        while True:
            # No timeout may cut this off: a claim that is committed must get its attempt loop.
            patience = min(RETRY_SECONDS, max(deadline - now(), 0.0))
            begun = await retry_begin(lambda: self._claim_shielded(mail, end_run), seconds=patience)
            if not isinstance(begun, EarlierDelivery) or begun.result or now() >= deadline:
                return begun
            if loop := self._loops.get(begun.delivery.id):
                await asyncio.wait({loop.task}, timeout=deadline - now())
            else:
                await asyncio.sleep(POLL_SECONDS)


async def end_tasks(tasks: Collection[asyncio.Task[Any]], seconds: float | None) -> None:
    """Wait for the end of tasks, and cancel those that take longer."""
    if tasks:
        _, left = await asyncio.wait(tasks, timeout=seconds)
        for task in left:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _last_word(loop: AttemptLoop) -> Result:
    await asyncio.wait({loop.task, loop.not_stored}, return_when=asyncio.FIRST_COMPLETED)
    if loop.task.cancelled():
        return loop.overdue_result()
    return loop.task.result() if loop.task.done() else loop.not_stored.result()


def _still_sending(earlier: EarlierDelivery) -> Result:
    error = DeliveryError(
        "another run is still sending the email with this idempotency key",
        code=ErrorCode.UNKNOWN_OUTCOME,
        phase="content",
        hint="run it again with the same run id to see how it ended",
    )
    return result_of(replace(earlier.delivery, maybe_accepted=True), status="unknown", error=error)
