"""The connection that writes, kept from one transaction to the next."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, RootTransaction
from sqlalchemy.exc import DBAPIError


class HeldConnection:
    """One connection of an engine, for one transaction at a time.

    Taking it from the pool and giving it back would take longer than many a transaction. After an error it is given
    back all the same: the next transaction begins with a connection that the pool has looked after.
    """

    def __init__(self, engine: Engine) -> None:
        """Take nothing from the pool yet."""
        self._engine = engine
        self._connection: Connection | None = None

    @contextmanager
    def begin(self) -> Iterator[tuple[Connection, RootTransaction]]:
        """Begin a transaction, which is committed at the end if it was not before.

        Where the connection broke while nobody used it another one takes its place.
        """
        try:
            connection, transaction = self._begin()
            with transaction:
                yield connection, transaction
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _begin(self) -> tuple[Connection, RootTransaction]:
        if (held := self._connection) is not None:
            try:
                return held, held.begin()
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                self.close()
        fresh = self._connection = self._engine.connect()
        return fresh, fresh.begin()
