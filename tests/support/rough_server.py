"""An SMTP server that is fast, fails where a seeded chance says so, and counts who got how many copies."""

import asyncio
import random
from base64 import b64decode
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

SLOW_SECONDS = 1.5
# What may happen to a session before its first mail, and to one mail; "later" is a reply that comes late.
AT_CONNECT = ("reset", "greeting 421", "greeting 554", "greeting later", "EHLO 421", "AUTH 454", "AUTH token ended")
AT_MAIL = (
    *("MAIL 451", "MAIL 550", "MAIL reset", "RCPT 450", "RCPT 550", "RCPT 421", "DATA 451", "DATA later, reset"),
    *("content reset", "dot 451", "dot 554", "dot 421", "dot later", "dot reset", "taken and reset"),
)
_EHLO = b"250-rough.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n%b250 SIZE 52428800\r\n"
_END = b"\r\n.\r\n"


class RoughServer:
    """The server; use it with `async with`.

    A `share` of the sessions and of the mails meets a fault. `copies` counts the copies of each recipient, `faults`
    each kind of fault, `mails` all that was taken; `broken` are mails that were taken and had no end. `owner` tells
    whose an access token is, `revoke` makes one worthless; without them the server has no logins.
    """

    def __init__(
        self,
        seed: int,
        *,
        share: float = 0.05,
        owner: Callable[[str], str | None] | None = None,
        revoke: Callable[[str], None] = lambda _token: None,
    ) -> None:
        self.copies: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.mails = 0
        self.broken = 0
        self.owner, self.revoke = owner, revoke
        self._chance = random.Random(seed)
        self._share = share
        self._visitors: set[_Visitor] = set()

    async def __aenter__(self) -> Self:
        def receive() -> _Visitor:
            return _Visitor(self, self._visitors)

        self._server = await asyncio.get_running_loop().create_server(receive, "127.0.0.1", 0, backlog=1024)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for visitor in list(self._visitors):
            visitor.transport.abort()
        await self._server.wait_closed()

    def heal(self) -> None:
        """Fail no more."""
        self._share = 0.0

    def draw(self, kinds: tuple[str, ...]) -> str:
        """Say which fault comes next; "" is none."""
        return self._chance.choice(kinds) if self._chance.random() < self._share else ""

    def take(self, recipients: list[str], content: bytes) -> None:
        """Keep a mail."""
        self.mails += 1
        self.copies.update(recipients)
        self.broken += not content.endswith(b"--\r\n")


class _Visitor(asyncio.Protocol):
    """One session: `_fault` is what this session or its mail meets, told in the words of `AT_CONNECT` and `AT_MAIL`."""

    transport: asyncio.Transport

    def __init__(self, server: RoughServer, visitors: set["_Visitor"]) -> None:
        self._server = server
        self._visitors = visitors
        self._buffer = b""
        self._recipients: list[str] = []
        self._has_sender = self._is_content = self._waits = False
        self._fault = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._visitors.add(self)
        self._fault = self._server.draw(AT_CONNECT)
        if self._meets("reset"):
            transport.abort()
        elif self._meets("greeting 421"):
            self._last(b"421 4.3.2 not now\r\n")
        elif self._meets("greeting 554"):
            self._last(b"554 5.3.2 not here\r\n")
        elif self._meets("greeting later"):
            self._later(lambda: self.transport.write(b"220 rough.example\r\n"))
        else:
            transport.write(b"220 rough.example\r\n")

    def connection_lost(self, error: Exception | None) -> None:
        self._visitors.discard(self)

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
        verb = line[:4].upper()
        match verb:
            case b"EHLO":
                self._greet()
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
                self._say(b"250 2.0.0 ok\r\n")

    def _greet(self) -> None:
        if self._meets("EHLO 421"):
            self._last(b"421 4.3.2 not now\r\n")
        else:
            self._say(_EHLO % (b"250-AUTH XOAUTH2\r\n" if self._server.owner else b""))

    def _log_in(self, line: bytes) -> None:
        said = dict(part.partition("=")[::2] for part in b64decode(line.split(b" ")[2]).decode().split("\1"))
        token = said["auth"].removeprefix("Bearer ")
        if self._meets("AUTH token ended"):
            self._server.revoke(token)
        if self._meets("AUTH 454"):
            self._say(b"454 4.7.0 not now\r\n")
        elif self._server.owner and self._server.owner(token) == said["user"]:
            self._say(b"235 2.7.0 in\r\n")
        else:
            self._say(b"535 5.7.8 not with this token\r\n")

    def _begin(self) -> None:
        self._forget()
        self._fault = self._server.draw(AT_MAIL)
        if self._meets("MAIL reset"):
            self.transport.abort()
        elif not self._refuses("MAIL"):
            self._has_sender = True
            self._say(b"250 2.1.0 ok\r\n")

    def _add(self, line: bytes) -> None:
        if not self._has_sender:
            self._say(b"503 5.5.1 MAIL first\r\n")
        elif self._meets("RCPT 421"):
            self._last(b"421 4.3.2 enough\r\n")
        elif not self._refuses("RCPT"):
            self._recipients.append(line.partition(b"<")[2].partition(b">")[0].decode())
            self._say(b"250 2.1.5 ok\r\n")

    def _open_content(self) -> None:
        if not self._recipients:
            self._say(b"554 5.5.1 nobody to give it to\r\n")
        elif self._meets("DATA later, reset"):
            self._later(self.transport.abort)
        elif not self._refuses("DATA"):
            self._is_content = True
            self._say(b"354 go on\r\n")

    def _take_content(self) -> bool:
        """Take the content when it is there whole."""
        if self._buffer and self._meets("content reset"):
            self.transport.abort()
            return False
        content, end, rest = self._buffer.partition(_END)
        if not end:
            return False
        self._buffer, self._is_content = rest, False
        if self._meets("dot reset"):
            self.transport.abort()
        elif self._meets("dot 421"):
            self._last(b"421 4.3.2 not now\r\n")
        elif not self._refuses("dot"):
            self._server.take(self._recipients, content + b"\r\n")
            if self._meets("taken and reset"):
                self.transport.abort()
            elif self._meets("dot later"):
                self._later(lambda: self._say(b"250 2.0.0 taken\r\n"))
            else:
                self._say(b"250 2.0.0 taken\r\n")
        self._forget()
        return True

    def _forget(self) -> None:
        self._recipients, self._has_sender, self._fault = [], False, ""

    def _meets(self, fault: str) -> bool:
        """Tell whether this fault's moment has come; it comes once."""
        if self._fault != fault:
            return False
        self._fault = ""
        self._server.faults[fault] += 1
        return True

    def _refuses(self, stage: str) -> bool:
        for code in (b"450", b"451", b"550", b"554"):
            if self._meets(f"{stage} {code.decode()}"):
                self._say(code + b" %d.3.0 no\r\n" % (code[0] - ord("0")))
                return True
        return False

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
