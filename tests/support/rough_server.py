"""An SMTP server that is fast, fails where a seeded chance says so, and keeps books of its own about each recipient."""

import asyncio
import random
import socket
import time
from base64 import b64decode
from collections.abc import Callable
from types import TracebackType
from typing import Self

from support.server_records import ServerBook

SLOW_SECONDS = 1.5
AWAY_SECONDS = 0.3
# What may happen to a session before its first mail, and to one mail. "later" is a reply that comes late, a "stall" one
# that never comes; "taken and" has it that the mail was taken, and nobody is told.
AT_CONNECT = (
    *("refused", "reset", "greeting 421", "greeting 554", "greeting later", "greeting stall"),
    *("EHLO 421", "EHLO 554", "AUTH 454", "AUTH 535", "token ended"),
)
AT_MAIL = (
    *("MAIL 451", "MAIL 550", "MAIL reset", "MAIL stall", "RCPT 450", "RCPT 550", "RCPT 421"),
    *("DATA 451", "DATA 554", "DATA later, reset", "content close", "content reset", "content 421"),
    *("dot 451", "dot 554", "dot 421", "dot later", "dot reset", "dot stall"),
    *("taken and reset", "taken and close", "taken and stall"),
)
# A stall keeps a session for as long as the client is patient, and there are few sessions.
_STALLS = 0.2
_CLOSING = 421
_EHLO = b"250-rough.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n%b250 SIZE 52428800\r\n"
_END = b"\r\n.\r\n"


class RoughServer:
    """The server; use it with `async with`.

    A `share` of the sessions and of the mails meets a fault. `users` are the passwords of those who may log in, `owner`
    tells whose an access token is, and `revoke` makes one worthless; without `owner` the server has no logins. `who`
    tells by a visitor's port which of our processes it is, "" for none that is of interest.
    """

    def __init__(
        self,
        seed: int,
        *,
        share: float = 0.05,
        users: dict[str, str] | None = None,
        owner: Callable[[str], str | None] | None = None,
        revoke: Callable[[str], None] = lambda _token: None,
        who: Callable[[int], str] = lambda _port: "",
    ) -> None:
        self.book = ServerBook(f"no{seed}")
        self.users = users or {}
        self.owner, self.revoke, self.who = owner, revoke, who
        self._chance = random.Random(seed)
        self._share = share
        self._visitors: set[_Visitor] = set()
        self._return: asyncio.Task[None] | None = None
        self._others: list[asyncio.Server] = []

    async def __aenter__(self) -> Self:
        self._server = await self._listen(socket.create_server(("127.0.0.1", 0)))
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._return:
            await self._return
        servers = [self._server, *self._others]
        for server in servers:
            server.close()
        for visitor in list(self._visitors):
            visitor.transport.abort()
        for server in servers:
            await server.wait_closed()

    def heal(self) -> None:
        """Fail no more."""
        self._share = 0.0

    async def answer(self, listener: socket.socket) -> None:
        """Serve those too who come, or came, to another socket that listens."""
        self._others.append(await self._listen(listener))

    def draw(self, kinds: tuple[str, ...]) -> str:
        """Say which fault comes next; "" is none."""
        if self._chance.random() >= self._share:
            return ""
        return self._chance.choices(kinds, [_STALLS if "stall" in kind else 1.0 for kind in kinds])[0]

    def go_away(self) -> None:
        """Refuse connections for a moment; nobody else gets the port meanwhile."""
        if self._return and not self._return.done():
            return
        self._server.close()
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        self._return = asyncio.create_task(self._come_back(listener))

    async def _come_back(self, listener: socket.socket) -> None:
        await asyncio.sleep(AWAY_SECONDS)
        self._server = await self._listen(listener)

    async def _listen(self, listener: socket.socket) -> asyncio.Server:
        def receive() -> _Visitor:
            return _Visitor(self, self._visitors)

        return await asyncio.get_running_loop().create_server(receive, sock=listener, backlog=1024)


class _Visitor(asyncio.Protocol):
    """One session: `_fault` is what this session or its mail meets, told in the words of `AT_CONNECT` and `AT_MAIL`.

    `_owed` are those whose content has begun, until the reply to its end is written.
    """

    transport: asyncio.Transport

    def __init__(self, server: RoughServer, visitors: set["_Visitor"]) -> None:
        self._server = server
        self._book = server.book
        self._visitors = visitors
        self._buffer = b""
        self._recipients: list[str] = []
        self._owed: list[str] = []
        self._has_sender = self._is_content = self._waits = False
        self._fault = self._who = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._visitors.add(self)
        peer = transport.get_extra_info("peername")
        self._who = self._server.who(peer[1]) if peer else ""
        self._fault = self._server.draw(AT_CONNECT)
        if self._meets("refused"):
            transport.abort()
            self._server.go_away()
        elif self._meets("reset"):
            transport.abort()
        elif self._meets("greeting later"):
            self._later(self._greet)
        elif not self._ends("greeting"):
            self._greet()

    def connection_lost(self, error: Exception | None) -> None:
        self._visitors.discard(self)
        self._book.in_doubt.update(self._owed)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._go_on()

    def _go_on(self) -> None:
        while not self._waits and not self.transport.is_closing():
            if self._is_content:
                if not self._take_content():
                    return
                continue
            line, end, rest = self._buffer.partition(b"\r\n")
            if not end:
                return
            self._buffer = rest
            self._obey(line)

    def _obey(self, line: bytes) -> None:
        match line[:4].upper():
            case b"EHLO":
                if not self._ends("EHLO"):
                    self._say(_EHLO % (b"250-AUTH XOAUTH2 PLAIN\r\n" if self._server.owner else b""))
            case b"AUTH":
                self._log_in(line)
            case b"MAIL":
                self._begin()
            case b"RCPT":
                self._add(line)
            case b"DATA":
                self._open_content()
            case b"RSET":
                self._forget()
                self._say(b"250 2.0.0 ok\r\n")
            case b"QUIT":
                self._last(b"221 2.0.0 bye\r\n")
            case _:
                self._say(b"502 5.5.1 what\r\n")

    def _greet(self) -> None:
        self._say(b"220 rough.example\r\n")

    def _log_in(self, line: bytes) -> None:
        _, mechanism, initial = line.split(b" ")
        said = b64decode(initial).decode()
        if mechanism == b"PLAIN":
            _, user, password = said.split("\0")
            is_good = self._server.users.get(user) == password
        else:
            fields = dict(part.partition("=")[::2] for part in said.split("\1"))
            token = fields["auth"].removeprefix("Bearer ")
            if self._meets("token ended"):
                self._server.revoke(token)
            is_good = self._server.owner is not None and self._server.owner(token) == fields["user"]
        if not self._ends("AUTH"):
            self._say(b"235 2.7.0 in\r\n" if is_good else self._book.refuse(535))

    def _begin(self) -> None:
        self._forget()
        self._fault = self._server.draw(AT_MAIL)
        if not self._ends("MAIL"):
            self._has_sender = True
            self._say(b"250 2.1.0 ok\r\n")

    def _add(self, line: bytes) -> None:
        address = line.partition(b"<")[2].partition(b">")[0].decode()
        if not self._has_sender:
            self._say(b"503 5.5.1 MAIL first\r\n")
        elif not self._ends("RCPT", address):
            self._recipients.append(address)
            self._say(b"250 2.1.5 ok\r\n")

    def _open_content(self) -> None:
        if not self._recipients:
            self._say(b"554 5.5.1 nobody to give it to\r\n")
        elif self._meets("DATA later, reset"):
            self._later(self.transport.abort)
        elif not self._ends("DATA", *self._recipients):
            self._is_content = True
            self._owed = self._recipients
            self._say(b"354 go on\r\n")

    def _take_content(self) -> bool:
        """Take the content when it is there whole."""
        if self._buffer and self._ends("content", *self._recipients):
            return False
        content, end, rest = self._buffer.partition(_END)
        if not end:
            return False
        self._buffer, self._is_content = rest, False
        is_late = self._meets("dot later")
        if not self._ends("dot", *self._recipients):
            self._book.take(self._recipients, content + b"\r\n")
            if is_late:
                self._later(self._say_taken)
            elif not self._ends("taken and"):
                self._say_taken()
        return True

    def _say_taken(self) -> None:
        if self._who:
            self._book.answered.update(dict.fromkeys(self._owed, (self._who, time.monotonic())))
        self._owed = []
        self._say(b"250 2.0.0 taken\r\n")

    def _forget(self) -> None:
        self._recipients, self._has_sender, self._fault = [], False, ""

    def _meets(self, fault: str) -> bool:
        """Tell whether this fault's moment has come; it comes once."""
        if self._fault != fault:
            return False
        self._fault = ""
        self._book.faults[fault] += 1
        return True

    def _ends(self, stage: str, *recipients: str) -> bool:
        """Do what is to go wrong with this stage; False is that nothing is."""
        begin, space, how = self._fault.rpartition(" ")
        if begin != stage or not self._meets(begin + space + how):
            return False
        if how == "reset":
            self.transport.abort()
        elif how == "close":
            self.transport.close()
        elif how == "stall":
            self._waits = True
        else:
            self._refuse(stage, int(how), recipients)
        return True

    def _refuse(self, stage: str, code: int, recipients: tuple[str, ...]) -> None:
        if stage == "dot":
            self._owed = []
        reply = self._book.refuse(code, recipients)
        if code == _CLOSING or stage in {"greeting", "EHLO"}:
            self._last(reply)
        else:
            self._say(reply)

    def _say(self, reply: bytes) -> None:
        self.transport.write(reply)

    def _last(self, reply: bytes) -> None:
        self.transport.write(reply)
        self.transport.close()

    def _later(self, act: Callable[[], None]) -> None:
        def now() -> None:
            self._waits = False
            if not self.transport.is_closing():
                act()
                self._go_on()

        self._waits = True
        asyncio.get_running_loop().call_later(SLOW_SECONDS, now)
