"""Runs that nobody waits for: what each begins with, so that any worker can run it."""  # noqa: INP001 -- Alembic runs it as a script

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add what they need to the runs; none of those that are there is queued."""
    op.add_column("runs", sa.Column("request", sa.Text))
    op.add_column("runs", sa.Column("losses", sa.Integer))
    where = sa.text("status = 'running' AND request IS NOT NULL")
    op.create_index("runs_queued", "runs", ["worker", "created_at", "id"], sqlite_where=where, postgresql_where=where)
