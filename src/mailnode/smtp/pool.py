"""A few sessions for many messages: leases, in the order in which they were asked for."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from mailnode.errors import UsageError
from mailnode.smtp.session import Session

# Servers hang up on the idle after five minutes (RFC 5321 4.5.3.2.7), busy ones much sooner.
IDLE_SECONDS = 30.0


class _Idle(NamedTuple):
    session: Session
    since: float


class SessionPool:
    """Leases sessions, `max_sessions` at once and no more; those who wait get theirs first come, first served.

    A slot is the lease itself: who holds one opens a session or reuses an idle one, and gives the slot back whatever
    happens, so that a cancelled waiter leaves nothing behind. Idle sessions hold no slot, yet there are never more
    sessions than slots: one is opened only when none is idle.
    """

    def __init__(
        self, open_session: Callable[[], Awaitable[Session]], max_sessions: int, *, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self._open_session = open_session
        self._max_sessions = max_sessions
        self._idle_seconds = idle_seconds
        self._leases = 0
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._idle: deque[_Idle] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self._partings: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def __repr__(self) -> str:
        """Tell how busy it is."""
        return f"<SessionPool: {self._leases} leased, {len(self._idle)} idle, {len(self._waiters)} waiting>"

    @asynccontextmanager
    async def lease(self, *, fresh: bool = False) -> AsyncIterator[Session]:
        """Give a session for the time of the block; a `fresh` one when idle ones have proved to be stale."""
        if self._is_closed:
            raise UsageError("the client is closed", hint="send within `async with SmtpClient(...) as client:`")
        await self._take_slot()
        try:
            if fresh:
                self._dismiss_idle()
            session = self._reuse() or await self._open_session()
            try:
                yield session
            finally:
                self._return(session)
        finally:
            self._give_slot()

    async def aclose(self) -> None:
        """Take leave of idle sessions; those on lease follow when they come back."""
        self._is_closed = True
        self._dismiss_idle()
        while self._partings:
            await asyncio.wait(self._partings)

    async def _take_slot(self) -> None:
        if self._leases < self._max_sessions:
            self._leases += 1
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self._waiters.remove(waiter)
            else:  # the slot was handed over in the very tick of the cancellation
                self._give_slot()
            raise

    def _give_slot(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                self._waiters.remove(waiter)
                waiter.set_result(None)
                return
        self._leases -= 1

    def _reuse(self) -> Session | None:
        while self._idle:
            session, since = self._idle.pop()  # the last one used is the least likely to be over
            if not session.is_stale and asyncio.get_running_loop().time() - since < self._idle_seconds:
                return session
            self._part(session)
        return None

    def _return(self, session: Session) -> None:
        if not session.is_usable:
            session.abort()
        elif self._is_closed:
            self._part(session)
        else:
            loop = asyncio.get_running_loop()
            self._idle.append(_Idle(session, loop.time()))
            if self._sweep is None:
                self._sweep = loop.call_later(self._idle_seconds, self._sweep_idle)

    def _sweep_idle(self) -> None:
        loop = asyncio.get_running_loop()
        while self._idle and loop.time() - self._idle[0].since >= self._idle_seconds:
            self._part(self._idle.popleft().session)
        self._sweep = None
        if self._idle:
            self._sweep = loop.call_at(self._idle[0].since + self._idle_seconds, self._sweep_idle)

    def _dismiss_idle(self) -> None:
        while self._idle:
            self._part(self._idle.popleft().session)
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _part(self, session: Session) -> None:
        if session.is_stale:
            session.abort()
            return
        parting = asyncio.create_task(session.quit())
        self._partings.add(parting)
        parting.add_done_callback(self._partings.discard)
