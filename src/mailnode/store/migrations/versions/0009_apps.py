"""Programs that hand in messages by SMTP, and what they have handed in."""  # noqa: INP001 -- Alembic runs it as a script

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_OF_APPS = "app IS NOT NULL"


def upgrade() -> None:
    """Make their tables, and let a delivery name its app."""
    op.create_table(
        "apps",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("connection", sa.Text, nullable=False),
        sa.Column("unix_user", sa.Text, unique=True),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "app_use",
        sa.Column("app_id", sa.Text, primary_key=True),
        sa.Column("last_used_at", sa.BigInteger, nullable=False),
        sa.Column("free_at", sa.BigInteger, nullable=False),
        sa.Column("report_free_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "submissions",
        sa.Column("fingerprint", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("delivery_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("submissions_created", "submissions", ["created_at"])
    op.add_column("deliveries", sa.Column("app", sa.Text))
    op.add_column("deliveries", sa.Column("duplicates", sa.Integer))
    where = sa.text(_OF_APPS)
    columns = ["app", "created_at", "id"]
    op.create_index("deliveries_by_app", "deliveries", columns, sqlite_where=where, postgresql_where=where)
