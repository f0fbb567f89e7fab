"""What Alembic runs to migrate: the steps in `versions`, on the connection and in the transaction of its caller."""

from alembic import context

from mailnode.store import partial_indexes  # noqa: F401 -- part of the metadata
from mailnode.store.tables import metadata

# SQLite undoes DDL with its transaction, which Alembic does not expect of it.
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
