"""The circuit breaker of each route (one login at one server), which all workers share in the database.

A route that fails is tripped: its deliveries wait with growing pauses, after each of which one of them is the probe;
its success closes the breaker again.
"""

import json
import logging
import random
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, cast

from sqlalchemy import Connection, Row, ScalarSelect, bindparam, func, select, update

from mailnode.connections.rate_limit import MICROSECONDS
from mailnode.delivery.delivery import LONGEST_WAIT, Delivery
from mailnode.delivery.rates import take_time
from mailnode.delivery.result import ResultError, describe
from mailnode.delivery.route import Route
from mailnode.delivery.row_reader import stored_json
from mailnode.delivery.rows import QUEUED, UNDER_WAY
from mailnode.errors import MailnodeError, SmtpError, StoreError
from mailnode.smtp.pool import may_be_too_many
from mailnode.store.backend import ThisProcess
from mailnode.store.clock import now_ms, now_us
from mailnode.store.database import Database
from mailnode.store.prepared import Change, Query
from mailnode.store.sql import insert_new
from mailnode.store.tables import attempts, connections, deliveries, routes

# How long a tripped route is left alone: at first, and at most.
FIRST_WAIT_MS = 1_000
LONGEST_WAIT_MS = 300_000
# A worker that a server lets not in, since others have all the sessions that it allows, leaves the route to them for so
# many seconds: at first (more than a tripped route is left alone, so that the probe is one of theirs), and at most.
FIRST_REST = 1.5
LONGEST_REST = 30.0
# A probe without an end by then, as of a process that died, lets another one begin.
PROBE_MS = 60_000
# No delivery that is queued is due later than this from now.
LATEST_DUE_MS = int(LONGEST_WAIT * 1000)

_ENTRY_PHASES = {"connect", "tls", "greeting", "ehlo", "auth"}
_ROUTE_PHASES = {*_ENTRY_PHASES, "token"}
_LAST_DOUBLING = 20
_SLOW_DOWN = 421
HANDING_OVER = "handingOver"
_log = logging.getLogger(__name__)

# Called when a route is tripped, or, with None, works again.
OnChange = Callable[[str, MailnodeError | None], None]


class CircuitBreaker:
    """The circuit breakers and rate limits of a database's routes, as one worker uses them.

    `on_change` is called once when this process finds a route failing, and once when it works again.
    """

    def __init__(self, database: Database, process: ThisProcess) -> None:
        """Begin without knowing of any failing route."""
        self._database = database
        self._process = process
        self._tripped: set[str] = set()
        self._rests: dict[str, tuple[int, float]] = {}
        self.on_change: OnChange = lambda _route_key, _error: None

    @property
    def tripped(self) -> frozenset[str]:
        """The routes that this process has found failing."""
        return frozenset(self._tripped)

    @property
    def left_to_others(self) -> frozenset[str]:
        """The routes whose servers serve other processes and let this one not in: it takes nothing of them now."""
        now = time.monotonic()
        return frozenset(key for key, (_, until) in self._rests.items() if now < until)

    def must_record_success(self, route: Route, *, probe: bool) -> bool:
        """Tell whether it has to be stored that a route works."""
        return probe or route.key in self._tripped

    async def record(self, route: Route, error: MailnodeError | None, *, probe: bool) -> bool:
        """Record that a route fails, and why, or works; it helps the other workers, and raises nothing.

        It tells whether the server only has no session left for this process.
        """
        try:
            if error:
                return await self.record_failure(route.key, route.connection, route.revision, error, probe=probe)
            await self.record_success(route.key, probe=probe)
        except StoreError:
            pass
        except Exception:  # noqa: BLE001 -- it is logged; the outcome of the delivery matters more
            _log.exception("the state of the route %s could not be stored", route.key)
        return False

    async def record_failure(
        self, route_key: str, connection: str, revision: int | None, error: MailnodeError, *, probe: bool
    ) -> bool:
        """Trip the breaker of a route, unless its server only has no session left for this process; tell whether so."""
        is_not_let_in = error.phase in _ENTRY_PHASES and may_be_too_many(error)
        if not is_not_let_in:
            self._note_tripped(route_key, error)

        def work(db: Connection) -> AbstractSet[str]:
            others = states_of_others(db, route_key, self._process) if is_not_let_in else frozenset[str]()
            if HANDING_OVER not in others:
                ensure_routes(db, {route_key: connection})
                trip(db, route_key, revision, error, probe=probe)
            elif probe:  # whom the server serves shows that the route works
                close(db, route_key)
            return others

        others = await self._database.write(work)
        if others:
            self._rest(route_key)
        if HANDING_OVER not in others:
            self._note_tripped(route_key, error)
        return bool(others)

    def _note_tripped(self, route_key: str, error: MailnodeError) -> None:
        if route_key not in self._tripped:
            self._tripped.add(route_key)
            self.on_change(route_key, error)

    def _rest(self, route_key: str) -> None:
        now = time.monotonic()
        count, until = self._rests.get(route_key, (0, 0.0))
        count = count + 1 if now < until + LONGEST_REST else 1
        self._rests[route_key] = count, now + min(FIRST_REST * 2 ** min(count - 1, _LAST_DOUBLING), LONGEST_REST)

    async def record_success(self, route_key: str, *, probe: bool) -> None:
        """Close the breaker of a route; it is stored only where it was tripped."""
        if route_key in self._tripped:
            self._tripped.discard(route_key)
            self.on_change(route_key, None)
            probe = True
        if probe:
            await self._database.write(lambda db: close(db, route_key))

    async def time_for(self, route: Route, within_seconds: float) -> float | None:
        """Take the next time that the rate limit of a route gives; tell when it comes (`time.monotonic`).

        None when that would be later than `within_seconds`.
        """
        limit = route.rate_limit
        if limit is None:
            return 0.0

        def work(db: Connection) -> float | None:
            taken_at, now = time.monotonic(), now_us(db)
            at = take_time(db, route.connection, limit, now, ahead_us=int(within_seconds * MICROSECONDS))
            return None if at is None else taken_at + (at - now) / MICROSECONDS

        return await self._database.write(work)


def is_route_failure(error: MailnodeError | None) -> bool:
    """Tell whether an error is of the route or of the server as a whole, so that the next delivery would meet it too.

    A 4.7.x to one recipient is greylisting, which concerns that delivery alone.
    """
    if error is None:
        return False
    if error.phase in _ROUTE_PHASES:
        return True
    if not isinstance(error, SmtpError):
        return False
    slowed = (error.enhanced_status_code or "").startswith("4.7.") and error.phase != "rcpt"
    return slowed or error.reply_code == _SLOW_DOWN


def ensure_routes(db: Connection, connections_by_key: Mapping[str, str]) -> None:
    """Insert the rows of routes where they are missing, each with the name of its connection ("" for none)."""
    rows = [
        {"name": key, "connection": connections_by_key[key], "failures": 0, "retry_at": 0}
        for key in sorted(connections_by_key)
    ]
    _INSERT.run(db, rows)


def routes_with_due(db: Connection, only: str | None = None) -> list[Row[Any]]:
    """Give the row of each route that has something in the queue.

    Beside its own columns it has `due`, when the first delivery is due, and of its connection `current`, the present
    revision, and `settings`; both are null without one.
    """
    found = _ROUTES.all(db) if only is None else _ROUTE.all(db, name=only)
    return [row for row in found if row.due is not None]


def states_of_others(db: Connection, route_key: str, process: ThisProcess) -> frozenset[str]:
    """Give the states of what other living processes have under way on a route."""
    theirs = (deliveries.c.route_key == route_key) & (deliveries.c.worker != process.id)
    rows = db.execute(select(deliveries.c.worker, deliveries.c.state).where(UNDER_WAY, theirs).distinct()).all()
    dead = process.dead_among(db, {row.worker for row in rows})
    return frozenset(row.state for row in rows if row.worker not in dead)


def is_tripped(route_row: Row[Any]) -> bool:
    """Tell whether the last attempt on a route failed, with the connection as it is now."""
    return bool(route_row.failures) and (route_row.revision is None or route_row.revision == route_row.current)


def retry_at(route_row: Row[Any], now: int) -> int:
    """Tell when a route may be tried, 0 for at once; a wait longer than the longest was stored by a wrong clock."""
    waits = is_tripped(route_row) and route_row.retry_at <= now + LONGEST_WAIT_MS
    return int(route_row.retry_at) if waits else 0


def ready_at(route_row: Row[Any], now: int) -> int:
    """Tell when something of a route (of `routes_with_due`) is due and may be tried, 0 for at once.

    What is due later than any delivery waits was stored by a wrong clock, as in `retry_at`.
    """
    due = int(route_row.due) if route_row.due <= now + LATEST_DUE_MS else 0
    return max(due, retry_at(route_row, now))


def waits_until(db: Connection, route_key: str) -> int:
    """Tell until when (Unix ms) a route is left alone; 0 for one that may be tried at once."""
    row = db.execute(_WAITS.where(routes.c.name == route_key)).first()
    return retry_at(row, now_ms(db)) if row else 0


def take_probe(db: Connection, route_row: Row[Any], now: int) -> bool:
    """Claim the right to try a tripped route; False when another worker was quicker."""
    seen = (routes.c.name == route_row.name) & (routes.c.retry_at == route_row.retry_at)
    return db.execute(update(routes).where(seen).values(retry_at=now + PROBE_MS)).rowcount == 1


def end_wait(db: Connection, route_key: str) -> None:
    """Let a route be tried at once: a person knows more of its server than a wait does."""
    db.execute(update(routes).where(routes.c.name == route_key).values(retry_at=0))


def trip(db: Connection, route_key: str, revision: int | None, error: MailnodeError, *, probe: bool) -> None:
    """Store that a route fails: nothing of it is claimed for a time that doubles with each failed probe."""
    row = db.execute(select(routes).where(routes.c.name == route_key).with_for_update()).first()
    now = now_ms(db)
    if row is None or (row.failures and not probe and now < row.retry_at):
        return  # another one of several that were under way
    failures = row.failures + 1 if row.failures and row.revision == revision else 1
    longest = min(FIRST_WAIT_MS * 2 ** min(failures - 1, _LAST_DOUBLING), LONGEST_WAIT_MS)
    wait = longest * random.uniform(0.75, 1.0)  # noqa: S311 -- spreads load, guards nothing
    values = {"failures": failures, "retry_at": now + int(wait), "revision": revision}
    db.execute(
        update(routes).where(routes.c.name == route_key).values(trouble=json.dumps(describe(error)), **values),
    )


def close(db: Connection, route_key: str) -> None:
    """Store that a route works."""
    values = {"failures": 0, "retry_at": 0, "trouble": None, "revision": None}
    db.execute(update(routes).where(routes.c.name == route_key).values(**values))


def route_error(db: Connection, route_key: str) -> ResultError | None:
    """Read the error that a route fails with, if it does, as a result tells it."""
    stored = stored_json(db.execute(select(routes.c.trouble).where(routes.c.name == route_key)).scalar())
    return cast("ResultError", stored) if {"message", "hint"} <= set(stored) else None


def last_error(db: Connection, delivery: Delivery) -> tuple[str, str]:
    """Read why nobody can try a delivery now, or why its last attempt failed: message and hint, or ""."""
    if error := route_error(db, delivery.route_key):
        return error["message"], error["hint"]
    tried = select(attempts.c.message).where(attempts.c.delivery_id == delivery.id)
    return db.execute(tried.order_by(attempts.c.number.desc()).limit(1)).scalar() or "", ""


_INSERT = Change(insert_new(routes))


def _first_due() -> ScalarSelect[int]:
    of_route = deliveries.c.route_key == routes.c.name
    return select(func.min(deliveries.c.due_at)).where(of_route, QUEUED).scalar_subquery()


_OF_ROUTE = connections.c.name == routes.c.connection
_WAITS = select(routes, connections.c.revision.label("current")).join(connections, _OF_ROUTE, isouter=True)
_OF_ALL = _WAITS.add_columns(connections.c.settings, _first_due().label("due"))
_ROUTES, _ROUTE = Query(_OF_ALL), Query(_OF_ALL.where(routes.c.name == bindparam("name")))
