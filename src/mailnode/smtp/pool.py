"""A few sessions for many messages: which request gets one, when one is opened, kept and closed."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from mailnode.errors import ConnectFailed, ErrorCode, SmtpError, UsageError
from mailnode.smtp.account import LoginGate
from mailnode.smtp.host_profile import HostProfile
from mailnode.smtp.send_queue import FairQueue, SendRequest, SlotWithdrawn
from mailnode.smtp.session import Session

# Servers close idle sessions after five minutes (RFC 5321 4.5.3.2.7), busy ones much sooner.
IDLE_SECONDS = 30.0
# How long a server may still count a session that has ended, and refuse the next one.
_COUNTED_SECONDS = 5.0
_FIRST_PAUSE = 0.05


class _Idle(NamedTuple):
    session: Session
    since: float


class SessionPool:
    """Leases sessions, `max_sessions` at once and no more.

    A slot is the lease itself: who holds one opens a session or reuses an idle one, and gives the slot back whatever
    happens, so that a cancelled waiter leaves nothing behind. Idle sessions hold no slot, yet there are never more
    sessions than slots: one is opened only when none is idle. A request whose first commands were pipelined
    behind a session's last dot gets that session, and its slot, as soon as that message has its reply.
    """

    def __init__(
        self,
        open_session: Callable[[], Awaitable[Session]],
        host_profile: HostProfile,
        max_sessions: int,
        *,
        gate: LoginGate | None = None,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._open_session = open_session
        self._gate = gate
        self._host_profile = host_profile
        self._max_sessions = max_sessions
        self._idle_seconds = idle_seconds
        self._leases = 0
        self._sessions = 0
        self._last_alive = -_COUNTED_SECONDS
        self._queue = FairQueue()
        self._idle: deque[_Idle] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self._quitting: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._all_back = asyncio.Event()

    @property
    def usage(self) -> str:
        """How busy it is, in words."""
        return f"{self._leases} leased, {len(self._idle)} idle, {len(self._queue)} waiting"

    def __repr__(self) -> str:
        """Tell how busy it is."""
        return f"<SessionPool: {self.usage}>"

    def check_open(self) -> None:
        """Raise UsageError when the client is closed."""
        if self._is_closed:
            raise UsageError("the client is closed", hint="send within `async with SmtpClient(...) as client:`")

    def lease(self, request: SendRequest, *, fresh: bool = False) -> "_Lease":
        """Give a session for the time of an `async with`; a `fresh` one when idle ones have proved to be stale."""
        if not fresh:
            self.check_open()
        return _Lease(self, request, fresh=fresh)

    def next_request(self) -> SendRequest | None:
        """Take the request that is next in the queue, to pipeline it on a session in use: all are in use."""
        return self._queue.pop() if self._queue else None

    async def aclose(self) -> None:
        """Wait for all requests, waiting and under way, then quit every session."""
        self._is_closed = True
        while self._leases:
            self._all_back.clear()
            await self._all_back.wait()
        self._close_idle()
        while self._quitting:
            await asyncio.wait(self._quitting)

    async def acquire(self, request: SendRequest, *, fresh: bool) -> Session:
        """Wait for a slot, then give the session that comes with it, an idle one, or a new one."""
        is_first = False
        while True:
            try:
                session = await self._wait_for_slot(request, is_first=is_first)
            except SlotWithdrawn:
                is_first = True
                continue
            if session is not None:
                return session
            try:
                if fresh:
                    self._close_idle()
                return self._reuse() or await self._open_patiently()
            except BaseException as error:
                self._free_slot()
                if not (may_be_too_many(error) and self._sessions):
                    raise
            self._host_profile.limit_sessions(self._sessions)
            fresh, is_first = False, True

    async def _open_patiently(self) -> Session:
        """Open a session; if there is no other, retry while the server may still count sessions that have ended."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._open()
            except SmtpError as error:
                is_counted = asyncio.get_running_loop().time() - self._last_alive < _COUNTED_SECONDS
                if self._sessions or not (is_counted and may_be_too_many(error)):
                    raise
            self._host_profile.limit_sessions(1)
            await asyncio.sleep(pause)
            pause *= 2

    async def _wait_for_slot(self, request: SendRequest, *, is_first: bool) -> Session | None:
        if not self._queue and self._leases < self._host_profile.most_sessions(self._max_sessions):
            self._leases += 1
            return None
        slot: asyncio.Future[Session | None] = asyncio.get_running_loop().create_future()
        request.slot = slot
        if is_first:
            self._queue.put_first(request)
        else:
            self._queue.push(request)
        self._assign_slots()
        try:
            return await slot
        except BaseException:
            if not slot.done():
                slot.cancel()
            elif not slot.cancelled() and slot.exception() is None:  # it came in the same iteration of the loop
                session = slot.result()
                if session is None:
                    self._free_slot()
                else:
                    self.release(session)
            raise

    def _assign_slots(self) -> None:
        most = self._host_profile.most_sessions(self._max_sessions)
        while self._leases < most and (request := self.next_request()):
            assert request.slot
            self._leases += 1
            request.slot.set_result(None)

    def _free_slot(self) -> None:
        self._leases -= 1
        if self._queue:
            self._assign_slots()
        if not self._leases:
            self._all_back.set()

    async def _open(self) -> Session:
        return await (self._gate.through(self._connect) if self._gate else self._connect())

    async def _connect(self) -> Session:
        self._sessions += 1
        try:
            session = await self._open_session()
        except BaseException:
            self._sessions -= 1
            raise
        self._last_alive = asyncio.get_running_loop().time()
        return session

    def release(self, session: Session) -> None:
        """Take a session back, or give it to the request that is pipelined on it."""
        pipelined = session.pipelined_request
        if pipelined is not None:
            if session.is_usable and pipelined.is_waiting:
                assert pipelined.slot
                pipelined.slot.set_result(session)
                return
            # Its commands are sent already: the session serves this request or none.
            session.abort()
            if pipelined.is_waiting:
                self._queue.put_first(pipelined)
        self._keep_or_close(session)
        self._free_slot()

    def _reuse(self) -> Session | None:
        while self._idle:
            session, since = self._idle.pop()  # the one used last is the least likely to have been closed
            if not session.is_stale and asyncio.get_running_loop().time() - since < self._idle_seconds:
                return session
            self._close(session)
        return None

    def _keep_or_close(self, session: Session) -> None:
        self._last_alive = asyncio.get_running_loop().time()
        if not session.is_usable:
            self._sessions -= 1
            session.abort()
        elif session.is_spent or (self._is_closed and not self._queue):
            self._close(session)
        else:
            loop = asyncio.get_running_loop()
            self._idle.append(_Idle(session, loop.time()))
            if self._sweep is None:
                self._sweep = loop.call_later(self._idle_seconds, self._close_expired)

    def _close_expired(self) -> None:
        loop = asyncio.get_running_loop()
        while self._idle and loop.time() - self._idle[0].since >= self._idle_seconds:
            self._close(self._idle.popleft().session)
        self._sweep = None
        if self._idle:
            self._sweep = loop.call_at(self._idle[0].since + self._idle_seconds, self._close_expired)

    def _close_idle(self) -> None:
        while self._idle:
            self._close(self._idle.popleft().session)
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _close(self, session: Session) -> None:
        self._sessions -= 1
        if session.is_stale:
            session.abort()
            return
        quitting = asyncio.create_task(session.quit())
        self._quitting.add(quitting)
        quitting.add_done_callback(self._quitting.discard)


def may_be_too_many(error: BaseException) -> bool:
    """Whether this may mean that the server allows no more sessions.

    Some servers say so, others close the connection, before or during the TLS handshake, or answer it in clear text.
    """
    if isinstance(error, ConnectFailed) or not isinstance(error, SmtpError):
        return False
    return error.transient and error.code != ErrorCode.TIMEOUT


class _Lease:
    """A session for the time of an `async with`."""

    __slots__ = ("_fresh", "_pool", "_request", "_session")

    def __init__(self, pool: SessionPool, request: SendRequest, *, fresh: bool) -> None:
        self._pool = pool
        self._request = request
        self._fresh = fresh

    async def __aenter__(self) -> Session:
        self._session = await self._pool.acquire(self._request, fresh=self._fresh)
        return self._session

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        pipelined = self._session.pipelined_request
        self._pool.release(self._session)
        if pipelined and kind is None:
            # The pipelined request writes its content before our caller goes on, so that the server has work meanwhile.
            await asyncio.sleep(0)
