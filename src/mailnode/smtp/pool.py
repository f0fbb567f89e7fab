"""A few sessions for many messages: who gets one, when one is opened, and what becomes of it afterwards."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from mailnode.errors import ConnectFailed, ErrorCode, SmtpError, UsageError
from mailnode.smtp.account import LoginGate
from mailnode.smtp.host_profile import HostProfile
from mailnode.smtp.send_queue import FairQueue, LetOff, SendRequest
from mailnode.smtp.session import Session

# Servers hang up on the idle after five minutes (RFC 5321 4.5.3.2.7), busy ones much sooner.
IDLE_SECONDS = 30.0
# For so long a server may count a session that is over, and refuse the next one.
_COUNTED_SECONDS = 5.0
_FIRST_PAUSE = 0.05


class _Idle(NamedTuple):
    session: Session
    since: float


class SessionPool:
    """Leases sessions, `max_sessions` at once and no more.

    A slot is the lease itself: who holds one opens a session or reuses an idle one, and gives the slot back whatever
    happens, so that a cancelled waiter leaves nothing behind. Idle sessions hold no slot, yet there are never more
    sessions than slots: one is opened only when none is idle. A request whose commands rode with the last dot of a
    session gets that session, and its slot, as soon as the message before it is judged.
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
        self._host_profiles = host_profile
        self._max_sessions = max_sessions
        self._idle_seconds = idle_seconds
        self._leases = 0
        self._sessions = 0
        self._last_alive = -_COUNTED_SECONDS
        self._queue = FairQueue()
        self._idle: deque[_Idle] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self._partings: set[asyncio.Task[None]] = set()
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

    def next_passage(self) -> SendRequest | None:
        """Take who waits longest, to ride on a session that is in use: the pool is full and no session idle."""
        return self._queue.pop() if self._queue else None

    async def aclose(self) -> None:
        """Wait for those who wait and those under way, then take leave of every session."""
        self._is_closed = True
        while self._leases:
            self._all_back.clear()
            await self._all_back.wait()
        self._dismiss_idle()
        while self._partings:
            await asyncio.wait(self._partings)

    async def board(self, request: SendRequest, *, fresh: bool) -> Session:
        """Wait for a session, or for leave to open one."""
        is_first = False
        while True:
            try:
                session = await self._turn(request, is_first=is_first)
            except LetOff:
                is_first = True
                continue
            if session is not None:
                return session
            try:
                if fresh:
                    self._dismiss_idle()
                return self._reuse() or await self._open_patiently()
            except BaseException as error:
                self._give_slot()
                if not (_may_be_too_many(error) and self._sessions):
                    raise
            self._host_profiles.limit_sessions(self._sessions)
            fresh, is_first = False, True

    async def _open_patiently(self) -> Session:
        """Open a session; alone it waits while the server may still count those that are over."""
        pause = _FIRST_PAUSE
        while True:
            try:
                return await self._open()
            except SmtpError as error:
                is_counted = asyncio.get_running_loop().time() - self._last_alive < _COUNTED_SECONDS
                if self._sessions or not (is_counted and _may_be_too_many(error)):
                    raise
            self._host_profiles.limit_sessions(1)
            await asyncio.sleep(pause)
            pause *= 2

    async def _turn(self, request: SendRequest, *, is_first: bool) -> Session | None:
        if not self._queue and self._leases < self._host_profiles.most_sessions(self._max_sessions):
            self._leases += 1
            return None
        turn: asyncio.Future[Session | None] = asyncio.get_running_loop().create_future()
        request.turn = turn
        if is_first:
            self._queue.put_first(request)
        else:
            self._queue.push(request)
        self._hand_out()
        try:
            return await turn
        except BaseException:
            if not turn.done():
                turn.cancel()
            elif not turn.cancelled() and turn.exception() is None:  # it came in the very tick of the cancellation
                session = turn.result()
                if session is None:
                    self._give_slot()
                else:
                    self.leave(session)
            raise

    def _hand_out(self) -> None:
        most = self._host_profiles.most_sessions(self._max_sessions)
        while self._leases < most and (request := self.next_passage()):
            assert request.turn
            self._leases += 1
            request.turn.set_result(None)

    def _give_slot(self) -> None:
        self._leases -= 1
        if self._queue:
            self._hand_out()
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

    def leave(self, session: Session) -> None:
        """Take a session back, or hand it to who rides on it."""
        rider = session.rider
        if rider is not None:
            if session.is_usable and rider.is_waiting:
                assert rider.turn
                rider.turn.set_result(session)
                return
            # Its commands can't be taken back: without it the session is of no use, and it is of none to it.
            session.abort()
            if rider.is_waiting:
                self._queue.put_first(rider)
        self._return(session)
        self._give_slot()

    def _reuse(self) -> Session | None:
        while self._idle:
            session, since = self._idle.pop()  # the last one used is the least likely to be over
            if not session.is_stale and asyncio.get_running_loop().time() - since < self._idle_seconds:
                return session
            self._part(session)
        return None

    def _return(self, session: Session) -> None:
        self._last_alive = asyncio.get_running_loop().time()
        if not session.is_usable:
            self._sessions -= 1
            session.abort()
        elif session.is_spent or (self._is_closed and not self._queue):
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
        self._sessions -= 1
        if session.is_stale:
            session.abort()
            return
        parting = asyncio.create_task(session.quit())
        self._partings.add(parting)
        parting.add_done_callback(self._partings.discard)


def _may_be_too_many(error: BaseException) -> bool:
    """Whether this may be the server's way to say that it bears no more sessions.

    Some say so, others close the connection, before TLS or in the midst of it, or answer its hello in clear text.
    """
    if isinstance(error, ConnectFailed) or not isinstance(error, SmtpError):
        return False
    return error.transient and error.code != ErrorCode.TIMEOUT


class _Lease:
    """A session from boarding to leaving."""

    __slots__ = ("_fresh", "_pool", "_request", "_session")

    def __init__(self, pool: SessionPool, request: SendRequest, *, fresh: bool) -> None:
        self._pool = pool
        self._request = request
        self._fresh = fresh

    async def __aenter__(self) -> Session:
        self._session = await self._pool.board(self._request, fresh=self._fresh)
        return self._session

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        rider = self._session.rider
        self._pool.leave(self._session)
        if rider and kind is None:
            # Its content goes out before our caller goes on, perhaps to compose: meanwhile the server has work.
            await asyncio.sleep(0)
