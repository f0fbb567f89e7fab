"""A connection to PostgreSQL that notices when the server has gone silent, though its machine takes what is sent."""

import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import psycopg
from psycopg.errors import ConnectionTimeout

T = TypeVar("T")

# After so long without a word it is asked, on another connection, whether the server is there; and again each time.
SILENT_SECONDS = 5.0
# No statement takes longer (the server itself ends it sooner): the connection is lost, though there is a server.
LOST_SECONDS = 75.0


class WatchedConnection(psycopg.Connection[Any]):
    """Whoever waits for its answer learns within seconds that none will come; the connection is closed then."""

    again: Callable[[], psycopg.Connection[Any]]

    @classmethod
    def opened(cls, *arguments: Any, **settings: Any) -> "WatchedConnection":
        """Connect."""
        connection = cls.connect(*arguments, **settings)
        connection.again = lambda: psycopg.connect(*arguments, **settings)
        return connection

    def wait(self, gen: Generator[Any, Any, T], *arguments: Any, **settings: Any) -> T:
        """Wait for an answer.

        Raises:
            OperationalError: the server does not answer any more.
        """
        return super().wait(self._watched(gen), *arguments, **settings)

    def _watched(self, gen: Generator[Any, Any, T]) -> Generator[Any, Any, T]:
        began = heard = time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                now = time.monotonic()
                if ready:
                    began = heard = now
                elif now - heard > SILENT_SECONDS:
                    if now - began > LOST_SECONDS or self._is_alone():
                        self.pgconn.finish()
                        raise psycopg.OperationalError(f"the server has not responded for {now - began:.0f} s")
                    heard = time.monotonic()
                wanted = gen.send(ready)
        except StopIteration as end:
            made: T = end.value
            return made

    def _is_alone(self) -> bool:
        """Tell whether no new connection is answered either; a refusal is an answer."""
        try:
            self.again().close()
        except ConnectionTimeout:
            return True
        except psycopg.Error:
            return False
        return False
