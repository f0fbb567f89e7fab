"""The flow and the subject of each delivery, by which lists are filtered."""  # noqa: INP001 -- Alembic runs it as a script

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_QUEUED = "state = 'queued'"
_FINAL = "state IN ('cancelled', 'failed', 'held', 'partial', 'sent', 'unknown')"


def upgrade() -> None:
    """Add both; the flows of those that are there are those of their runs, and their subjects are not known."""
    for name in ("flow", "subject"):
        op.add_column("deliveries", sa.Column(name, sa.Text))
    op.execute("UPDATE deliveries SET flow = (SELECT flow FROM runs WHERE runs.id = run_id) WHERE run_id IS NOT NULL")
    for name, columns, which in (
        ("deliveries_queued_by_flow", ["flow", "created_at", "id"], _QUEUED),
        ("deliveries_by_flow", ["flow", "state", "created_at", "id"], _FINAL),
    ):
        where = sa.text(which)
        op.create_index(name, "deliveries", columns, sqlite_where=where, postgresql_where=where)
