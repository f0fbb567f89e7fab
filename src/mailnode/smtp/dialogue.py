"""Commands, replies and content over one stream, each wait under the deadline of its phase."""

import asyncio

from mailnode.errors import Phase, SessionLost, SmtpError
from mailnode.message.envelope import Message
from mailnode.smtp.command import Command, ignore
from mailnode.smtp.content import DotStuffer, in_blocks
from mailnode.smtp.protocol import SmtpProtocol
from mailnode.smtp.reply import Reply
from mailnode.smtp.server import Deadlines
from mailnode.smtp.stream import Stream, unanswered
from mailnode.smtp.transaction import Transaction

# The loop's, until it has read what a socket holds.
_TURNS = 2


class Dialogue:
    """A stream and a protocol joined: what goes wrong on the way gets the phase in which it went wrong."""

    def __init__(self, stream: Stream, deadlines: Deadlines) -> None:
        self._loop = asyncio.get_running_loop()
        self.stream = stream
        self.protocol = SmtpProtocol()
        self.deadlines = deadlines

    @property
    def is_over(self) -> bool:
        """Whether nothing should be said any more: the connection is gone, or the server said goodbye or nonsense."""
        return self.stream.is_lost or self.protocol.farewell is not None or self.protocol.unasked is not None

    def write(self, *commands: Command) -> bytes:
        """Send a command group in one write, and give its octets."""
        octets = self.protocol.send(*commands)
        try:
            self.stream.write(octets)
        except SessionLost as lost:
            lost.phase = commands[0].phase
            raise
        return octets

    async def ask(self, phase: Phase, line: str) -> Reply:
        """Send one command and wait for its reply."""
        heard: list[Reply] = []
        self.write(Command(phase, line, heard.append))
        await self.settle()
        return heard[0]

    async def settle(self, seconds: float | None = None, *, but: int = 0) -> None:
        """Wait until everything asked is answered `but` the last so many commands.

        Each reply has `seconds`, or as long as its phase allows, from the one before it on.
        """
        while (pending := self.protocol.pending) > but:
            phase = self.protocol.phase
            assert phase
            deadline = self._loop.time() + (self.deadlines.of(phase) if seconds is None else seconds)
            while self.protocol.pending == pending:
                try:
                    self.protocol.receive(await self.stream.read(deadline))
                except SessionLost as lost:
                    lost.phase = self.protocol.phase or phase
                    raise
                except asyncio.CancelledError as cancelled:
                    raise cancelled from unanswered(self.protocol.phase or phase)

    async def push(self, octets: bytes) -> None:
        """Send a block of content, wait until it has left, and hear what the server may already say to it."""
        try:
            self.stream.write(octets)
            if self.stream.is_full:
                await self.stream.drain(self._loop.time() + self.deadlines.block)
        finally:
            await self.listen()

    async def listen(self) -> None:
        """Hear what the server has said unasked, if it has, or notice that it is gone."""
        if self.stream.is_readable:
            for _ in range(_TURNS):
                await asyncio.sleep(0)
        self.protocol.receive(self.stream.take())

    def leave(self, *, politely: bool) -> None:
        """Close the connection at once; politely where the server has just said no and owes us nothing.

        Its 221 is not worth a wait, and over TLS `close` would wait for its word too.
        """
        if politely and not self.is_over:
            self.write(Command("mail", "QUIT", ignore))
        self.stream.abort()


# What the network takes in one write, or nearly always: a dot is not to wait behind the rest of it.
_MOST_WITH_DOT = 32 * 1024


async def push_content(dialogue: Dialogue, transaction: Transaction, message: Message) -> bytes:
    """Send a message's content; give the end of it, with the final dot, which is still to be written.

    A small message is its own end, so that it leaves in one write. Whatever was pushed has left this process by then.
    When the server has judged the content meanwhile the end must not follow: who knows whether the server would take it
    for content, or for commands.
    """
    stuffer = DotStuffer()
    held = b""
    for block in in_blocks(message):
        if held:
            await _push(dialogue, transaction, held)
            if transaction.is_content_judged:
                return b""
        held = stuffer.stuff(block)
    if len(held) > _MOST_WITH_DOT:
        await _push(dialogue, transaction, held)
        held = b""
    elif dialogue.stream.is_readable:
        await dialogue.listen()
    return held + stuffer.dot


async def _push(dialogue: Dialogue, transaction: Transaction, octets: bytes) -> None:
    transaction.pushed += len(octets)
    await dialogue.push(octets)


def awaited(error: BaseException) -> SmtpError | None:
    """Give what the wait was for that a timeout, or a cancellation, has ended; None where it was for no server."""
    seen: BaseException | None = error
    while isinstance(seen, TimeoutError | asyncio.CancelledError):
        seen = seen.__cause__ or seen.__context__
    return seen if isinstance(seen, SmtpError) else None
