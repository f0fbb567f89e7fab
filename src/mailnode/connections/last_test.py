"""What the last test of a connection found: kept beside it, and good for the revision that was tested."""

from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import delete, insert, select

from mailnode.connections.connection import ConnectionRevision
from mailnode.printable import MOST_SHOWN_LONG, shortened
from mailnode.store.clock import unix_ms
from mailnode.store.tables import connection_tests, connections


def keep_test(db: Transaction, tested: ConnectionRevision, failed_step: str | None, found: str, hint: str) -> None:
    """Keep what a test found, in place of the one before; nothing if the connection was changed since it began."""
    same = (connections.c.id == tested.id, connections.c.revision == tested.revision)
    if db.execute(select(connections.c.id).where(*same).with_for_update()).first() is None:
        return
    db.execute(delete(connection_tests).where(connection_tests.c.connection_id == tested.id))
    db.execute(
        insert(connection_tests).values(
            connection_id=tested.id,
            revision=tested.revision,
            failed_step=failed_step,
            found=shortened(found, MOST_SHOWN_LONG),
            hint=shortened(hint, MOST_SHOWN_LONG),
            tested_at=unix_ms(),
        )
    )


def shown_test(db: Transaction, connection_id: str, revision: int) -> dict[str, Any]:
    """Give the last test of this revision as `lastTest`; nothing where there was none."""
    wanted = (connection_tests.c.connection_id == connection_id, connection_tests.c.revision == revision)
    row = db.execute(select(connection_tests).where(*wanted)).first()
    if row is None:
        return {}
    failed = {"failedStep": row.failed_step, "found": row.found, "hint": row.hint} if row.failed_step else {}
    return {"lastTest": {"at": row.tested_at, "ok": not row.failed_step, **failed}}
