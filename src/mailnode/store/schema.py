"""The steps from an older schema to this version's: the same for SQLite and for PostgreSQL."""

from pathlib import Path

from sqlalchemy import Connection

from mailnode.errors import StoreError
from mailnode.store.tables import SCHEMA_NUMBER


def migrate(connection: Connection) -> None:
    """Take the steps that are missing, in the transaction of the caller; Alembic is loaded for that only here."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def newer(name: str, number: int, hint: str) -> StoreError:
    """Say that a database has been written by a newer version."""
    return StoreError(f"{name} has schema {number}, and this version of mailnode knows {SCHEMA_NUMBER}", hint=hint)
