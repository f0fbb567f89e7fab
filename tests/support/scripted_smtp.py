"""An SMTP server of our own: it offers PIPELINING, does what its script says, and remembers every octet.

A script maps a stage to what happens there instead of the usual reply: one reply or several steps, every time; or a
list of those, one after the other (the last one stays). Stages are `greeting`, `content` (in mid-content, when its
first octets are in), `dot` (the end of content), a verb (`MAIL`), or the beginning of a command line (`RCPT TO:<bad@`);
the longest that fits counts. A step is the text of a reply ("" for none), its octets, DROP, RESET, STALL or PAUSE.
"""

import asyncio
import re
import ssl
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from socket import SO_LINGER, SOL_SOCKET
from types import TracebackType
from typing import Any, Self, cast

_STAGES = frozenset({"greeting", "content", "dot"})
LEAK_SECONDS = 10
_DOT = b"\r\n.\r\n"
PIPELINING = ("PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
LOCKSTEP = ("SIZE 52428800", "8BITMIME", "SMTPUTF8")


class Step(Enum):
    """What a server does instead of answering."""

    DROP = "close the connection in good order"
    RESET = "reset the connection"
    STALL = "answer nothing from here on, and read on"
    PAUSE = "read nothing from here on"


DROP, RESET, STALL, PAUSE = Step.DROP, Step.RESET, Step.STALL, Step.PAUSE
Act = str | bytes | Step
Action = Act | Sequence[Act]
Script = Mapping[str, Any]  # an Action or a list of them


@dataclass
class Visit:
    """One session as the server saw it: all octets, what came in one read, the commands, the messages."""

    octets: bytearray = field(default_factory=bytearray)
    groups: list[bytes] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def count(self, verb: str) -> int:
        """How often a verb came."""
        return sum(command.upper().startswith(verb) for command in self.commands)


@dataclass(frozen=True)
class Accepted:
    """One message the server said 250 to: its envelope as it stood in the commands, its content as it was meant."""

    reverse_path: str
    forward_paths: tuple[str, ...]
    content: bytes


class ScriptedServer:
    """The server; use it with `async with`. `split` sends replies in pieces of so many octets."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        extensions: Sequence[str] = PIPELINING,
        split: int = 0,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        host: str = "127.0.0.1",
        keep: bool = True,
    ) -> None:
        self.script = {stage: _as_list(action) for stage, action in (script or {}).items()}
        self.extensions = extensions
        self.split = split
        self.tls = tls
        self.keep = keep
        self.visits: list[Visit] = []
        self.accepted: list[Accepted] = []
        self._host = host
        self._implicit_tls = implicit_tls
        self._reached: dict[str, asyncio.Event] = {}
        self._open: set[_Peer] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        tls = self.tls if self._implicit_tls else None
        self._server = await loop.create_server(lambda: _Peer(self), self._host, 0, ssl=tls)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for peer in list(self._open):
            if error is not None or not peer.transport.is_reading():
                peer.transport.abort()
        async with asyncio.timeout(LEAK_SECONDS):  # a client that left a session open shows here
            for visit in self.visits:
                await visit.ended.wait()
        await self._server.wait_closed()

    @property
    def visit(self) -> Visit:
        """The last session."""
        return self.visits[-1]

    async def hang_up(self) -> None:
        """Close every session, without a word."""
        for peer in list(self._open):
            peer.transport.close()
            await peer.visit.ended.wait()

    def say(self, reply: str) -> None:
        """Say something to every session, asked or not."""
        for peer in self._open:
            peer.transport.write(reply.encode() + b"\r\n")

    async def reached(self, stage: str) -> None:
        """Wait until a session has come to this stage of the script, or to this verb."""
        await self._reached.setdefault(stage, asyncio.Event()).wait()

    def note(self, stage: str) -> None:
        self._reached.setdefault(stage, asyncio.Event()).set()

    def action(self, line: str) -> Sequence[Act] | None:
        """What the script says for the most particular stage, used up unless it is the last one."""
        for key in sorted(self.script, key=len, reverse=True):
            is_command = key not in _STAGES and line.upper().startswith(key.upper())
            if key == line or is_command:
                actions = self.script[key]
                action = actions.pop(0) if len(actions) > 1 else actions[0]
                return [action] if isinstance(action, (str, bytes, Step)) else action
        return None


def _as_list(action: Any) -> list[Action]:
    return list(action) if isinstance(action, list) else [action]


class _Peer(asyncio.Protocol):
    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.visit = Visit()
        self.buffer = b""
        self.replies: list[bytes] = []
        self.in_content = False
        self.is_amid_content = False
        self.is_stalled = False
        self.sender = ""
        self.recipients: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self.visit in self.server.visits:  # the same session, now over TLS
            return
        self.server.visits.append(self.visit)
        self.server._open.add(self)
        self.play("greeting", default="220 scripted ESMTP")
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.server._open.discard(self)
        self.visit.ended.set()

    def data_received(self, data: bytes) -> None:
        if self.server.keep:
            self.visit.octets += data
            self.visit.groups.append(data)
        self.buffer += data
        while not self.is_stalled and self.advance():
            pass
        self.flush()

    def advance(self) -> bool:
        """Take one command, or the content, off the buffer."""
        if self.in_content:
            return self.take_content()
        line, end, rest = self.buffer.partition(b"\r\n")
        if not end:
            return False
        self.buffer = rest
        self.obey(line.decode("utf-8", "replace"))
        return True

    def take_content(self) -> bool:
        at = 0 if self.buffer.startswith(_DOT[2:]) else self.buffer.find(_DOT)
        if self.buffer and not self.is_amid_content:
            self.is_amid_content = True
            if "content" in self.server.script and self.play("content", default=""):
                return False
        if at < 0 or not self.buffer:
            return False
        end = 3 if self.buffer.startswith(_DOT[2:]) else at + len(_DOT)
        content, self.buffer = self.buffer[: end - 3], self.buffer[end:]
        self.in_content = self.is_amid_content = False
        if self.server.keep:
            self.visit.contents.append(content)
        self.play("dot", default="250 2.0.0 taken")
        if self.replies and self.replies[-1].startswith(b"250") and self.server.keep:
            plain = re.sub(rb"(?m)^\.", b"", content)
            self.server.accepted.append(Accepted(self.sender, tuple(self.recipients), plain))
        self.sender, self.recipients = "", []
        return True

    def obey(self, line: str) -> None:
        if self.server.keep:
            self.visit.commands.append(line)
        verb = line.partition(" ")[0].upper()
        at = len(self.replies)
        stopped = self.play(line, default=self.usual(verb, line))
        code = self.replies[at][:3] if len(self.replies) > at else b""
        if verb == "MAIL" and code == b"250":
            self.sender = line
        elif verb == "RCPT" and code[:1] == b"2":
            self.recipients.append(line)
        elif verb == "RSET":
            self.sender, self.recipients = "", []
        elif code == b"354":
            self.in_content = True
        elif verb == "STARTTLS" and code == b"220" and not stopped:
            self.flush()
            asyncio.get_running_loop().create_task(self.start_tls())
        elif verb == "QUIT" and code == b"221":
            self.flush()
            self.transport.close()

    def usual(self, verb: str, line: str) -> str:
        if verb == "EHLO":
            offered = [*self.server.extensions]
            if self.server.tls is not None and self.transport.get_extra_info("ssl_object") is None:
                offered.append("STARTTLS")
            return _multiline("250", ["scripted", *offered])
        if verb == "DATA":
            return "354 go on" if self.recipients else "554 5.5.1 no valid recipients"
        if verb == "RCPT":
            return "250 2.1.5 ok" if self.sender else "503 5.5.1 MAIL first"
        replies = {"HELO": "250 scripted", "MAIL": "250 2.1.0 ok", "RSET": "250 2.0.0 ok"}
        replies |= {"QUIT": "221 2.0.0 bye", "STARTTLS": "220 go on", "NOOP": "250 2.0.0 ok"}
        return replies.get(verb, "500 5.5.2 what?")

    def play(self, stage: str, default: str) -> bool:
        """Do what the script says, or the usual; True when the session can't go on."""
        self.server.note(stage.partition(" ")[0])
        action = self.server.action(stage)
        for act in [default] if action is None else action:
            if isinstance(act, bytes):
                self.replies.append(act)
            elif isinstance(act, str):
                if act:
                    self.replies.append(b"".join(part.encode() + b"\r\n" for part in act.split("\n")))
            elif self.stop(act):
                return True
        return False

    def stop(self, step: Step) -> bool:
        self.flush()
        self.is_stalled = True
        if step is RESET:
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        elif step is DROP:
            self.transport.close()
        elif step is PAUSE:
            self.transport.pause_reading()
        return True

    def flush(self) -> None:
        octets, self.replies = b"".join(self.replies), []
        size = self.server.split or len(octets) or 1
        for at in range(0, len(octets), size):
            self.transport.write(octets[at : at + size])

    async def start_tls(self) -> None:
        assert self.server.tls is not None
        self.buffer = b""
        loop = asyncio.get_running_loop()
        try:
            transport = await loop.start_tls(self.transport, self, self.server.tls, server_side=True)
        except OSError:
            transport = None
        if transport is None:  # the client hung up, and asyncio tells nobody
            self.server._open.discard(self)
            self.visit.ended.set()
        else:
            self.transport = transport


def _multiline(code: str, lines: Sequence[str]) -> str:
    return "\n".join(f"{code}{' ' if at == len(lines) - 1 else '-'}{line}" for at, line in enumerate(lines))
