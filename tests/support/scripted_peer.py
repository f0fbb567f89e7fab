"""One session of the scripted SMTP server."""

import asyncio
import re
import ssl
import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET
from typing import cast

from support.smtp_script import ENDS, Accepted, Act, Script, Step, Visit

_LINE, _DOT = b"\r\n", b"\r\n.\r\n"


@dataclass
class House:
    """What all sessions of one server share."""

    script: Script
    extensions: Sequence[str]
    split: int
    tls: ssl.SSLContext | None
    implicit_tls: bool
    note: Callable[[str], None]
    accepted: list[Accepted] = field(default_factory=list)
    holding: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)


class _Over(Exception):
    """The session says and does nothing any more."""


class Peer(asyncio.Protocol):
    """Obeys one client, read by read; what came before the client left is obeyed too, as real servers do."""

    def __init__(self, house: House, visit: Visit) -> None:
        self.house = house
        self.visit = visit
        self.is_lost = False
        self._reads: deque[bytes] = deque()
        self._arrival = asyncio.Event()
        self._buffer = b""
        self._behind = ""  # what the next command came behind, in the same read
        self._replies: list[bytes] = []
        self._mail = ""
        self._sender = ""
        self._recipients: list[str] = []
        self._content = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        is_first = not hasattr(self, "transport")
        self.transport = cast(asyncio.Transport, transport)
        if is_first:  # else it is the same session, now over TLS
            if self.house.implicit_tls:
                self.transport.pause_reading()
            self.task = asyncio.get_running_loop().create_task(self._serve())

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._arrival.set()
        self.visit.ended.set()

    def data_received(self, data: bytes) -> None:
        self.visit.octets += data
        self.visit.groups.append(data)
        self._reads.append(data)
        self._arrival.set()

    async def _serve(self) -> None:
        try:
            if self.house.implicit_tls:
                await self._secure()
            await self._play("greeting", "220 scripted ESMTP")
            while True:
                await self._obey((await self._take(_LINE)).decode("utf-8", "replace"))
        except _Over:
            pass

    async def _more(self) -> None:
        await self._flush()
        while not self._reads:
            if self.is_lost:
                raise _Over
            self._arrival.clear()
            await self._arrival.wait()
        self._buffer += self._reads.popleft()
        self._behind = ""

    async def _take(self, end: bytes) -> bytes:
        searched = 0
        while (at := self._buffer.find(end, searched)) < 0:
            searched = max(0, len(self._buffer) - len(end))
            await self._more()
        taken, self._buffer = self._buffer[:at], self._buffer[at + len(end) :]
        return taken

    async def _obey(self, line: str) -> None:
        verb = line.partition(" ")[0].upper()
        behind, self._behind = self._behind, self._behind or "pipelined"
        if behind and (acts := self.house.script.action(behind, self._mail)) is not None:
            self.house.note(behind)
            await self._act(behind, acts, self._usual(verb))
            return
        self.visit.commands.append(line)
        if verb == "MAIL":
            self._mail = line
        code = await self._play(line, self._usual(verb))
        if verb == "MAIL" and code == b"250":
            self._sender = line
        elif verb == "RCPT" and code[:1] == b"2":
            self._recipients.append(line)
        elif verb == "RSET":
            self._sender, self._recipients = "", []
        elif code == b"354":
            await self._take_content()
        elif verb == "STARTTLS" and code == b"220":
            await self._flush()
            await self._secure()
        elif verb == "QUIT" and code == b"221":
            await self._flush()
            await self._end(Step.DROP)

    async def _take_content(self) -> None:
        while not self._buffer:
            await self._more()
        self.visit.begun += [(self._sender, recipient) for recipient in self._recipients]
        is_judged = await self._play("content", "")
        if not self._buffer.startswith(_DOT[2:]):
            self._content = await self._take(_DOT) + _LINE
        else:
            self._content, self._buffer = b"", self._buffer[3:]
        self._behind = "after dot" if self._buffer else ""
        self.visit.contents.append(self._content)
        if not is_judged:
            await self._play("dot", "250 2.0.0 taken")
        self._sender, self._recipients = "", []

    def _usual(self, verb: str) -> str:
        if verb == "EHLO":
            offered = [*self.house.extensions]
            if self.house.tls is not None and self.transport.get_extra_info("ssl_object") is None:
                offered.append("STARTTLS")
            return _multiline("250", ["scripted", *offered])
        if verb == "DATA":
            return "354 go on" if self._recipients else "554 5.5.1 no valid recipients"
        if verb == "RCPT":
            return "250 2.1.5 ok" if self._sender else "503 5.5.1 MAIL first"
        replies = {"HELO": "250 scripted", "MAIL": "250 2.1.0 ok", "RSET": "250 2.0.0 ok"}
        replies |= {"QUIT": "221 2.0.0 bye", "STARTTLS": "220 go on", "AUTH": "235 2.7.0 in"}
        return replies.get(verb, "500 5.5.2 what?")

    async def _secure(self) -> None:
        self.house.note("tls")
        acts = self.house.script.action("tls", self._mail) or [Step.USUAL]
        if acts[0] is not Step.USUAL:  # then it goes wrong in mid-handshake, when the client has begun it
            if not self.transport.is_reading():
                self.transport.resume_reading()
            await self._more()
        await self._act("tls", acts, Step.HANDSHAKE)

    async def _play(self, stage: str, usual: Act) -> bytes:
        """Do what the script says, or the usual; gives the code of the first reply."""
        self.house.note(stage.partition(" ")[0])
        acts = self.house.script.action(stage, self._mail)
        return await self._act(stage, [usual] if acts is None else acts, usual)

    async def _act(self, stage: str, acts: Sequence[Act], usual: Act) -> bytes:
        code = b""
        said = self.visit.commands[-1] if self.visit.commands else ""
        for one in acts:
            act = usual if one is Step.USUAL else one
            if isinstance(act, Step):
                await self._do(act)
                continue
            reply = act if isinstance(act, bytes) or not act else "".join(f"{line}\r\n" for line in act.split("\n"))
            octets = reply.replace("{said}", said).encode() if isinstance(reply, str) else reply
            self._replies.append(octets)
            code = code or octets[:3]
            if stage == "dot" and octets.startswith(b"250"):
                await self._do(Step.TAKE)
        return code

    async def _do(self, step: Step) -> None:
        if step is Step.TAKE:
            plain = re.sub(rb"(?m)^\.", b"", self._content)
            self.house.accepted.append(Accepted(self._sender, tuple(self._recipients), plain))
            return
        if step is Step.SWALLOW:
            self._buffer = b""
            return
        await self._flush()
        if step is Step.HOLD:
            self.house.holding.set()
            await self.house.released.wait()
        elif step is Step.HANDSHAKE:
            await self._start_tls()
        elif step in ENDS:
            await self._end(step)

    async def _end(self, step: Step) -> None:
        if step is Step.RESET:
            sock = self.transport.get_extra_info("socket")
            if not self.is_lost:
                sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        elif step is Step.CUT:
            self.transport.abort()
        elif step is Step.DROP:
            self.transport.close()
        elif step is Step.PAUSE:
            self.transport.pause_reading()
        elif not self.transport.is_reading():
            self.transport.resume_reading()
        raise _Over

    async def _flush(self) -> None:
        octets, self._replies = b"".join(self._replies), []
        size = self.house.split or len(octets) or 1
        for at in range(0, len(octets), size):
            if self.transport.is_closing():
                return
            self.transport.write(octets[at : at + size])
            if self.house.split:
                await asyncio.sleep(0)  # so that the client may read it before the next piece comes

    async def _start_tls(self) -> None:
        assert self.house.tls is not None
        self._buffer = b""
        loop = asyncio.get_running_loop()
        if self.house.implicit_tls and self._reads:  # uvloop reads though it was told to pause
            self.visit.octets.clear()
            self.visit.groups.clear()
            hello = b"".join(self._reads)
            self._reads.clear()
            loop.call_soon(loop.call_soon, self._give_hello, hello)  # behind what begins the handshake
        try:
            transport = await loop.start_tls(self.transport, self, self.house.tls, server_side=True)
        except OSError:
            transport = None
        if transport is None:  # the client hung up, and asyncio tells nobody
            self.connection_lost(None)
            raise _Over
        self.transport = transport

    def _give_hello(self, hello: bytes) -> None:
        tls = cast(asyncio.BufferedProtocol, self.transport.get_protocol())
        memoryview(tls.get_buffer(len(hello)))[: len(hello)] = hello
        tls.buffer_updated(len(hello))


def _multiline(code: str, lines: Sequence[str]) -> str:
    return "\n".join(f"{code}{' ' if at == len(lines) - 1 else '-'}{line}" for at, line in enumerate(lines))
