"""The connection that writes, kept from one transaction to the next."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, RootTransaction
from sqlalchemy.exc import DBAPIError


class HeldConnection:
    """One connection of an engine, for one transaction at a time.

    Taking it from the pool and giving it back would take longer than many a transaction. After an error it is given
    back all the same: the next transaction begins with a connection that the pool has looked after.
    """

    def __init__(self, engine: Engine, begun: Callable[[Connection], None] = lambda _: None) -> None:
        """Take nothing from the pool yet; `begun` is called with each transaction that has just begun.

        Where that finds out that the connection broke while nobody used it, another one takes its place.
        """
        self._engine = engine
        self._begun = begun
        self._connection: Connection | None = None

    @contextmanager
    def begin(self) -> Iterator[tuple[Connection, RootTransaction]]:
        """Begin a transaction, which is committed at the end if it was not before."""
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
        held = self._connection
        if held is not None:
            try:
                return self._begin_on(held)
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                self.close()
        self._connection = self._engine.connect()
        return self._begin_on(self._connection)

    def _begin_on(self, connection: Connection) -> tuple[Connection, RootTransaction]:
        transaction = connection.begin()
        self._begun(connection)
        return connection, transaction
