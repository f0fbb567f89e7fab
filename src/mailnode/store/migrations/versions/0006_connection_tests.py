"""What the last test of each connection found."""  # noqa: INP001 -- Alembic runs it as a script

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table of tests."""
    op.create_table(
        "connection_tests",
        sa.Column("connection_id", sa.Text, sa.ForeignKey("connections.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("failed_step", sa.Text),
        sa.Column("found", sa.Text, nullable=False),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("tested_at", sa.BigInteger, nullable=False),
    )
