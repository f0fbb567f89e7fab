"""The events that wait to be posted: of each delivery one after the other, of each webhook no more than it bears."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, literal_column, select, update

from mailnode.events.post import Answer
from mailnode.store.clock import now_ms
from mailnode.store.webhook_tables import webhook_events as table
from mailnode.store.webhook_tables import webhooks

DAY_MS = 86_400_000
# How long somebody may take to post an event before another one may do it.
CLAIM_MS = 60_000
# How long a failed event waits for its next try, in seconds; the last one again and again.
WAITS = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14_400.0)
LONGEST_MS = int(WAITS[-1] * 1000)
# After so many failures in a row one event is tried at a time, and nothing else is posted meanwhile.
MANY_FAILURES = 10
_LONGEST_PAUSE = 300.0

WAITING = table.c.state == literal_column("'waiting'")


@dataclass(frozen=True, slots=True)
class ClaimedEvent:
    """An event that is to be posted now, and the row of its webhook."""

    row: Row[Any]
    webhook: Row[Any]
    claim: str


def is_any_due(db: Connection) -> bool:
    """Tell whether an event may be posted now."""
    now = now_ms(db)
    hooks = db.execute(select(webhooks.c.id, webhooks.c.failures, webhooks.c.retry_at)).all()
    return any(not _is_paused(hook, now) and _has_due(db, hook.id, now) for hook in hooks)


def _has_due(db: Connection, webhook_id: str, now: int) -> bool:
    return bool(db.execute(select(exists().where(WAITING, table.c.webhook_id == webhook_id, _is_due(now)))).scalar())


def claim(
    db: Connection, under_way: Mapping[str, int], last_rounds: Mapping[str, int], most_of_one: int, room: int
) -> list[ClaimedEvent]:
    """Claim what is due, as far as there is room.

    By webhook, `under_way` counts what this process posts, or has not stored the answer to, and `last_rounds` numbers
    the round in which it last claimed something.
    """
    now = now_ms(db)
    claimed: list[ClaimedEvent] = []
    hooks = db.execute(select(webhooks).order_by(webhooks.c.id)).all()
    # The one with the least under way comes first, and of those the one that was served longest ago, so that none
    # keeps another one waiting.
    for hook in sorted(hooks, key=lambda hook: (under_way.get(hook.id, 0), last_rounds.get(hook.id, 0))):
        free = min(most_of_one - under_way.get(hook.id, 0), room - len(claimed))
        if free > 0:
            claimed += _claim_probe(db, hook, now) if hook.failures >= MANY_FAILURES else _claim(db, hook, free, now)
    return claimed


def _claim(db: Connection, hook: Row[Any], most: int, now: int) -> list[ClaimedEvent]:
    due = select(table).where(WAITING, table.c.webhook_id == hook.id, _is_due(now))
    due = due.order_by(table.c.due_at, table.c.number).limit(4 * most).with_for_update(skip_locked=True)
    # Asked for apart: within one statement PostgreSQL may compare all that waits with all that waits.
    found = db.execute(due).all()
    if not found:
        return []
    of_them = (table.c.webhook_id == hook.id) & table.c.delivery_id.in_({row.delivery_id for row in found})
    waiting = select(table.c.delivery_id, table.c.number, table.c.due_at, table.c.claim).where(of_them, WAITING)
    first: dict[str, Any] = {}
    for row in db.execute(waiting.order_by(table.c.number)):
        first.setdefault(row.delivery_id, row)
    rows = [row for row in found if first[row.delivery_id].number == row.number][:most]
    for row in found:
        ahead = first[row.delivery_id]
        if ahead.number != row.number and ahead.claim is None and ahead.due_at > now:  # it is not looked at before
            db.execute(update(table).where(table.c.number == row.number).values(due_at=ahead.due_at + 1))
    mine = uuid.uuid4().hex
    of_rows = table.c.number.in_([row.number for row in rows])
    db.execute(update(table).where(of_rows).values(claim=mine, due_at=now + CLAIM_MS))
    return [ClaimedEvent(row, hook, mine) for row in rows]


def _is_due(now: int) -> Any:
    # What seems to wait longer than anything does was stored by a wrong clock.
    return (table.c.due_at <= now) | (table.c.due_at > now + LONGEST_MS + CLAIM_MS)


def _is_paused(hook: Any, now: int) -> bool:
    return bool(hook.failures >= MANY_FAILURES and now < hook.retry_at <= now + CLAIM_MS + int(_LONGEST_PAUSE * 1000))


def _claim_probe(db: Connection, hook: Row[Any], now: int) -> list[ClaimedEvent]:
    """Claim the one event that a webhook gets which has failed often, and begin its pause.

    There is none while the webhook pauses, where nothing can be claimed (the pause of a try that is never made is not
    begun), and where another process claims it.
    """
    if _is_paused(hook, now) or not _has_due(db, hook.id, now):
        return []
    this = webhooks.c.id == hook.id
    taken = update(webhooks).where(this, webhooks.c.retry_at == hook.retry_at).values(retry_at=now + CLAIM_MS)
    if not db.execute(taken).rowcount:
        return []
    _give_up_old(db, hook.id, now)
    claimed = _claim(db, hook, 1, now)
    if not claimed:  # all that is due stands behind what is posted already, or was given up
        db.execute(update(webhooks).where(this).values(retry_at=hook.retry_at))
    return claimed


def _give_up_old(db: Connection, webhook_id: str, now: int) -> None:
    """Give up what has waited for a day, while the webhook fails with all that it gets."""
    old = (table.c.webhook_id == webhook_id) & (table.c.expires_at < now) & table.c.claim.is_(None)
    trouble = "the receiver failed with other events until its day was over"
    db.execute(update(table).where(WAITING, old).values(state="failed", trouble=trouble))


def settle(db: Connection, answers: Sequence[tuple[ClaimedEvent, Answer]]) -> None:
    """Store what came of posts; what another one has claimed meanwhile is left to that one."""
    now = now_ms(db)
    for event, answer in sorted(answers, key=lambda one: one[0].row.number):
        own = (table.c.number == event.row.number) & (table.c.claim == event.claim)
        db.execute(update(table).where(own).values(**_columns(event.row, answer, now)))
    for hook_id in sorted({event.webhook.id for event, _ in answers}):
        _count_failures(db, hook_id, [answer for event, answer in answers if event.webhook.id == hook_id], now)


def _columns(row: Row[Any], answer: Answer, now: int) -> dict[str, Any]:
    told = {"claim": None, "tries": row.tries + 1, "status_code": answer.status_code, "trouble": answer.trouble or None}
    if not answer.trouble:
        return {**told, "state": "posted", "due_at": now}
    if now >= row.expires_at:
        return {**told, "state": "failed", "due_at": now}
    wait = max(WAITS[min(row.tries, len(WAITS) - 1)], min(answer.retry_after, WAITS[-1]))
    # The last try is at the end of its day.
    return {**told, "due_at": max(now + 1, min(now + int(wait * 1000), row.expires_at))}


def _count_failures(db: Connection, hook_id: str, answers: Sequence[Answer], now: int) -> None:
    this = webhooks.c.id == hook_id
    failures: int = db.execute(select(webhooks.c.failures).where(this)).scalar() or 0
    in_a_row = failures
    for answer in answers:
        in_a_row = in_a_row + 1 if answer.trouble else 0
    if in_a_row == failures:
        return
    beyond = max(in_a_row - MANY_FAILURES, 0)
    pause = min(2.0 ** min(beyond, 10), _LONGEST_PAUSE) if in_a_row >= MANY_FAILURES else 0.0
    db.execute(update(webhooks).where(this).values(failures=in_a_row, retry_at=now + int(pause * 1000)))
    if failures >= MANY_FAILURES and in_a_row < MANY_FAILURES:  # it is back, and what has waited for it goes at once
        late = (table.c.webhook_id == hook_id) & (table.c.due_at > now) & table.c.claim.is_(None)
        db.execute(update(table).where(WAITING, late).values(due_at=now))


def release(db: Connection, events: Sequence[ClaimedEvent]) -> None:
    """Give back what was claimed and will not be posted by this process, and with it the one try of who fails."""
    for event in events:
        own = (table.c.number == event.row.number) & (table.c.claim == event.claim)
        given_back = db.execute(update(table).where(own).values(claim=None, due_at=event.row.due_at)).rowcount
        if given_back and event.webhook.failures >= MANY_FAILURES:
            probed = webhooks.c.id == event.webhook.id
            db.execute(update(webhooks).where(probed).values(retry_at=event.webhook.retry_at))


def sweep(db: Connection, before: int, most: int) -> int:
    """Delete events that are over and were created before a time (Unix ms); tell how many."""
    old = select(table.c.number).where(table.c.created_at < before, table.c.state != literal_column("'waiting'"))
    numbers = db.execute(old.order_by(table.c.number).limit(most)).scalars().all()
    return db.execute(delete(table).where(table.c.number.in_(numbers))).rowcount if numbers else 0
