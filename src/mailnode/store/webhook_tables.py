"""The tables of webhooks, as those of tables.py."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table

from mailnode.store.kinds import Count, Number, Words
from mailnode.store.tables import metadata

# Where outcomes are posted to.
webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Words, primary_key=True),
    Column("name", Words, nullable=False, unique=True),
    Column("url", Words, nullable=False),
    Column("events", Words, nullable=False),  # the outcomes that it gets, each between two spaces
    Column("secrets", Words, nullable=False),  # JSON object, as of connections
    Column("failures", Count, nullable=False),  # in a row
    Column("retry_at", Number, nullable=False),  # after many failures nothing is posted before
    Column("created_at", Number, nullable=False),
)

# An outcome of a delivery for a webhook: a trigger writes it, in the transaction that stores the outcome.
webhook_events = Table(
    "webhook_events",
    metadata,
    Column("number", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),  # in the order of outcomes
    Column("id", Words, nullable=False),  # the same for all webhooks, and for each post of it
    Column("webhook_id", Words, ForeignKey("webhooks.id", ondelete="CASCADE"), nullable=False),
    Column("delivery_id", Words, nullable=False),  # which may be deleted by now
    Column("outcome", Words, nullable=False),  # the state that the delivery ended in
    Column("flow", Words),
    Column("run_id", Words),
    Column("node_id", Words),
    Column("subject", Words),
    Column("result", Words),  # JSON object
    Column("state", Words, nullable=False),  # waiting, posted or failed
    Column("claim", Words),  # of who posts it now; until `due_at`
    Column("tries", Count, nullable=False),
    Column("status_code", Count),  # of the last answer
    Column("trouble", Words),  # why the last try failed
    Column("created_at", Number, nullable=False),
    Column("due_at", Number, nullable=False),
    Column("expires_at", Number, nullable=False),
    Index("webhook_events_by_delivery", "webhook_id", "delivery_id", "number"),
)
