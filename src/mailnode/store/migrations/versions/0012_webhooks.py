"""Webhooks, and the events that are posted to them."""  # noqa: INP001 -- Alembic runs it as a script

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_FINAL = "state IN ('cancelled', 'failed', 'held', 'partial', 'sent', 'unknown')"
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # else SQLite would not count by itself


def upgrade() -> None:
    """Make both tables, and have the database itself write an event with each outcome."""
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
        sa.Column("secrets", sa.Text, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("retry_at", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "webhook_events",
        sa.Column("number", _NUMBER, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("webhook_id", sa.Text, sa.ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
        sa.Column("delivery_id", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("flow", sa.Text),
        sa.Column("run_id", sa.Text),
        sa.Column("node_id", sa.Text),
        sa.Column("subject", sa.Text),
        sa.Column("result", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("claim", sa.Text),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("status_code", sa.Integer),
        sa.Column("trouble", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("webhook_events_by_delivery", "webhook_events", ["webhook_id", "delivery_id", "number"])
    for name, columns, state in (
        ("webhook_events_due", ["webhook_id", "due_at"], "waiting"),
        ("webhook_events_failed", ["webhook_id", "number"], "failed"),
    ):
        where = sa.text(f"state = '{state}'")
        op.create_index(name, "webhook_events", columns, sqlite_where=where, postgresql_where=where)
    for statement in _postgres_trigger() if op.get_bind().dialect.name == "postgresql" else _sqlite_trigger():
        op.execute(statement)


_AFTER = f"AFTER UPDATE OF state ON deliveries FOR EACH ROW WHEN (NEW.{_FINAL} AND OLD.state <> NEW.state)"
_DAY_MS = 86_400_000
_TELL = (
    "INSERT INTO webhook_events (id, webhook_id, delivery_id, outcome, flow, run_id, node_id, subject, result, state,"  # noqa: S608 -- of constants
    " tries, created_at, due_at, expires_at)"
    " SELECT 'evt_' || NEW.id || '_' || NEW.generation, id, NEW.id, NEW.state, NEW.flow, NEW.run_id, NEW.node_id,"
    f" NEW.subject, NEW.result, 'waiting', 0, NEW.updated_at, NEW.updated_at, NEW.updated_at + {_DAY_MS}"
    " FROM webhooks WHERE events LIKE '% ' || NEW.state || ' %';"
)


def _sqlite_trigger() -> list[str]:
    return [f"CREATE TRIGGER deliveries_told {_AFTER} BEGIN {_TELL} END"]


def _postgres_trigger() -> list[str]:
    return [
        f"CREATE FUNCTION deliveries_told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {_TELL} RETURN NULL; END $$",
        f"CREATE TRIGGER deliveries_told {_AFTER} EXECUTE FUNCTION deliveries_told()",
    ]
