"""An SMTP server of our own: it offers PIPELINING, does what its script says, and remembers every octet.

A script maps a stage to what happens there instead of the usual reply: one reply or several steps, every time; or a
list of those, one after the other (the last one stays). Stages are `greeting`, `tls`, `content` (in mid-content, when
its first octets are in; a reply there is the reply to the content), `dot` (the end of content), a verb (`MAIL`), the
beginning of a command line (`RCPT TO:<bad@`), or "" for an empty line; the longest that fits counts. `DATA of <ann@` is
a stage of one message: the one whose MAIL command holds what stands behind `of`. `pipelined` and `after dot` are played
instead of a command that came in one read with another, or with the end of content. A step is the text of a reply (""
for none, `{said}` for the last command), its octets, or a Step.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from support.scripted_peer import House, Peer
from support.smtp_script import Accepted, Script, Step, Visit

LEAK_SECONDS = 60
PIPELINING = ("PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES")
LOCKSTEP = ("SIZE 52428800", "8BITMIME", "SMTPUTF8")
CUT, DROP, RESET, STALL, PAUSE, HOLD = Step.CUT, Step.DROP, Step.RESET, Step.STALL, Step.PAUSE, Step.HOLD
SWALLOW, TAKE, USUAL = Step.SWALLOW, Step.TAKE, Step.USUAL

__all__ = [
    "CUT",
    "DROP",
    "HOLD",
    "LEAK_SECONDS",
    "LOCKSTEP",
    "PAUSE",
    "PIPELINING",
    "RESET",
    "STALL",
    "SWALLOW",
    "TAKE",
    "USUAL",
    "Accepted",
    "ScriptedServer",
    "Step",
    "Visit",
]


class ScriptedServer:
    """The server; use it with `async with`.

    With `unix_socket` it listens there, and has no port. `split` sends replies in pieces of so many octets; `times` has
    when each stage was reached, by the machine's clock.
    """

    def __init__(
        self,
        script: Mapping[str, Any] | None = None,
        *,
        extensions: Sequence[str] = PIPELINING,
        split: int = 0,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        host: str = "127.0.0.1",
        unix_socket: Path | None = None,
    ) -> None:
        self.visits: list[Visit] = []
        self.times: dict[str, list[float]] = {}
        self._house = House(Script(script or {}), extensions, split, tls, implicit_tls, self._note)
        self._host, self._unix_socket = host, unix_socket
        self._reached: dict[str, asyncio.Event] = {}
        self._peers: list[Peer] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        if self._unix_socket:
            self._server = await loop.create_unix_server(self._receive, self._unix_socket)
            return self
        self._server = await loop.create_server(self._receive, self._host, 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        for peer in self._open:
            if error is not None or not peer.transport.is_reading():
                peer.transport.abort()
        async with asyncio.timeout(LEAK_SECONDS):  # a client that left a session open shows here
            for visit in self.visits:
                await visit.ended.wait()
            self.release()
            await asyncio.gather(*[peer.task for peer in self._peers])
        await self._server.wait_closed()

    def _receive(self) -> Peer:
        visit = Visit()
        self.visits.append(visit)
        self._peers.append(Peer(self._house, visit))
        return self._peers[-1]

    @property
    def visit(self) -> Visit:
        """The last session."""
        return self.visits[-1]

    @property
    def accepted(self) -> list[Accepted]:
        """What the server took, in the order in which it did."""
        return self._house.accepted

    @property
    def _open(self) -> list[Peer]:
        return [peer for peer in self._peers if not peer.is_lost]

    async def holding(self) -> None:
        """Wait until a session holds."""
        await self._house.holding.wait()

    def release(self) -> None:
        """Let every session that holds go on, now and later."""
        self._house.released.set()

    async def hang_up(self) -> None:
        """Close every session, without a word."""
        for peer in self._open:
            peer.transport.close()
            await peer.visit.ended.wait()

    def say(self, reply: str) -> None:
        """Say something to every session, asked or not."""
        for peer in self._open:
            peer.transport.write(reply.encode() + b"\r\n")

    async def turn(self, script: Mapping[str, Any]) -> None:
        """Play another script from here on; sessions of the old one are closed."""
        self._house.script = Script(script)
        await self.hang_up()

    def has_played(self, stage: str) -> bool:
        """Whether all but the last of the actions of this stage of the script have been used up."""
        return self._house.script.is_used_up(stage)

    async def reached(self, stage: str) -> None:
        """Wait until a session has come to this stage of the script, or to this verb."""
        await self._reached.setdefault(stage, asyncio.Event()).wait()

    def _note(self, stage: str) -> None:
        self.times.setdefault(stage, []).append(time.monotonic())
        self._reached.setdefault(stage, asyncio.Event()).set()
