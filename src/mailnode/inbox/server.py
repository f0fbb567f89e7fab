"""The SMTP server of a test inbox, by aiosmtpd: it accepts everything."""

import asyncio
import errno
import logging
import re
import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, syntax
from aiosmtpd.smtp import Session as Client

from mailnode.errors import UsageError
from mailnode.inbox.folder import InboxFolder, Received, unusable

# What a client does wrong is told to it; without a handler Python would print aiosmtpd's warnings, raw bytes and all.
logging.getLogger("mail.log").addHandler(logging.NullHandler())

# Above mailnode's own limit for a message, so that this limit is not reached first.
MAX_MESSAGE_OCTETS = 50 * 2**20

_END = b"\r\n.\r\n"
# RFC 5321 4.5.3.1.6.
_TOO_LONG = re.compile(rb"(?:\A|\n)[^\n]{1001}")
# All that has come so far.
_ALL = 2**30


class Inbox(InboxFolder):
    """A server for tests, on a port of this machine, that accepts every recipient and delivers nothing.

    It runs for as long as it is entered: on the current event loop,

        async with Inbox() as inbox, SmtpClient("127.0.0.1", inbox.port, tls_option="none") as client:
            await client.send(email)
            (received,) = await inbox.wait_for(1)
        assert received.subject == "Your order"

    or, with `with`, in a thread of its own. An email is in `messages()` before its client is told that it is accepted.

    They are kept in `folder`, which is made if it is not there; left out it is a temporary one, which is deleted when
    nothing refers to the inbox, or to a message of it, any more. `port` 0 takes a free port, and `port` tells which. Of
    more than `keep` messages the oldest are deleted. It offers PIPELINING, SMTPUTF8 and SIZE (50 MiB), no TLS, and with
    `any_login` AUTH, where each name and password is right.

    Raises:
        UsageError: when it is entered, and the port or the folder can't be used.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        hostname: str = "127.0.0.1",
        port: int = 0,
        keep: int = 1000,
        any_login: bool = False,
    ) -> None:
        super().__init__(Path(tempfile.mkdtemp(prefix="mailnode-inbox-")) if folder is None else Path(folder))
        if folder is None:
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        self.hostname = hostname
        self.port = port
        self.keep = keep
        self.any_login = any_login
        self._next_number = 1
        self._caught = 0
        self._arrival = asyncio.Condition()
        self._guard = threading.Lock()
        self._sessions: set[Session] = set()

    async def wait_for(self, count: int) -> list[Received]:
        """Wait until this server has received `count` emails since it was made, and give all messages that it keeps."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: self._caught >= count)
        return self.messages()

    def __enter__(self) -> Self:
        """Listen in a thread of its own."""
        started: Future[Callable[[], object]] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(started)), name="mailnode inbox", daemon=True
        )
        self._thread.start()
        self._end = started.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the port and every session."""
        self._end()
        self._thread.join()

    async def _run(self, started: "Future[Callable[[], object]]") -> None:
        ended = asyncio.Event()
        try:
            await self.__aenter__()
        except UsageError as error:
            started.set_exception(error)
            return
        loop = asyncio.get_running_loop()
        started.set_result(lambda: loop.call_soon_threadsafe(ended.set))
        await ended.wait()
        await self.__aexit__(None, None, None)

    async def __aenter__(self) -> Self:
        """Create the folder and listen."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise unusable(self.folder, error) from None
        self._next_number = max([0, *self._numbers(), *self._numbers(".json")]) + 1
        loop = asyncio.get_running_loop()
        handler = _Handler(self._take)
        try:
            self._server = await loop.create_server(
                lambda: Session(handler, self._sessions, any_login=self.any_login), self.hostname, self.port
            )
        except (OSError, OverflowError) as error:
            raise _not_listening(self.hostname, self.port, error) from None
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the port and all sessions."""
        self._server.close()
        for session in list(self._sessions):
            await session.end()
        await self._server.wait_closed()

    async def _take(self, envelope: Envelope) -> str:
        said = {
            "mail_from": (envelope.mail_from or "").removeprefix("<>"),
            "rcpt_to": envelope.rcpt_tos,
            "received_at": time.time_ns() // 10**6,
            "size": len(content := envelope.original_content or b""),
        }
        try:
            number = await asyncio.to_thread(self._kept, said, content)
        except OSError:
            return "452 4.3.1 message can't be stored: no space, or no access to the folder"
        self._caught += 1
        async with self._arrival:
            self._arrival.notify_all()
        return f"250 2.0.0 stored as {number}"

    def _kept(self, said: dict[str, Any], content: bytes) -> int:
        """Store an email and delete the oldest, in a thread; one at a time, so that the numbers give the order."""
        with self._guard:
            number = self._keep(self._next_number, said, content)
            self._next_number = number + 1
            with suppress(UsageError):  # this email is stored, even if old ones can't be deleted
                self._remove(self._numbers()[: -self.keep])
        return number


class _Handler:
    """The handler of aiosmtpd."""

    def __init__(self, take: Callable[[Envelope], Awaitable[str]]) -> None:
        self._take = take

    async def handle_EHLO(  # noqa: N802
        self, _server: SMTP, client: Client, _envelope: Envelope, name: str, keywords: list[str]
    ) -> list[str]:
        # aiosmtpd supports pipelining, but does not offer it.
        client.host_name = name
        return [keywords[0], "250-PIPELINING", *keywords[1:]]

    async def handle_DATA(self, _server: SMTP, _client: Client, envelope: Envelope) -> str:  # noqa: N802
        return await self._take(envelope)


class _Client(Client):
    # aiosmtpd sets it at each login, and would log each time that it is deprecated.
    login_data: Any = None


class Session(SMTP):
    """An SMTP session that can be ended; it is in `live` while it lasts."""

    def __init__(self, handler: object, live: set["Session"], *, any_login: bool = False) -> None:
        """Use this handler of aiosmtpd."""
        # Without a host name it would ask the resolver for one.
        super().__init__(
            handler,
            hostname="localhost",
            ident="mailnode inbox",
            enable_SMTPUTF8=True,
            data_size_limit=MAX_MESSAGE_OCTETS,
            loop=asyncio.get_running_loop(),
            # aiosmtpd offers a login where it requires no TLS for one.
            auth_require_tls=not any_login,
            authenticator=lambda *_login: AuthResult(success=True),
        )
        self._live = live

    def _create_session(self) -> Client:
        return _Client(self.loop)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(transport)
        self._live.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """End."""
        self._live.discard(self)
        super().connection_lost(error)

    async def end(self) -> None:
        """Close the connection, and wait for the end of the session's task."""
        assert isinstance(self.transport, asyncio.WriteTransport)
        assert self._handler_coroutine is not None
        self.transport.abort()
        await asyncio.wait([self._handler_coroutine])

    @syntax("DATA")
    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 -- aiosmtpd's name
        """Read the content as a whole: aiosmtpd makes an object of each line, and blocks the event loop meanwhile."""
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        assert self.envelope is not None
        if not self.envelope.rcpt_tos or arg:
            await self.push("501 Syntax: DATA" if arg else "503 Error: need RCPT command")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        content = await read_content(self._reader)
        if content is None:
            answer = "552 Error: Too much mail data"
        elif _TOO_LONG.search(content):
            answer = "500 Line too long (see RFC5321 4.5.3.1.6)"
        else:
            self.envelope.content = self.envelope.original_content = content
            answer = await self._call_handler_hook("DATA")
        self._set_post_data_state()  # type: ignore[no-untyped-call]  # aiosmtpd's
        await self.push(answer)


async def read_content(reader: asyncio.StreamReader, most: int = MAX_MESSAGE_OCTETS) -> bytes | None:
    """Read the content up to the final dot, and leave what follows; None if it has more than `most` bytes.

    Raises:
        ConnectionError: the client has disconnected.
    """
    content = bytearray(b"\r\n")  # the line end of the command, with which the end of the content may begin
    is_too_much = False
    while True:
        seen = max(len(content) - len(_END) + 1, 0)
        if not (piece := await reader.read(_ALL)):
            raise ConnectionResetError
        content += piece
        if (end := content.find(_END, seen)) >= 0:
            break
        if len(content) > most:
            is_too_much = True
            del content[: 1 - len(_END)]
    if len(content) > end + len(_END):
        # Nothing was put back before, so this is all that is left.
        reader.feed_data(bytes(content[end + len(_END) :]))
    if is_too_much or end > most:
        return None
    return bytes(content[: end + 2]).replace(b"\r\n.", b"\r\n")[2:]


@asynccontextmanager
async def inbox_of(home: Path, port: int, option: str) -> AsyncIterator[Inbox]:
    """Run the inbox of a home; `option` is what its port is chosen by, and is named where the port can't be used."""
    inbox = Inbox(home / "inbox", port=port, any_login=True)
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(inbox)
        except UsageError as error:
            error.hint = error.hint.replace("another port", f"another port with {option}")
            raise
        yield inbox


def _not_listening(hostname: str, port: int, error: OSError | OverflowError) -> UsageError:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        reason, hint = "it is in use", "stop the server that listens there, or choose another port"
    else:
        reason, hint = getattr(error, "strerror", None) or "there is no such port", "choose another port"
    return UsageError(f"the inbox can't listen on port {port} of {hostname}: {reason}", hint=hint)
