"""A part of a transaction that can be undone alone."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError


@contextmanager
def savepoint(db: Connection) -> Iterator[None]:
    """Undo what is done within, and nothing else of the transaction, if it raises.

    An error that has ended the whole transaction, such as a full disk in SQLite, leaves nothing to go back to.
    """
    # Said to the driver: what SQLAlchemy keeps of a nested transaction takes longer than a short one itself.
    db.exec_driver_sql("SAVEPOINT part")
    try:
        yield
    except BaseException:
        with suppress(SQLAlchemyError):
            db.exec_driver_sql("ROLLBACK TO SAVEPOINT part")
            db.exec_driver_sql("RELEASE SAVEPOINT part")
        raise
    db.exec_driver_sql("RELEASE SAVEPOINT part")
