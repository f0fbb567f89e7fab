"""One client at the SMTP server: its protocol and its connection, and what the gate is asked meanwhile."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mailnode.errors import MailnodeError
from mailnode.submission import replies
from mailnode.submission.events import CheckRecipient, CheckSender, Close, ProtocolLimits, StartTls
from mailnode.submission.gate import App, Gate, Reply, Submitted
from mailnode.submission.link import Interrupted, Link
from mailnode.submission.login import Credentials
from mailnode.submission.protocol import SubmissionProtocol

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a server bears: connections, of them from one address and of one app, bytes of content, and seconds.

    A client has `login_seconds` in all until it has logged in; then `command_seconds` for each command, and
    `content_seconds` for the whole of a message, and between two messages it is told to come again after
    `session_seconds`. Connections from this machine are not counted by address.
    """

    protocol: ProtocolLimits = field(default_factory=ProtocolLimits)
    connections: int = 1000
    connections_per_address: int = 50
    connections_per_app: int = 500
    memory_bytes: int = 256 * 2**20
    tls_seconds: float = 30.0
    login_seconds: float = 60.0
    command_seconds: float = 300.0
    content_seconds: float = 600.0
    session_seconds: float = 3600.0
    reply_seconds: float = 60.0


class Session:
    """Serves one client until it leaves, is too slow or misbehaves, or the server stops."""

    def __init__(
        self,
        sock: socket.socket,
        protocol: SubmissionProtocol,
        gate: Gate,
        limits: Limits,
        peer: str,
        *,
        admit: Callable[[str], bool] = lambda _: True,
        uid: int | None = None,
        context: Callable[[], ssl.SSLContext] | None = None,
        begins_with_tls: bool = False,
    ) -> None:
        """Serve nothing yet; `uid` is the user at the other end of a Unix socket.

        `admit` is asked, with the name of the app that has logged in, whether one more of its sessions can be served.
        """
        self._sock = sock
        self._protocol = protocol
        self._gate = gate
        self._limits = limits
        self._peer = peer
        self._admit = admit
        self._uid = uid
        self._context = context
        self._begins_with_tls = begins_with_tls
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._deadline = self._began + limits.login_seconds
        self._progress = -1
        self._is_stopping = self._is_waiting = False
        self._connected: Link | None = None

    @property
    def is_idle_stranger(self) -> bool:
        """Whether it waits for a client that has not said who it is, or not rightly."""
        return self._is_waiting and not self._protocol.is_logged_in

    @property
    def _link(self) -> Link:
        assert self._connected
        return self._connected

    def start(self) -> asyncio.Task[None]:
        """Serve, in a task of its own."""
        self._task = self._loop.create_task(self._run())
        return self._task

    async def _run(self) -> None:
        context = self._context() if self._context and self._begins_with_tls else None
        try:
            self._is_waiting = True
            self._connected = await Link.over(self._sock, context, self._limits.tls_seconds)
        except OSError:
            return  # no handshake
        finally:
            self._is_waiting = False
        try:
            if self._uid is not None:
                self._protocol.app = self._admitted(await _told(self._gate.peer_user(self._uid), replies.TROUBLE))
            self._protocol.greet()
            await self._serve()
        except TimeoutError:
            self._say_last(replies.TIMEOUT)
        except (OSError, Interrupted):
            pass  # it has left, or does not read what is said
        except Exception:  # noqa: BLE001 -- it is logged, and ends this session alone
            _log.exception("unexpected error in a session with %s", self._peer)
            self._say_last(replies.BROKEN)
        finally:
            self._protocol.forget_content()
            await self._link.end()

    def stop(self) -> None:
        """Tell the client to go, as soon as it has the reply to what is under way."""
        self._is_stopping = True
        if self._is_waiting and not self._protocol.is_in_content:
            if self._connected is None:
                self._task.cancel()
            else:
                self._connected.interrupt()

    def evict(self) -> None:
        """Make room for another client."""
        self._is_waiting = False
        if self._connected is not None:
            self._say_last(replies.TOO_MANY_CONNECTIONS)
        self.abort()

    def abort(self) -> None:
        """End at once, whatever is under way."""
        if self._connected is not None:
            self._link.abort()
        self._task.cancel()

    async def _serve(self) -> None:
        while True:
            match event := self._protocol.next_event():
                case None:
                    await self._flush()
                    if not await self._hear():
                        return
                case Close():
                    await self._flush()
                    return
                case StartTls():
                    await self._start_tls()
                case _:
                    if isinstance(event, Credentials | Submitted):  # which may take long
                        await self._flush()
                    self._protocol.answer(await self._ask(event))

    async def _flush(self) -> None:
        if due := self._protocol.take_due():
            await self._link.write(due, self._loop.time() + self._limits.reply_seconds)

    async def _hear(self) -> bool:
        """Wait for the client; give whether it has said anything."""
        in_content = self._protocol.is_in_content
        if self._is_stopping and not in_content:
            self._protocol.close(replies.STOPPING)
            return True
        if self._protocol.progress != self._progress:
            self._progress = self._protocol.progress
            seconds = self._limits.content_seconds if in_content else self._limits.command_seconds
            self._deadline = self._loop.time() + seconds
        deadline = self._deadline
        if not self._protocol.is_logged_in:
            deadline = min(deadline, self._began + self._limits.login_seconds)
        elif not in_content:
            deadline = min(deadline, self._began + self._limits.session_seconds)
        self._is_waiting = True
        try:
            data = await self._link.read(deadline)
        except Interrupted:
            return True
        finally:
            self._is_waiting = False
        self._protocol.receive(data)
        return bool(data)

    async def _start_tls(self) -> None:
        assert self._context
        context = self._context()
        self._link.pause()
        self._link.write_now(self._protocol.take_due())
        self._is_waiting = True
        try:
            await self._link.start_tls(context, self._limits.tls_seconds)
        finally:
            self._is_waiting = False
        self._protocol.tls_started()

    def _say_last(self, reply: Reply) -> None:
        self._protocol.close(reply)
        self._link.write_now(self._protocol.take_due())

    async def _ask(self, event: Credentials | CheckSender | CheckRecipient | Submitted) -> App | Reply | None:
        refusal = replies.LOGIN_TROUBLE if isinstance(event, Credentials) else replies.TROUBLE
        return await _told(self._answer_of(event), refusal)

    def _admitted(self, who: App | Reply) -> App | Reply:
        if isinstance(who, App) and not self._admit(who.name):
            return replies.TOO_MANY_OF_APP
        return who

    async def _answer_of(self, event: Credentials | CheckSender | CheckRecipient | Submitted) -> App | Reply | None:
        if isinstance(event, Credentials):
            self._is_waiting = True  # the answer to a wrong login takes its time, and need not be waited for
            try:
                return self._admitted(await self._gate.authenticate(event.login, event.password, self._peer))
            finally:
                self._is_waiting = False
        app = self._protocol.app
        assert isinstance(app, App)
        match event:
            case CheckSender(path):
                return await self._gate.may_send_from(app, path)
            case CheckRecipient(path):
                return await self._gate.may_send_to(app, path)
            case Submitted():
                return await self._gate.take(app, event)


async def _told(answer: Coroutine[Any, Any, T], refusal: Reply) -> T | Reply:
    """Give what the gate answers; where it raises nothing was taken, and the client is told to try again."""
    try:
        return await answer
    except MailnodeError as error:
        _log.warning("a client of the SMTP server was told to try again later: %s", error)
    except Exception:  # noqa: BLE001 -- it is logged
        _log.exception("unexpected error: a client of the SMTP server was told to try again later")
    return refusal
