"""HTTP/1.1 for who says soon what is wanted: uvicorn itself waits for the end of a header for ever."""

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# From the connection, or the last answer, to the end of a request's header.
REQUEST_SECONDS = 10.0


class PromptProtocol(H11Protocol):
    """Hangs up on a client whose request is not there in time."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its base has it
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take octets; with a whole header the wait is over."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop()
        super().connection_lost(exc)

    def _should_upgrade(self) -> bool:
        # Nothing else is spoken here; uvicorn would warn of each offer, as Java clients make it, and advise a library.
        return False

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
