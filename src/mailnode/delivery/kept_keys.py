"""What stays of deliveries that are cleared away: a small row for each idempotency key, so that none is used twice."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select

from mailnode.delivery.delivery import RESENT_AFTER_UNKNOWN, Draft
from mailnode.delivery.result import result_of
from mailnode.delivery.stored import Standing
from mailnode.store.clock import utc
from mailnode.store.tables import delivery_recipients, kept_keys

# What ended so has given its key back; only a doubt is kept of it.
FREES_KEY = frozenset({"failed", "cancelled"})


def find_kept(db: Connection, keys: Collection[str]) -> Mapping[str, Row[Any]]:
    """Find what is kept of these keys, by the key."""
    by_hash = {_hash(key): key for key in keys}
    return {by_hash[row.hash]: row for row in db.execute(_FIND, {"hashes": [*by_hash]})} if by_hash else {}


def standing_of(kept: Row[Any], draft: Draft) -> Standing:
    """Tell how the mail of a draft's key ended: no more than its row says."""
    begun = replace(draft.begun(kept.delivery_id), message_id=kept.message_id, reverse_path=None, recipients=(), size=0)
    day = f"{utc(kept.ended_at):%Y-%m-%d}"
    told = f"the details of this mail, which ended on {day}, are deleted (MAILNODE_KEEP_DAYS)"
    begun = replace(begun, host="", warnings=(told,))
    return Standing(begun, kept.status, result_of(begun, status=kept.status))


def keep_keys(db: Connection, ended: Sequence[Row[Any]]) -> None:
    """Keep the keys of deliveries that have ended and are about to be deleted."""
    freed = [row.id for row in ended if row.key is not None and row.state in FREES_KEY]
    accepted = set(db.execute(_ACCEPTED, {"ids": freed}).scalars()) if freed else set()
    rows = [
        {
            "hash": _hash(row.key),
            "digest": row.digest,
            "status": row.state,
            "message_id": row.message_id,
            "delivery_id": row.id,
            "ended_at": row.updated_at,
        }
        for row in ended
        if row.key is not None and (row.state not in FREES_KEY or row.id in accepted or _is_in_doubt(row))
    ]
    if rows:
        # One that was freed in doubt may stand there of an earlier delivery.
        db.execute(delete(kept_keys).where(kept_keys.c.hash.in_([row["hash"] for row in rows])))
        db.execute(insert(kept_keys), rows)


def forget_keys(db: Connection, before: int, most: int) -> int:
    """Delete what is kept of keys whose deliveries ended before a time (Unix ms); tell how many."""
    old = select(kept_keys.c.hash).where(kept_keys.c.ended_at < before).limit(most)
    return db.execute(delete(kept_keys).where(kept_keys.c.hash.in_(old.scalar_subquery()))).rowcount


def _is_in_doubt(row: Row[Any]) -> bool:
    return row.maybe_accepted or RESENT_AFTER_UNKNOWN in row.warnings


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


_FIND = select(kept_keys).where(kept_keys.c.hash.in_(bindparam("hashes", expanding=True)))
_ACCEPTED = select(delivery_recipients.c.delivery_id).where(
    delivery_recipients.c.delivery_id.in_(bindparam("ids", expanding=True)), delivery_recipients.c.status == "accepted"
)
