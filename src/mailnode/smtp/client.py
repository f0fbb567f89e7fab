"""The engine alone: messages to one server, over a few sessions."""

import asyncio
import itertools
from collections.abc import AsyncIterable, AsyncIterator, Callable, Hashable, Iterable
from contextlib import suppress
from dataclasses import fields
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Self

from mailnode.errors import UsageError
from mailnode.message.compose import compose
from mailnode.message.email import Email
from mailnode.smtp.bearer import TokenLogin
from mailnode.smtp.content import Composed
from mailnode.smtp.credentials import Account
from mailnode.smtp.host_profile import HostProfile
from mailnode.smtp.login_gate import LoginGate
from mailnode.smtp.outcome import Outcome, PartialDelivery
from mailnode.smtp.pool import IDLE_SECONDS, SessionPool
from mailnode.smtp.proxy import Proxy, parse_proxy
from mailnode.smtp.sasl import Login
from mailnode.smtp.send_request import BeforeContent, BeforeDot, SendRequest
from mailnode.smtp.server import Deadlines, ServerSettings, TlsOption, ascii_host, tls_and_port
from mailnode.smtp.session import Session, StaleSession

# For each session one message under way, one that rides with it, one that waits.
MESSAGES_A_SESSION = 3


class Handover(NamedTuple):
    """How one of many messages went: `number` counts them from 0, and either `outcome` or `error` is given.

    The error is a MailnodeError, or what the message itself, or a source of tokens, has raised.
    """

    number: int
    message: Email | Composed
    outcome: Outcome | None
    error: Exception | None


class SmtpClient:
    """Sends messages to a server; sessions are opened when needed, reused, and closed with the client.

    The TLS mode is required, never opportunistic: `tls`, `starttls` or `none`. Left out it follows the port (465 tls;
    25, 587 and 2525 starttls; else tls), and the port, left out, follows it (465, 587, 25). `ca` is PEM text and
    replaces the system's certificates. `login` is a Login, or a TokenLogin with a source of access tokens; a secret
    goes over TLS only, or to this very machine, unless `allow_plaintext_auth`. `proxy` is a URL, `socks5://host:port`
    or `http://host:port`. What can't be a setting raises SettingsError. `host_profile` is what earlier clients learned
    about the host. One client belongs to one event loop:

        async with SmtpClient("mail.example.org", login=Login("jane", "secret")) as client:
            outcome = await client.send(Email(from_="jane@example.org", to="joe@example.com", text="Hi"))

    With `TokenLogin("jane@example.com", tokens)` anything with the methods of `mailnode.smtp.bearer.Tokens` gives the
    access tokens; `tokens.renewed` is asked once when the server refuses one. A login that is refused for good is not
    tried again at once: sends fail with that error meanwhile, for a second at first and five minutes at last.
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
        host_profile: HostProfile | None = None,
    ) -> None:
        if max_sessions < 1:
            raise UsageError(f"max_sessions can't be {max_sessions}", hint="give 1 or more")
        mode, number = tls_and_port(tls_option, port)
        self.server = ServerSettings(
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
        self._host_profiles = host_profile or HostProfile()
        self._width = MESSAGES_A_SESSION * max_sessions
        self._account = Account(login)
        self._pool = SessionPool(
            self._open_session,
            self._host_profiles,
            max_sessions,
            gate=LoginGate() if login else None,
            idle_seconds=idle_seconds,
        )

    @classmethod
    def to(cls, server: ServerSettings, *, host_profile: HostProfile | None = None, max_sessions: int = 5) -> Self:
        """Make a client of settings that are whole already."""
        return cls(
            host_profile=host_profile,
            max_sessions=max_sessions,
            **{one.name: getattr(server, one.name) for one in fields(server)},
        )

    async def send(
        self,
        message: Email | Composed,
        *,
        partial_delivery: PartialDelivery = "allow",
        let_in: Callable[[], None] | None = None,
        before_content: BeforeContent | None = None,
        before_dot: BeforeDot | None = None,
        lane: Hashable = None,
    ) -> Outcome:
        """Hand a message over and tell what the server said, be it a refusal of everything.

        With `partial_delivery="refuse"` nobody gets it unless all recipients are accepted. `let_in` is called when it
        has a session, logged in where that is wanted. `before_content` is awaited once, just before the first octet of
        content leaves; `before_dot` is called just before the final dot does. What they raise comes out here, and the
        server has accepted nothing. While more messages wait than sessions bear, those of one `lane` stand in line, and
        lanes take turns.

        Raises ConnectFailed, TlsFailed, LoginFailed, ServerRefused, Unsendable or SessionLost, and ComposeError for an
        Email that makes no message. SessionLost has `unknown` true when the server may have taken the message.
        """
        composed = compose(message) if isinstance(message, Email) else message
        request = SendRequest(composed, partial_delivery, before_content, before_dot, lane)
        fresh = False
        while True:
            try:
                async with self._pool.lease(request, fresh=fresh) as session:
                    if let_in is not None:
                        let_in()
                    return await session.transact(request, self._pool.next_passage)
            except StaleSession:
                # Only commands were written, so once more can't make two mails. It comes to an end: each time either
                # the session was an old one, and a fresh one follows, or the pace is slower than before.
                fresh = True

    async def send_many(
        self,
        messages: Iterable[Email | Composed] | AsyncIterable[Email | Composed],
        *,
        partial_delivery: PartialDelivery = "allow",
    ) -> AsyncIterator[Handover]:
        """Hand many messages over and tell of each how it went, in the order in which they end.

        No more of them are taken from `messages` than keep the sessions busy, and the next one when a handover is taken
        from here. What a message raises stands in its handover; what `messages` raises comes out here. Whoever leaves
        before the end gets what is under way finished (`contextlib.aclosing` waits for it); who is cancelled ends it.
        """
        lane = object()
        room = asyncio.Semaphore(self._width)
        ended: asyncio.Queue[asyncio.Task[Handover] | None] = asyncio.Queue()
        under_way: set[asyncio.Task[Handover]] = set()

        async def one(number: int, message: Email | Composed) -> Handover:
            try:
                outcome = await self.send(message, partial_delivery=partial_delivery, lane=lane)
            except Exception as error:  # noqa: BLE001 -- one message's trouble is no other's
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
        """Finish what waits and what is under way, then say QUIT and close every session."""
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
        return await self._account.opened(partial(Session.open, self.server, self._host_profiles))


async def _numbered(
    messages: Iterable[Email | Composed] | AsyncIterable[Email | Composed],
) -> AsyncIterator[tuple[int, Email | Composed]]:
    count = itertools.count()
    if isinstance(messages, AsyncIterable):
        async for message in messages:
            yield next(count), message
    else:
        for message in messages:
            yield next(count), message


def send(email: Email, host: str, port: int | None = None, **settings: Any) -> Outcome:
    """Send one email without a running event loop; the settings are those of SmtpClient, and so are the errors.

    Raises:
        UsageError: an event loop runs in this thread.
    """
    with suppress(RuntimeError):
        asyncio.get_running_loop()
        raise UsageError(
            "mailnode.send waits for the server, and would hold up the event loop that runs here",
            hint="await SmtpClient(host, port).send(email), or a Mailnode's run, instead",
        )

    async def once() -> Outcome:
        async with SmtpClient(host, port, **settings) as client:
            return await client.send(email)

    return asyncio.run(once())
