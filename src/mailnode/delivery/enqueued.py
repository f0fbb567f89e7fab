"""Deliveries that programs write in transactions of their own (`mailnode.enqueue`): how the workers come to them.

Such a transaction may stay open for long. What it writes are rows that nobody else can write, so it leaves out what a
delivery has in common with others: the row of its route, and the job that wakes for it.
"""

from sqlalchemy import Connection, text

from mailnode.delivery.circuit_breaker import ensure_routes

# Workers listen on it; a notice comes with the commit.
CHANNEL = "mailnode_enqueued"
NOTIFY = text(f"NOTIFY {CHANNEL}")

# The routes of what is queued, one step of its index (deliveries_due) for each, however many deliveries wait.
_WITHOUT_ROUTE = text(
    "WITH RECURSIVE queued(lane) AS ("
    "SELECT min(lane) FROM deliveries WHERE state = 'queued' UNION ALL"
    " SELECT (SELECT min(lane) FROM deliveries WHERE state = 'queued' AND lane > queued.lane)"
    " FROM queued WHERE queued.lane IS NOT NULL) "
    "SELECT lane, (SELECT connection FROM deliveries WHERE state = 'queued' AND deliveries.lane = queued.lane LIMIT 1)"
    " AS connection FROM queued WHERE lane IS NOT NULL"
    " AND NOT EXISTS (SELECT FROM lanes WHERE lanes.name = queued.lane)"
)


def adopt_enqueued(db: Connection) -> None:
    """Make the rows of routes that only deliveries of other programs' transactions have, so that they are claimed."""
    if db.dialect.name != "postgresql":  # where no other program's transaction can have any
        return
    found = {row.lane: row.connection for row in db.execute(_WITHOUT_ROUTE) if row.connection is not None}
    if found:
        ensure_routes(db, found)
