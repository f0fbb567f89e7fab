"""What deliveries of one login at one server share: a failing one is probed by one of them, while the others wait."""

import json
import logging
import random
from collections.abc import Callable, Mapping
from typing import Any, cast

from sqlalchemy import Connection, Row, ScalarSelect, func, select, update

from mailnode.connections.rate_limit import MICROSECONDS
from mailnode.delivery.delivery import Delivery
from mailnode.delivery.rates import take_time
from mailnode.delivery.result import ResultError, describe
from mailnode.delivery.route import Route
from mailnode.delivery.row_reader import told_of
from mailnode.delivery.rows import QUEUED
from mailnode.errors import MailnodeError, SmtpError, StoreError
from mailnode.store.clock import now_ms, now_us
from mailnode.store.database import Database
from mailnode.store.sql import insert_new
from mailnode.store.tables import attempts, connections, deliveries, lanes

# How long a failing lane is left alone: at first, and at last.
FIRST_WAIT_MS = 1_000
LONGEST_WAIT_MS = 300_000
# A probe that has told nothing by then, as of a process that died, lets another one begin.
PROBE_MS = 60_000

_WAY_PHASES = {"connect", "tls", "greeting", "ehlo", "auth", "token"}
_LAST_DOUBLING = 20
_SLOW_DOWN = 421
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

        def work(db: Connection) -> None:
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

        def work(db: Connection) -> float | None:
            now = now_us(db)
            at = take_time(db, route.connection, limit, now, ahead_us=int(within_seconds * MICROSECONDS))
            return None if at is None else (at - now) / MICROSECONDS

        return await self._database.write(work)


def is_lanes_trouble(error: MailnodeError | None) -> bool:
    """Tell whether an error is of the way to the server, or of its mood, so that the next mail would meet it too.

    A 4.7.x to one recipient is greylisting, which concerns that mail alone.
    """
    if error is None:
        return False
    if error.phase in _WAY_PHASES:
        return True
    if not isinstance(error, SmtpError):
        return False
    slowed = (error.enhanced_status_code or "").startswith("4.7.") and error.phase != "rcpt"
    return slowed or error.reply_code == _SLOW_DOWN


def ensure_lanes(db: Connection, named: Mapping[str, str]) -> None:
    """See that lanes are there; `named` gives the connection ("" for none) of each."""
    rows = [{"name": name, "connection": named[name], "failures": 0, "retry_at": 0} for name in sorted(named)]
    db.execute(_INSERT, rows)


def lanes_with_due(db: Connection, only: str | None = None) -> list[Row[Any]]:
    """Give each lane that has something in the queue.

    Beside its own columns it has `due`, when the first is due, and of its connection `current`, the revision as it is
    now, and `settings`; both are null without one.
    """
    query = _LANES if only is None else _LANES.where(lanes.c.name == only)
    return [row for row in db.execute(query) if row.due is not None]


def is_failing(lane: Row[Any]) -> bool:
    """Tell whether the last that was tried on a lane failed, with the connection as it is now."""
    return bool(lane.failures) and (lane.revision is None or lane.revision == lane.current)


def retry_at(lane: Row[Any], now: int) -> int:
    """Tell when a lane may be tried, 0 for at once; a wait longer than any was written by a clock that was set back."""
    waits = is_failing(lane) and lane.retry_at <= now + LONGEST_WAIT_MS
    return int(lane.retry_at) if waits else 0


def waits_until(db: Connection, name: str) -> int:
    """Tell until when (Unix ms) a lane is left alone; 0 for one that may be tried at once."""
    lane = db.execute(_WAITS.where(lanes.c.name == name)).first()
    return retry_at(lane, now_ms(db)) if lane else 0


def take_probe(db: Connection, lane: Row[Any], now: int) -> bool:
    """Claim the right to try a failing lane; False when another worker was quicker."""
    seen = (lanes.c.name == lane.name) & (lanes.c.retry_at == lane.retry_at)
    return db.execute(update(lanes).where(seen).values(retry_at=now + PROBE_MS)).rowcount == 1


def try_now(db: Connection, name: str) -> None:
    """Let a lane be tried at once: a person knows more of its server than a wait does."""
    db.execute(update(lanes).where(lanes.c.name == name).values(retry_at=0))


def note_trouble(db: Connection, name: str, revision: int | None, error: MailnodeError, *, probe: bool) -> None:
    """Write down that a lane fails: nothing of it is claimed for a time that doubles with each failed probe."""
    row = db.execute(select(lanes).where(lanes.c.name == name).with_for_update()).first()
    now = now_ms(db)
    if row is None or (row.failures and not probe and now < row.retry_at):
        return  # another one of several that were under way
    failures = row.failures + 1 if row.failures and row.revision == revision else 1
    longest = min(FIRST_WAIT_MS * 2 ** min(failures - 1, _LAST_DOUBLING), LONGEST_WAIT_MS)
    wait = longest * random.uniform(0.75, 1.0)  # noqa: S311 -- spreads load, guards nothing
    values = {"failures": failures, "retry_at": now + int(wait), "revision": revision}
    db.execute(
        update(lanes).where(lanes.c.name == name).values(trouble=json.dumps(describe(error)), **values),
    )


def fault_of(db: Connection, name: str) -> str | None:
    """Tell in words why a lane fails, if it does."""
    trouble = reported_trouble(db, name)
    return trouble["message"] if trouble else None


def reported_trouble(db: Connection, name: str) -> ResultError | None:
    """Tell the same as a result does, with what to do about it."""
    trouble = db.execute(select(lanes.c.trouble).where(lanes.c.name == name)).scalar()
    told = told_of(trouble)
    return cast("ResultError", told) if {"message", "hint"} <= set(told) else None


def read_last_words(db: Connection, delivery: Delivery) -> tuple[str, str]:
    """Read why nobody can try a delivery now, or why its last attempt failed; and the remedy, where there is one."""
    if trouble := reported_trouble(db, delivery.lane):
        return trouble["message"], trouble["hint"]
    tried = select(attempts.c.message).where(attempts.c.delivery_id == delivery.id)
    return db.execute(tried.order_by(attempts.c.number.desc()).limit(1)).scalar() or "", ""


def note_recovery(db: Connection, name: str) -> None:
    """Write down that a lane works."""
    db.execute(update(lanes).where(lanes.c.name == name).values(failures=0, retry_at=0, trouble=None, revision=None))


_INSERT = insert_new(lanes)


def _first_due() -> ScalarSelect[int]:
    return select(func.min(deliveries.c.due_at)).where(deliveries.c.lane == lanes.c.name, QUEUED).scalar_subquery()


_OF_IT = connections.c.name == lanes.c.connection
_WAITS = select(lanes, connections.c.revision.label("current")).join(connections, _OF_IT, isouter=True)
_LANES = _WAITS.add_columns(connections.c.settings, _first_due().label("due"))
