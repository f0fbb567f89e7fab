"""Makes jobs of what a worker has claimed: with its content, by the route to its server as that is now."""

import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

from mailnode.delivery.circuit_breaker import CircuitBreaker
from mailnode.delivery.claims import Claim, ClaimBatch
from mailnode.delivery.delivery import UnreadableDelivery
from mailnode.delivery.job import DeliveryJob
from mailnode.delivery.outbox import Outbox, StaleClaim
from mailnode.delivery.recovery import Defect, defect_attempt
from mailnode.delivery.route import Clients, Destination, FindRoute, Route
from mailnode.delivery.rows import whole
from mailnode.errors import MailnodeError, StoreError
from mailnode.message.envelope import Message
from mailnode.store.clock import unix_ms
from mailnode.store.retry import retry_transient

T = TypeVar("T")
_log = logging.getLogger(__name__)


class ClaimedJobs:
    """The jobs of one worker's claims, until it `is_stopped`: then what it has claimed is put back."""

    def __init__(
        self,
        outbox: Outbox,
        breaker: CircuitBreaker,
        clients: Clients,
        find: FindRoute,
        is_stopped: Callable[[], bool],
    ) -> None:
        """Read content from `outbox`; `find` gives the route to a destination as it is now."""
        self._outbox = outbox
        self._breaker = breaker
        self._clients = clients
        self._find = find
        self._is_stopped = is_stopped

    async def begin(self, batch: ClaimBatch, start: Callable[[DeliveryJob], None]) -> int:
        """Start a job for each claim, and tell how many could not be read and are held for a person.

        Raises:
            StoreError: the worker is stopped, and the database can't be asked now.
        """
        messages = await self._messages(batch.claims)
        routes: dict[Destination, Route | Exception] = {}
        held = 0
        for one in batch.claims:
            began_at = unix_ms()
            with suppress(StaleClaim):  # the process that has taken it over sends it
                try:
                    job = await self._job(one, messages, routes, batch.taken_at)
                    if job and self._is_stopped():  # nobody would wait for its end
                        await self._outbox.put_back(one.delivery)
                    elif job:
                        start(job)
                except UnreadableDelivery as error:
                    await self._until_stopped(partial(self._outbox.hold, one.delivery, error))
                    held += 1
                except Exception as error:  # one delivery's trouble is no other's
                    if isinstance(error, StaleClaim) or (isinstance(error, StoreError) and self._is_stopped()):
                        raise
                    _log.exception("delivery %s hit an internal error", one.delivery.id)
                    lost = Defect(*defect_attempt(one.delivery, error, "connect", began_at))
                    await self._until_stopped(partial(self._outbox.store_defect, lost))
        return held

    async def _messages(self, claimed: Sequence[Claim]) -> Mapping[str, Message]:
        try:
            return await self._until_stopped(lambda: self._outbox.read_messages([one.delivery for one in claimed]))
        except Exception:  # noqa: BLE001 -- it is met again by those deliveries that it is of
            return {}

    async def _job(
        self,
        one: Claim,
        messages: Mapping[str, Message],
        routes: dict[Destination, Route | Exception],
        taken_at: float,
    ) -> DeliveryJob | None:
        destination = one.delivery.destination
        if destination not in routes:
            routes[destination] = await self._route(destination)
        route = routes[destination]
        if isinstance(route, MailnodeError):
            await self._no_route(one, route)
            return None
        if isinstance(route, Exception):
            raise route
        if one.delivery.id not in messages:
            messages = await self._until_stopped(lambda: self._outbox.read_messages([one.delivery]))
        slack = route.rate_limit.slack_us / 1_000_000 if route.rate_limit else 0.0
        return DeliveryJob(
            one.delivery,
            whole(messages[one.delivery.id]),
            self._clients.of(route),
            route,
            one.seconds_left,
            keep=False,
            is_probe=one.is_probe,
            is_last=one.is_last,
            time_until=taken_at + slack,
        )

    async def _route(self, destination: Destination) -> Route | Exception:
        try:
            return await self._find(destination)
        except Exception as error:  # noqa: BLE001 -- it is raised, or stored, for each delivery of that route
            return error

    async def _no_route(self, one: Claim, error: MailnodeError) -> None:
        """A connection that is gone or can't be opened may come back: its mails wait, and tell why when they can't."""
        delivery = one.delivery
        connection = delivery.destination.connection
        await self._until_stopped(
            lambda: self._breaker.record_failure(delivery.route_key, connection, None, error, probe=one.is_probe)
        )
        await self._until_stopped(lambda: self._outbox.put_back(delivery))

    async def _until_stopped(self, ask: Callable[[], Awaitable[T]]) -> T:
        return await retry_transient(ask, seconds=math.inf, is_over=self._is_stopped)
