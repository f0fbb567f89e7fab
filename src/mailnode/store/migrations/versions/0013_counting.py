"""Triggers that count deliveries with one statement each, instead of four of which most count nothing."""  # noqa: INP001 -- Alembic runs it as a script

from alembic import op

revision = "0013"
down_revision = "0012"

_FINAL = "state IN ('cancelled', 'failed', 'held', 'partial', 'sent', 'unknown')"
_MOVED = "OLD.created_at <> NEW.created_at"
_EARLIER = ("deliveries_counted_new", "deliveries_counted_changed", "deliveries_counted_deleted")
_CREATED, _ENDED = ("created_at", "'created'"), ("updated_at", "{row}.state")
# When each fires, which row it counts, by which time and event, in (1) or out (-1).
_TRIGGERS = (
    ("deliveries_counted_new", "INSERT", "", "NEW", _CREATED, 1),
    ("deliveries_counted_new_end", "INSERT", f"NEW.{_FINAL}", "NEW", _ENDED, 1),
    ("deliveries_counted_end", "UPDATE OF state, updated_at", f"NEW.{_FINAL}", "NEW", _ENDED, 1),
    ("deliveries_counted_earlier_end", "UPDATE OF state, updated_at", f"OLD.{_FINAL}", "OLD", _ENDED, -1),
    ("deliveries_counted_moved", "UPDATE OF created_at", _MOVED, "NEW", _CREATED, 1),
    ("deliveries_counted_moved_from", "UPDATE OF created_at", _MOVED, "OLD", _CREATED, -1),
    ("deliveries_counted_deleted", "DELETE", "", "OLD", _CREATED, -1),
    ("deliveries_counted_deleted_end", "DELETE", f"OLD.{_FINAL}", "OLD", _ENDED, -1),
)


def upgrade() -> None:
    """Replace the triggers; what they have counted stays."""
    is_postgres = op.get_bind().dialect.name == "postgresql"
    for name in _EARLIER:
        op.execute(f"DROP TRIGGER {name}{' ON deliveries' if is_postgres else ''}")
        if is_postgres:
            op.execute(f"DROP FUNCTION {name}()")
    for name, event, when, row, (at, counted), number in _TRIGGERS:
        # On PostgreSQL a writer has rows of its own, so that none waits for another's commit.
        writer = "pg_backend_pid()" if is_postgres else "0"
        body = (
            "INSERT INTO delivery_counts (minute, event, writer, count)"  # noqa: S608 -- of constants
            f" VALUES ({row}.{at} / 60000, {counted.format(row=row)}, {writer}, {number})"
            " ON CONFLICT (minute, event, writer) DO UPDATE SET count = delivery_counts.count + excluded.count;"
        )
        condition = f" WHEN ({when})" if when else ""
        what = f"BEGIN {body} END"
        if is_postgres:
            op.execute(
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NULL; END $$"
            )
            what = f"EXECUTE FUNCTION {name}()"
        op.execute(f"CREATE TRIGGER {name} AFTER {event} ON deliveries FOR EACH ROW{condition} {what}")
