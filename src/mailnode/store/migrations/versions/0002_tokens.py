"""Living tokens of connections."""  # noqa: INP001 -- Alembic runs it as a script

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table of tokens."""
    op.create_table(
        "tokens",
        sa.Column("connection_id", sa.Text, sa.ForeignKey("connections.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("secrets", sa.Text, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("refreshing_by", sa.Text),
        sa.Column("refreshing_until", sa.BigInteger),
        sa.Column("in_doubt_since", sa.BigInteger),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("retry_at", sa.BigInteger),
        sa.Column("trouble", sa.Text),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
