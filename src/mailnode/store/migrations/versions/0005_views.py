"""Indexes for every view of deliveries and runs, recipients that can be searched, and counts over time."""  # noqa: INP001 -- Alembic runs it as a script

import time

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_QUEUED = "state = 'queued'"
_SWEPT = "state IN ('cancelled', 'failed', 'partial', 'sent', 'unknown')"
_FINAL = "state IN ('cancelled', 'failed', 'held', 'partial', 'sent', 'unknown')"
_RAN = "status <> 'running'"
# Compared octet by octet, as SQLite does: else no index of PostgreSQL finds what begins with a text.
_BINARY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
# What stands behind the last @.
_DOMAIN = "lower(substr(address, length(rtrim(address, replace(address, '@', ''))) + 1))"
_NOT_ASCII = {
    "sqlite": "length(CAST(address AS BLOB)) <> length(address)",
    "postgresql": "octet_length(address) <> length(address)",
}


def upgrade() -> None:
    """Add what is searched by, and count what is there."""
    _search_recipients()
    op.drop_index("deliveries_created", "deliveries")
    for name, table, columns, which in (
        ("deliveries_latest", "deliveries", ["created_at", "id"], None),
        ("deliveries_by_run", "deliveries", ["run_id", "created_at", "id"], None),
        ("deliveries_by_message_id", "deliveries", ["message_id"], None),
        ("deliveries_queued", "deliveries", ["created_at", "id"], _QUEUED),
        ("deliveries_queued_by_connection", "deliveries", ["connection", "created_at", "id"], _QUEUED),
        ("deliveries_by_state", "deliveries", ["state", "created_at", "id"], _FINAL),
        ("deliveries_by_connection", "deliveries", ["connection", "state", "created_at", "id"], _FINAL),
        ("deliveries_swept", "deliveries", ["updated_at"], _SWEPT),
        ("delivery_recipients_by_mailbox", "delivery_recipients", ["mailbox", "created_at", "delivery_id"], None),
        ("delivery_recipients_by_domain", "delivery_recipients", ["domain", "created_at", "delivery_id"], None),
        ("runs_latest", "runs", ["created_at", "id"], None),
        ("runs_by_status", "runs", ["status", "created_at", "id"], None),
        ("runs_by_flow", "runs", ["flow", "status", "created_at", "id"], None),
        ("runs_swept", "runs", ["updated_at"], _RAN),
    ):
        where = sa.text(which) if which else None
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
    _count_deliveries()


def _search_recipients() -> None:
    for column in (
        sa.Column("mailbox", _BINARY),
        sa.Column("domain", _BINARY),
        sa.Column("created_at", sa.BigInteger),
    ):
        op.add_column("delivery_recipients", column)
    db = op.get_bind()
    created = "(SELECT created_at FROM deliveries WHERE id = delivery_id)"
    op.execute(
        f"UPDATE delivery_recipients SET mailbox = lower(address), domain = {_DOMAIN}, created_at = {created}"  # noqa: S608 -- of constants
    )
    # No database is sure to know the small letters of every alphabet.
    foreign = sa.text(f"SELECT DISTINCT address FROM delivery_recipients WHERE {_NOT_ASCII[db.dialect.name]}")  # noqa: S608 -- of constants
    for (address,) in db.execute(foreign).all():
        mailbox = str(address).lower()
        db.execute(
            sa.text("UPDATE delivery_recipients SET mailbox = :mailbox, domain = :domain WHERE address = :address"),
            {"mailbox": mailbox, "domain": mailbox.rpartition("@")[2], "address": address},
        )

    if db.dialect.name == "postgresql":
        _fill_for_earlier_versions()


def _fill_for_earlier_versions() -> None:
    """Have the recipients found that a worker of an earlier version adds, which goes on beside this one."""
    domain = _DOMAIN.replace("address", "NEW.address")
    op.execute(
        "CREATE FUNCTION delivery_recipients_searched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"  # noqa: S608 -- of constants
        f" NEW.mailbox = lower(NEW.address); NEW.domain = {domain};"
        " NEW.created_at = (SELECT created_at FROM deliveries WHERE id = NEW.delivery_id); RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER delivery_recipients_searched BEFORE INSERT ON delivery_recipients"
        " FOR EACH ROW WHEN (NEW.mailbox IS NULL) EXECUTE FUNCTION delivery_recipients_searched()"
    )


def _count_deliveries() -> None:
    op.create_table(
        "delivery_counts",
        sa.Column("minute", sa.BigInteger, primary_key=True),
        sa.Column("event", sa.Text, primary_key=True),
        sa.Column("writer", sa.BigInteger, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    # As the hourly sweep leaves it: what is older than two days is counted by the hour.
    fine = int(time.time() - 2 * 86_400) * 1000
    for at, event, which in (("created_at", "'created'", "1 = 1"), ("updated_at", "state", _FINAL)):
        op.execute(
            "INSERT INTO delivery_counts (minute, event, writer, count)"  # noqa: S608 -- of constants
            f" SELECT CASE WHEN {at} < {fine} THEN {at} / 3600000 * 60 ELSE {at} / 60000 END, {event}, 0, count(*)"
            f" FROM deliveries WHERE {which} GROUP BY 1, 2"
        )
    for statement in _postgres_triggers() if op.get_bind().dialect.name == "postgresql" else _sqlite_triggers():
        op.execute(statement)


_MOVED = "OLD.created_at <> NEW.created_at"
_ENDS = f"(OLD.{_FINAL} OR NEW.{_FINAL} OR {_MOVED})"
# When each trigger fires, which rows it counts, and when it counts that they were created.
_TRIGGERS = (
    ("deliveries_counted_new", "INSERT", "", ("NEW",), "1 = 1"),
    ("deliveries_counted_changed", "UPDATE OF state, created_at, updated_at", f" WHEN {_ENDS}", ("OLD", "NEW"), _MOVED),
    ("deliveries_counted_deleted", "DELETE", "", ("OLD",), "1 = 1"),
)


def _counted(rows: tuple[str, ...], created: str, writer: str) -> str:
    """Count a row in as it is (NEW), and out as it was (OLD): when it was created, and when it ended, if it has."""
    return " ".join(
        "INSERT INTO delivery_counts (minute, event, writer, count)"
        f" SELECT {row}.{at} / 60000, {event}, {writer}, {1 if row == 'NEW' else -1} WHERE {which}"
        " ON CONFLICT (minute, event, writer) DO UPDATE SET count = delivery_counts.count + excluded.count;"
        for row in rows
        for at, event, which in (
            ("created_at", "'created'", created),
            ("updated_at", f"{row}.state", f"{row}.{_FINAL}"),
        )
    )


def _sqlite_triggers() -> list[str]:
    return [
        f"CREATE TRIGGER {name} AFTER {event} ON deliveries FOR EACH ROW{when} BEGIN {_counted(rows, created, '0')} END"
        for name, event, when, rows, created in _TRIGGERS
    ]


def _postgres_triggers() -> list[str]:
    statements = []
    for name, event, when, rows, created in _TRIGGERS:
        # A writer has rows of its own, so that none waits for another's commit.
        body = _counted(rows, created, "pg_backend_pid()")
        statements += [
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$",
            f"CREATE TRIGGER {name} AFTER {event} ON deliveries FOR EACH ROW{when} EXECUTE FUNCTION {name}()",
        ]
    return statements
