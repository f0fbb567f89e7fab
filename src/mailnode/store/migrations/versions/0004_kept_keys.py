"""Keys that outlive their deliveries, and a short way to the runs under way."""  # noqa: INP001 -- Alembic runs it as a script

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_RUNNING = sa.text("status = 'running'")


def upgrade() -> None:
    """Make the table of kept keys, and the index of runs that have not ended."""
    op.create_table(
        "kept_keys",
        sa.Column("hash", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("message_id", sa.Text, nullable=False),
        sa.Column("delivery_id", sa.Text, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("kept_keys_ended", "kept_keys", ["ended_at"])
    op.create_index("runs_under_way", "runs", ["worker"], sqlite_where=_RUNNING, postgresql_where=_RUNNING)
