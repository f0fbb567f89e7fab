"""One delivery on its way: attempts, the waits between them, and the commit that goes with each step."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from mailnode.delivery.delivery import Attempt, Delivery, Terms
from mailnode.delivery.outbound import Outbound
from mailnode.delivery.outbox import Outbox, StaleClaim
from mailnode.delivery.report import Report, refusal, report_of
from mailnode.errors import ErrorCode, MailnodeError, Phase, SessionLost, SmtpError, StoreError
from mailnode.message.envelope import Envelope
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.content import Composed
from mailnode.smtp.outcome import Outcome
from mailnode.store.clock import unix_ms
from mailnode.store.insist import insist

RESENT_AFTER_UNKNOWN = "resentAfterUnknown"
NOT_STORED = "outcomeNotStored"


class Carry:
    """One delivery in the hands of this process, from its claim to its outcome.

    `task` ends with the report. The flow's patience never ends an attempt whose final dot is out: the mail may be
    accepted although nobody listens, and would be sent twice (RFC 1047). When patience runs out in that state,
    `overdue` is set and the task goes on; before the dot the session is dropped, and the server has accepted nothing.
    `is_answer_due` tells that the dot is out and its answer awaited.
    """

    def __init__(self, outbox: Outbox, delivery: Delivery, message: Composed, client: SmtpClient, terms: Terms) -> None:
        """Begin at once; `delivery` is claimed by this process."""
        self._loop = asyncio.get_running_loop()
        self._outbox = outbox
        self._delivery = delivery
        self._message = message
        self._client = client
        self._terms = terms
        self._deadline = self._loop.time() + terms.seconds
        self.is_answer_due = False
        self._patience: asyncio.Timeout | None = None
        self._phase: Phase = "connect"
        self._outcome: Outcome | None = None
        self._error: MailnodeError | None = None
        self.overdue: asyncio.Future[None] = self._loop.create_future()
        self.task = asyncio.create_task(self._run())

    def give_up(self) -> None:
        """Run out of patience now."""
        self._deadline = self._loop.time()
        if self._patience and self._patience.when() is not None:
            self._patience.reschedule(self._deadline)

    def report_overdue(self) -> Report:
        """Tell the flow what is known while the server's answer is awaited."""
        delivery = replace(self._delivery, maybe_accepted=True)
        return report_of(delivery, outcome=None, error=None)

    async def _run(self) -> Report:
        if self._delivery.maybe_accepted and self._terms.on_unknown == "hold":
            return await self._end(None)
        while True:
            attempt = await self._attempt()
            if not self._may_try_again():
                return await self._end(attempt)
            await self._outbox.attempted(self._delivery, attempt)
            try:
                async with self._patiently():
                    await asyncio.sleep(self._wait_seconds())
            except SmtpError as error:
                self._error = error
                return await self._end(None)

    async def _end(self, attempt: Attempt | None) -> Report:
        report = report_of(self._delivery, outcome=self._outcome, error=self._error)
        try:
            await insist(lambda: self._outbox.ended(self._delivery, report, attempt))
        except StoreError as error:
            # What a server said stays true though it can't be written down.
            report["warnings"].append(f"{NOT_STORED}: {error.message}")
        return report

    async def _attempt(self) -> Attempt:
        started_at = unix_ms()
        again = self._delivery.maybe_accepted and RESENT_AFTER_UNKNOWN not in self._delivery.warnings
        self._delivery = replace(
            self._delivery,
            attempts=self._delivery.attempts + 1,
            warnings=(*self._delivery.warnings, RESENT_AFTER_UNKNOWN) if again else self._delivery.warnings,
        )
        self._phase, self._outcome, self._error = "connect", None, None
        try:
            self._outcome = await self._send()
            self._delivery = self._delivery.judged(self._outcome.recipients)
        except StaleClaim:
            raise
        except SessionLost as lost:
            self._error = lost
            self._delivery = self._delivery.after_loss(lost)
        except MailnodeError as error:
            self._error = error
        why = self._error or refusal(self._delivery, self._outcome)
        return Attempt(self._delivery.attempts, started_at, unix_ms(), why)

    async def _send(self) -> Outcome:
        envelope = Envelope(self._delivery.reverse_path, self._delivery.open_addresses)
        due = None

        async def before_content() -> None:
            self._phase = "content"
            await self._outbox.handing_over(self._delivery)

        def before_dot() -> None:
            nonlocal due
            if self._patience:
                self._patience.reschedule(None)
            due = self._loop.call_at(self._deadline, self._set_overdue)
            self.is_answer_due = True

        try:
            async with self._patiently():
                return await self._client.send(
                    Outbound(envelope, self._message),
                    partial_delivery=self._terms.partial_delivery,
                    before_content=before_content,
                    before_dot=before_dot,
                    lane=self._terms.lane,
                )
        finally:
            self.is_answer_due = False
            if due:
                due.cancel()

    def _set_overdue(self) -> None:
        if not self.overdue.done():
            self.overdue.set_result(None)

    @asynccontextmanager
    async def _patiently(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout_at(self._deadline) as self._patience:
                yield
        except TimeoutError:
            last = f"; the last try: {self._error.message}" if self._error else ""
            raise SmtpError(
                f"not accepted within {self._terms.seconds:g} s{last}",
                code=ErrorCode.TIMEOUT,
                phase=self._phase,
                hint="raise timeoutSeconds, or ask whoever runs the server why it is slow",
                transient=True,
            ) from None
        finally:
            self._patience = None

    def _may_try_again(self) -> bool:
        delivery, error = self._delivery, self._error
        out_of_tries = delivery.attempts >= self._terms.tries or self._loop.time() >= self._deadline
        if out_of_tries or not delivery.open_addresses:
            return False
        if isinstance(error, SessionLost) and error.unknown:
            return self._terms.on_unknown == "resend"
        return error is None or error.transient

    def _wait_seconds(self) -> float:
        longest = self._terms.first_wait * self._terms.growth ** (self._delivery.attempts - 1)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 -- spreads load, guards nothing
