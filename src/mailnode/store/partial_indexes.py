"""The partial indexes of the tables: so that the thousands that have ended weigh nothing, and a change touches few.

They stand beside the tables, since to name PostgreSQL's part of one loads its dialect, a tenth of what `mailnode send`
takes with a stored connection; only Alembic reads them.
"""

from sqlalchemy import Index, Table, text

from mailnode.store.tables import deliveries, runs
from mailnode.store.webhook_tables import webhook_events


def _index(name: str, table: Table, columns: tuple[str, ...], which: str) -> None:
    Index(name, *(table.c[column] for column in columns), sqlite_where=text(which), postgresql_where=text(which))


_QUEUED = "state = 'queued'"
_FINAL = "state IN ('cancelled', 'failed', 'held', 'partial', 'sent', 'unknown')"
_SWEPT = "state IN ('cancelled', 'failed', 'partial', 'sent', 'unknown')"

_index("deliveries_due", deliveries, ("route_key", "due_at"), _QUEUED)
_index("deliveries_expiring", deliveries, ("expires_at",), _QUEUED)
_index("deliveries_queued", deliveries, ("created_at", "id"), _QUEUED)
_index("deliveries_queued_by_connection", deliveries, ("connection", "created_at", "id"), _QUEUED)
_index("deliveries_under_way", deliveries, ("worker",), "state IN ('claimed', 'handingOver')")
_index("deliveries_by_state", deliveries, ("state", "created_at", "id"), _FINAL)
_index("deliveries_by_connection", deliveries, ("connection", "state", "created_at", "id"), _FINAL)
_index("deliveries_queued_by_flow", deliveries, ("flow", "created_at", "id"), _QUEUED)
_index("deliveries_by_flow", deliveries, ("flow", "state", "created_at", "id"), _FINAL)
_index("deliveries_by_app", deliveries, ("app", "created_at", "id"), "app IS NOT NULL")
_index("deliveries_swept", deliveries, ("updated_at",), _SWEPT)
_index("runs_under_way", runs, ("worker",), "status = 'running'")
_index("runs_queued", runs, ("worker", "created_at", "id"), "status = 'running' AND request IS NOT NULL")
_index("runs_swept", runs, ("updated_at",), "status <> 'running'")
_index("webhook_events_due", webhook_events, ("webhook_id", "due_at"), "state = 'waiting'")
_index("webhook_events_failed", webhook_events, ("webhook_id", "number"), "state = 'failed'")
