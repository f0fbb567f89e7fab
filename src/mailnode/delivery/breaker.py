"""What a carry says and asks of its lane and its rate limit; the database holds both, for every worker."""

import logging
from collections.abc import Callable

from sqlalchemy import Connection as Transaction

from mailnode.connections.rate_limit import MICROSECONDS
from mailnode.delivery.circuit_breaker import ensure_lanes, note_recovery, note_trouble
from mailnode.delivery.rates import take_time
from mailnode.delivery.route import Route
from mailnode.errors import MailnodeError, StoreError
from mailnode.store.clock import now_us
from mailnode.store.database import Database

_log = logging.getLogger(__name__)

# A lane fails, or, with None, works again.
Hear = Callable[[str, MailnodeError | None], None]


class CircuitBreaker:
    """The lanes and rates of a database; `hear` is told once when a lane begins to fail, and when it works again."""

    def __init__(self, database: Database) -> None:
        """Begin without knowing of any trouble."""
        self._database = database
        self._troubled: set[str] = set()
        self.hear: Hear = lambda _lane, _error: None

    @property
    def troubled(self) -> frozenset[str]:
        """The lanes that this process has found failing."""
        return frozenset(self._troubled)

    def is_news(self, route: Route, *, probe: bool) -> bool:
        """Tell whether it has to be written down that the lane of a route works."""
        return probe or route.lane in self._troubled

    async def note(self, route: Route, why: MailnodeError | None, *, probe: bool) -> None:
        """Say of the lane of a route that it fails, and why, or works; it helps the others, and raises nothing."""
        try:
            if why:
                await self.fails(route.lane, route.connection, route.revision, why, probe=probe)
            else:
                await self.works(route.lane, probe=probe)
        except StoreError:
            pass
        except Exception:  # noqa: BLE001 -- it is logged; what came of the mail is more than that
            _log.exception("the trouble of %s could not be recorded", route.lane)

    async def fails(
        self, lane: str, connection: str, revision: int | None, error: MailnodeError, *, probe: bool
    ) -> None:
        """Say that a lane fails."""
        if lane not in self._troubled:
            self._troubled.add(lane)
            self.hear(lane, error)

        def work(db: Transaction) -> None:
            ensure_lanes(db, {lane: connection})
            note_trouble(db, lane, revision, error, probe=probe)

        await self._database.write(work)

    async def works(self, lane: str, *, probe: bool) -> None:
        """Say that a lane works; written down only where it is news."""
        if lane in self._troubled:
            self._troubled.discard(lane)
            self.hear(lane, None)
            probe = True
        if probe:
            await self._database.write(lambda db: note_recovery(db, lane))

    async def time_for(self, route: Route, within_seconds: float) -> float | None:
        """Take the next time that the rate limit of a route gives; tell in how many seconds it comes.

        None when that would be later than `within_seconds`.
        """
        limit = route.rate_limit
        if limit is None:
            return 0.0

        def work(db: Transaction) -> float | None:
            now = now_us(db)
            at = take_time(db, route.connection, limit, now, ahead_us=int(within_seconds * MICROSECONDS))
            return None if at is None else (at - now) / MICROSECONDS

        return await self._database.write(work)
