"""Deliveries that wait in lanes, and workers with a lease."""  # noqa: INP001 -- Alembic runs it as a script

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_QUEUED = sa.text("state = 'queued'")
_UNDER_WAY = sa.text("state IN ('claimed', 'handingOver')")


def upgrade() -> None:
    """Give each delivery its lane and its end, and make the tables of lanes, rates and workers."""
    # SQLite adds a column that may not be null only with a default, which nobody uses afterwards.
    for column in (
        sa.Column("lane", sa.Text, nullable=False, server_default=""),
        sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
        sa.Column("maybe_accepted", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("warnings", sa.Text, nullable=False, server_default="[]"),
        sa.Column("expires_at", sa.BigInteger, nullable=False, server_default="0"),
    ):
        op.add_column("deliveries", column)
    op.execute("UPDATE deliveries SET lane = connection || '@' || host || ':' || port")
    op.execute(
        "UPDATE deliveries SET tries = (SELECT count(*) FROM attempts WHERE delivery_id = deliveries.id),"
        " maybe_accepted = EXISTS"
        " (SELECT 1 FROM attempts WHERE delivery_id = deliveries.id AND code = 'unknownOutcome')"
    )
    _give_destinations()
    op.create_index("deliveries_created", "deliveries", ["created_at"])
    for name, columns, which in (
        ("deliveries_due", ["lane", "due_at"], _QUEUED),
        ("deliveries_expiring", ["expires_at"], _QUEUED),
        ("deliveries_under_way", ["worker"], _UNDER_WAY),
    ):
        op.create_index(name, "deliveries", columns, sqlite_where=which, postgresql_where=which)
    op.add_column("attempts", sa.Column("dialogue", sa.Text))
    op.create_table(
        "lanes",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("connection", sa.Text, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("retry_at", sa.BigInteger, nullable=False),
        sa.Column("trouble", sa.Text),
        sa.Column("revision", sa.Integer),
    )
    op.create_table(
        "rates",
        sa.Column("connection", sa.Text, primary_key=True),
        sa.Column("free_at", sa.BigInteger, nullable=False),
        sa.Column("taken_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
    )


def _give_destinations() -> None:
    """What was under way went to the host and port that stand beside it."""
    db = op.get_bind()
    left = db.execute(sa.text("SELECT id, host, port, connection FROM deliveries WHERE result IS NULL")).all()
    for row in left:
        server = {"host": row.host, "port": row.port}
        options = {"destination": {"server": server, "connection": row.connection, "ehloName": None}}
        db.execute(
            sa.text("UPDATE deliveries SET options = :options WHERE id = :id"),
            {"id": row.id, "options": json.dumps({**options, "terms": {}, "place": None})},
        )
