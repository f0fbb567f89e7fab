"""What deliveries of one login at one server share: a failing one is probed by one of them, while the others wait."""

import json
import random
from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import Connection, Row, ScalarSelect, func, select, update

from mailnode.delivery.result import ResultError, describe
from mailnode.delivery.row_reader import told_of
from mailnode.delivery.rows import QUEUED
from mailnode.errors import MailnodeError, SmtpError
from mailnode.store.clock import now_ms
from mailnode.store.sql import insert_new
from mailnode.store.tables import connections, deliveries, lanes

# How long a failing lane is left alone: at first, and at last.
FIRST_WAIT_MS = 1_000
LONGEST_WAIT_MS = 300_000
# A probe that has told nothing by then, as of a process that died, lets another one begin.
PROBE_MS = 60_000

_WAY_PHASES = {"connect", "tls", "greeting", "ehlo", "auth", "token"}
_LAST_DOUBLING = 20
_SLOW_DOWN = 421


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


def trouble_of(db: Connection, name: str) -> str | None:
    """Tell in words why a lane fails, if it does."""
    trouble = reported_trouble(db, name)
    return trouble["message"] if trouble else None


def reported_trouble(db: Connection, name: str) -> ResultError | None:
    """Tell the same as a result does, with what to do about it."""
    trouble = db.execute(select(lanes.c.trouble).where(lanes.c.name == name)).scalar()
    told = told_of(trouble)
    return cast("ResultError", told) if {"message", "hint"} <= set(told) else None


def note_recovery(db: Connection, name: str) -> None:
    """Write down that a lane works."""
    db.execute(update(lanes).where(lanes.c.name == name).values(failures=0, retry_at=0, trouble=None, revision=None))


_INSERT = insert_new(lanes)


def _first_due() -> ScalarSelect[int]:
    return select(func.min(deliveries.c.due_at)).where(deliveries.c.lane == lanes.c.name, QUEUED).scalar_subquery()


_OF_IT = connections.c.name == lanes.c.connection
_WAITS = select(lanes, connections.c.revision.label("current")).join(connections, _OF_IT, isouter=True)
_LANES = _WAITS.add_columns(connections.c.settings, _first_due().label("due"))
