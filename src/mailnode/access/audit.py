"""The audit log: who has asked the API for what, and how it was answered."""

import asyncio
import logging
from typing import Any, NamedTuple

from sqlalchemy import Connection as Transaction
from sqlalchemy import bindparam, delete, select, update

from mailnode.errors import StoreError
from mailnode.new_ids import new_id
from mailnode.store.clock import unix_ms
from mailnode.store.database import Database
from mailnode.store.sql import insert_new
from mailnode.store.tables import api_tokens, audit

# What comes within this time is stored together: a program may ask a thousand times a second.
GROUP_SECONDS = 0.5
RETRY_SECONDS = 5.0
# Kept while the database is away.
MOST_WAITING = 100_000
_MOST_CHARACTERS = 1000
_CLEARED_AT_ONCE = 1000
_DAY_MS = 86_400_000

_log = logging.getLogger(__name__)

# An entry as JSON.
AuditEntry = dict[str, Any]


class Use(NamedTuple):
    """One request: `caller` is token, serveToken, browser or unknown; `token` is the name of the first, else None."""

    created_at: int
    caller: str
    token: str | None
    method: str
    path: str
    status: int
    client: str


class AuditLog:
    """The audit log of a database."""

    def __init__(self, database: Database) -> None:
        """Keep it in `database`."""
        self._database = database
        self._waiting: list[dict[str, Any]] = []
        self._storing: asyncio.Task[None] | None = None
        self._is_failing = False

    def note(self, use: Use) -> None:
        """Have a request stored within half a second; it waits for nothing."""
        if len(self._waiting) < MOST_WAITING:
            # With its id from now on: what was stored, although that failed, is not stored again.
            sound = {name: _sound(value) for name, value in use._asdict().items()}
            self._waiting.append({"id": new_id(), **sound})
        if self._storing is None or self._storing.done():
            self._storing = asyncio.create_task(self._store_soon())

    async def list(self, *, token: str | None = None, limit: int = 100) -> list[AuditEntry]:
        """Give the newest entries as JSON, the newest first; `token` names whose."""
        query = select(audit).order_by(audit.c.created_at.desc(), audit.c.id.desc()).limit(limit)
        if token is not None:
            query = query.where(audit.c.token == token)
        rows = await self._database.read(lambda db: db.execute(query).all())
        return [
            {
                "at": row.created_at,
                "caller": row.caller,
                "token": row.token,
                "method": row.method,
                "path": row.path,
                "status": row.status,
                "client": row.client,
            }
            for row in rows
        ]

    async def clear(self, days: float) -> None:
        """Delete what is older than `days`."""
        before = unix_ms() - int(days * _DAY_MS)
        old = select(audit.c.id).where(audit.c.created_at < before).limit(_CLEARED_AT_ONCE)
        gone = delete(audit).where(audit.c.id.in_(old.scalar_subquery()))
        while await self._database.write(lambda db: db.execute(gone).rowcount):
            pass

    async def flush(self) -> None:
        """Store what waits.

        Raises:
            StoreError: it can't be stored, and waits on.
        """
        rows, self._waiting = self._waiting, []
        if not rows:
            return
        try:
            await self._database.write(lambda db: _store(db, rows))
        except BaseException:
            self._waiting = (rows + self._waiting)[:MOST_WAITING]
            raise

    async def close(self) -> None:
        """Store what waits, and stop."""
        if self._storing is not None:
            self._storing.cancel()
            await asyncio.gather(self._storing, return_exceptions=True)
        await self._flush_or_tell()

    async def _store_soon(self) -> None:
        while self._waiting:
            await asyncio.sleep(RETRY_SECONDS if self._is_failing else GROUP_SECONDS)
            await self._flush_or_tell()

    async def _flush_or_tell(self) -> None:
        try:
            await self.flush()
        except StoreError as error:
            if not self._is_failing:
                _log.warning("the audit log can't be written, and waits: %s", error)
            self._is_failing = True
        else:
            self._is_failing = False


def _sound(value: Any) -> Any:
    """Cut what a stranger has made long, and leave out what PostgreSQL takes for no text."""
    return value[:_MOST_CHARACTERS].replace("\0", "") if isinstance(value, str) else value


def _store(db: Transaction, rows: list[dict[str, Any]]) -> None:
    db.execute(insert_new(audit), rows)
    if latest := {row["token"]: row["created_at"] for row in rows if row["token"]}:
        used = update(api_tokens).where(api_tokens.c.name == bindparam("of")).values(last_used_at=bindparam("at"))
        db.execute(used, [{"of": name, "at": at} for name, at in sorted(latest.items())])
