"""SmtpClient: messages to one server, over a few sessions."""

import asyncio
import itertools
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import NamedTuple, Self

from mailnode.errors import UsageError
from mailnode.message.envelope import Envelope
from mailnode.message.ready_made import Sendable, message_of
from mailnode.smtp.account import Account, LoginGate
from mailnode.smtp.bearer import TokenLogin
from mailnode.smtp.handshake import ServerInfo
from mailnode.smtp.host_profile import HostProfile
from mailnode.smtp.outcome import Outcome, PartialDelivery
from mailnode.smtp.pool import IDLE_SECONDS, SessionPool
from mailnode.smtp.proxy import Proxy, parse_proxy
from mailnode.smtp.sasl import Login
from mailnode.smtp.send_queue import SendRequest, StaleSession
from mailnode.smtp.server import Deadlines, ServerSettings, TlsOption, ascii_host, tls_and_port
from mailnode.smtp.session import Session

# For each session: one message under way, one pipelined behind it, one waiting.
MESSAGES_PER_SESSION = 3

Sendables = Iterable[Sendable] | AsyncIterable[Sendable]


class Handover(NamedTuple):
    """The outcome or the error of one of many messages; `number` counts them from 0.

    The error is a MailnodeError, or an exception that the message itself or a source of tokens has raised.
    """

    number: int
    message: Sendable
    outcome: Outcome | None
    error: Exception | None


class SmtpClient:
    """Sends messages to a server; sessions are opened when needed, reused, and closed with the client.

    The TLS mode is required, never opportunistic: `tls`, `starttls` or `none`. Left out it follows the port (465 tls;
    25, 587 and 2525 starttls; else tls), and the port, left out, follows it (465, 587, 25). `ca` is PEM text and
    replaces the system's certificates. `login` is a Login, or a TokenLogin with a source of access tokens; a secret
    goes over TLS only, or to this machine, unless `allow_plaintext_auth`. `proxy` is a URL, `socks5://host:port`
    or `http://host:port`. At most `max_sessions` are open at once, each is kept for `idle_seconds` without work. A
    value that can't be used raises SettingsError. One client belongs to one event loop:

        async with SmtpClient("mail.example.org", login=Login("jane", "secret")) as client:
            outcome = await client.send(Email(from_="jane@example.org", to="joe@example.com", text="Hi"))

    In `TokenLogin("jane@example.com", tokens)`, `tokens` is any object with the methods of `Tokens`; its `renewed` is
    called once when the server refuses a token. A login that was refused permanently is not tried again at once: sends
    fail with the same error meanwhile, for one second at first, and for five minutes at most.
    """

    def __init__(
        self,
        host: str,
        port: int | None = None,
        *,
        tls_option: TlsOption | None = None,
        ca: str | None = None,
        ehlo_name: str | None = None,
        login: Login | TokenLogin | None = None,
        allow_plaintext_auth: bool = False,
        proxy: str | Proxy | None = None,
        max_sessions: int = 5,
        idle_seconds: float = IDLE_SECONDS,
        deadlines: Deadlines | None = None,
    ) -> None:
        mode, number = tls_and_port(tls_option, port)
        server = ServerSettings(
            host=ascii_host(host),
            port=number,
            tls_option=mode,
            ca=ca,
            ehlo_name=ehlo_name,
            login=login,
            allow_plaintext_auth=allow_plaintext_auth,
            proxy=parse_proxy(proxy) if isinstance(proxy, str) else proxy,
            deadlines=deadlines or Deadlines(),
        )
        self._set_up(server, HostProfile(), max_sessions, idle_seconds)

    @classmethod
    def from_settings(
        cls,
        server: ServerSettings,
        *,
        host_profile: HostProfile | None = None,
        max_sessions: int = 5,
        idle_seconds: float = IDLE_SECONDS,
    ) -> Self:
        """Make a client from a server's settings; `host_profile` is what earlier clients have learned about the host.

        Raises:
            UsageError: `max_sessions` is less than 1.
        """
        client = cls.__new__(cls)
        cls._set_up(client, server, host_profile or HostProfile(), max_sessions, idle_seconds)
        return client

    def _set_up(
        self, server: ServerSettings, host_profile: HostProfile, max_sessions: int, idle_seconds: float
    ) -> None:
        if max_sessions < 1:
            raise UsageError(f"max_sessions can't be {max_sessions}", hint="give 1 or more")
        self.server = server
        self._host_profile = host_profile
        self._width = MESSAGES_PER_SESSION * max_sessions
        self._account = Account(server.login)
        self._gate = LoginGate() if server.login else None
        self._pool = SessionPool(
            self._open_session, host_profile, max_sessions, gate=self._gate, idle_seconds=idle_seconds
        )

    def __repr__(self) -> str:
        """Tell the server, the user name and how busy the client is; no secret is shown."""
        server = self.server
        user = f", user {server.login.username!r}" if server.login else ""
        return f"<SmtpClient {server.address}, {server.tls_option}{user}: {self._pool.usage}>"

    async def verify(self) -> ServerInfo:
        """Connect, greet, log in and quit on a session of its own, and tell what the server showed; no mail is sent.

        Raises ConnectFailed, TlsFailed, LoginFailed, ServerRefused or SessionLost, and what a source of access tokens
        raises.
        """
        self._pool.check_open()
        session = await (self._gate.through(self._open_session) if self._gate else self._open_session())
        await session.quit()
        server, handshake = self.server, session.handshake
        return ServerInfo(
            server.host, server.port, handshake.tls_version, handshake.extensions, handshake.auth_mechanism
        )

    async def send(
        self,
        message: Sendable | bytes,
        envelope: Envelope | None = None,
        *,
        partial_delivery: PartialDelivery = "allow",
    ) -> Outcome:
        """Hand a message over and tell what the server said, even if it refused everything.

        An EmailMessage of the standard library, or the bytes of a message, go out as they came, to `envelope` or, left
        out, to whom their header fields name. With `partial_delivery="refuse"` nobody gets it unless all recipients are
        accepted.

        Raises ConnectFailed, TlsFailed, LoginFailed, ServerRefused, Unsendable or SessionLost, and ComposeError for
        what makes no message. SessionLost has `unknown` true when the server may have accepted the message.
        """
        return await self.hand_over(SendRequest(message_of(message, envelope), partial_delivery=partial_delivery))

    async def hand_over(self, request: SendRequest) -> Outcome:
        """Do what `send` does, with the hooks of a SendRequest: internal, for durable deliveries.

        Raises what `send` does, and what the hooks of the request raise: then the server has accepted nothing.
        """
        fresh = False
        while True:
            try:
                async with self._pool.lease(request, fresh=fresh) as session:
                    if request.on_session is not None:
                        request.on_session()
                    return await session.transact(request, self._pool.next_request)
            except StaleSession:
                # Only commands were written, so another try can't make two mails. The loop ends: each time either the
                # session was a reused one, and a fresh one follows, or the pace is slower than before.
                fresh = True

    async def send_many(
        self, messages: Sendables, *, partial_delivery: PartialDelivery = "allow"
    ) -> AsyncIterator[Handover]:
        """Hand many messages over and give a Handover for each, in the order in which they end.

        No more of them are taken from `messages` than keep the sessions busy, and the next one when a handover is taken
        from here. An error of a message is in its handover; an error of `messages` itself is raised here. If the loop
        over the handovers is left early, what is under way is finished (`contextlib.aclosing` waits for it); if it is
        cancelled, what is under way is cancelled too.
        """
        queue_group = object()
        room = asyncio.Semaphore(self._width)
        ended: asyncio.Queue[asyncio.Task[Handover] | None] = asyncio.Queue()
        under_way: set[asyncio.Task[Handover]] = set()

        async def one(number: int, message: Sendable) -> Handover:
            try:
                outcome = await self.hand_over(
                    SendRequest(message_of(message), partial_delivery=partial_delivery, queue_group=queue_group)
                )
            except Exception as error:  # noqa: BLE001 -- the error of one message does not concern the others
                return Handover(number, message, None, error)
            return Handover(number, message, outcome, None)

        async def feed() -> None:
            source = _numbered(messages)
            while await room.acquire():
                try:
                    number, message = await anext(source)
                except StopAsyncIteration:
                    return
                task = asyncio.create_task(one(number, message))
                task.add_done_callback(ended.put_nowait)
                under_way.add(task)

        feeding = asyncio.create_task(feed())
        feeding.add_done_callback(lambda _: ended.put_nowait(None))
        try:
            while under_way or not feeding.done():
                task = await ended.get()
                if task is not None:
                    under_way.discard(task)
                    yield task.result()
                    room.release()
            await feeding
        except asyncio.CancelledError:
            for task in under_way:
                task.cancel()
            raise
        finally:
            feeding.cancel()
            await asyncio.wait({feeding, *under_way})

    async def aclose(self) -> None:
        """Finish the messages that wait and those under way, then send QUIT and close every session."""
        await self._pool.aclose()

    async def __aenter__(self) -> Self:
        """Give the client; nothing is opened yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        await self.aclose()

    async def _open_session(self) -> Session:
        return await self._account.open(partial(Session.open, self.server, self._host_profile))


async def _numbered(messages: Sendables) -> AsyncIterator[tuple[int, Sendable]]:
    count = itertools.count()
    if isinstance(messages, AsyncIterable):
        async for message in messages:
            yield next(count), message
    else:
        for message in messages:
            yield next(count), message


def send(
    message: Sendable | bytes,
    host: str,
    port: int | None = None,
    *,
    tls_option: TlsOption | None = None,
    ca: str | None = None,
    ehlo_name: str | None = None,
    login: Login | TokenLogin | None = None,
    allow_plaintext_auth: bool = False,
    proxy: str | Proxy | None = None,
    deadlines: Deadlines | None = None,
    envelope: Envelope | None = None,
    partial_delivery: PartialDelivery = "allow",
) -> Outcome:
    """Send one message where no event loop runs; settings and errors are those of SmtpClient and its `send`.

    Raises:
        UsageError: an event loop runs in this thread.
    """
    with suppress(RuntimeError):
        asyncio.get_running_loop()
        raise UsageError(
            "mailnode.send waits for the server and would block the event loop that is running here",
            hint="use `await SmtpClient(host, port).send(email)` instead, or `await mailnode.run(flow)`",
        )

    async def send_it() -> Outcome:
        async with SmtpClient(
            host,
            port,
            tls_option=tls_option,
            ca=ca,
            ehlo_name=ehlo_name,
            login=login,
            allow_plaintext_auth=allow_plaintext_auth,
            proxy=proxy,
            deadlines=deadlines,
        ) as client:
            return await client.send(message, envelope, partial_delivery=partial_delivery)

    return asyncio.run(send_it())
