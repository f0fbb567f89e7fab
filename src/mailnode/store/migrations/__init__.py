"""How an older database becomes a newer one; Alembic is loaded only when one has to."""
