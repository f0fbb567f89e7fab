"""Commands, replies and content over one stream, each wait under the deadline of its phase."""

import asyncio

from mailnode.errors import Phase, SessionLost, SmtpError
from mailnode.message.envelope import Message
from mailnode.smtp.command import Command, ignore_reply
from mailnode.smtp.content import DotStuffer, in_blocks
from mailnode.smtp.protocol import SmtpProtocol
from mailnode.smtp.reply import Reply
from mailnode.smtp.server import Deadlines
from mailnode.smtp.stream import Stream, no_answer
from mailnode.smtp.transaction import Transaction

# The loop's, until it has read what a socket holds.
_LOOP_ITERATIONS = 2


class Channel:
    """A stream and a protocol joined: errors get the phase in which they happened."""

    def __init__(self, stream: Stream, deadlines: Deadlines) -> None:
        self._loop = asyncio.get_running_loop()
        self.stream = stream
        self.protocol = SmtpProtocol()
        self.deadlines = deadlines

    @property
    def is_over(self) -> bool:
        """Whether nothing more should be sent: the connection is closed, or the server ended the session."""
        return self.stream.is_lost or self.protocol.closing_reply is not None or self.protocol.unsolicited is not None

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
        replies: list[Reply] = []
        self.write(Command(phase, line, replies.append))
        await self.settle()
        return replies[0]

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
                    raise cancelled from no_answer(self.protocol.phase or phase)

    async def push(self, octets: bytes) -> None:
        """Send a block of content, wait until it has left, and read what the server may already have replied."""
        try:
            self.stream.write(octets)
            if self.stream.is_full:
                await self.stream.drain(self._loop.time() + self.deadlines.block)
        finally:
            await self.poll()

    async def poll(self) -> None:
        """Read what the server has sent by now, without waiting for it, or notice that it was closed."""
        if self.stream.is_readable:
            for _ in range(_LOOP_ITERATIONS):
                await asyncio.sleep(0)
        self.protocol.receive(self.stream.take())

    def hang_up(self, *, politely: bool) -> None:
        """Close the connection at once; `politely` sends QUIT first, where the server has just refused something.

        Its 221 is not waited for, and over TLS `close` would wait for its close_notify too.
        """
        if politely and not self.is_over:
            self.write(Command("mail", "QUIT", ignore_reply))
        self.stream.abort()


# What the network takes in one write, or nearly always, so that the dot does not wait behind the rest of it.
_MOST_WITH_DOT = 32 * 1024


async def push_content(channel: Channel, transaction: Transaction, message: Message) -> bytes:
    """Send a message's content; give the end of it, with the final dot, which is still to be written.

    A small message is its own end, so that it leaves in one write. Whatever was pushed has left this process by then.
    When the server has replied to the content meanwhile, the end must not follow: the server might take it for content
    or for commands.
    """
    stuffer = DotStuffer()
    held = b""
    for block in in_blocks(message):
        if held:
            await _push(channel, transaction, held)
            if transaction.has_content_reply:
                return b""
        held = stuffer.stuff(block)
    if len(held) > _MOST_WITH_DOT:
        await _push(channel, transaction, held)
        held = b""
    elif channel.stream.is_readable:
        await channel.poll()
    return held + stuffer.dot


async def _push(channel: Channel, transaction: Transaction, octets: bytes) -> None:
    transaction.pushed_bytes += len(octets)
    await channel.push(octets)


def interrupted_wait(error: BaseException) -> SmtpError | None:
    """Give the error that says which server was being waited for when a timeout or a cancellation ended the wait.

    It is the cause of the cancellation; None where nothing was awaited from a server.
    """
    cause: BaseException | None = error
    while isinstance(cause, TimeoutError | asyncio.CancelledError):
        cause = cause.__cause__ or cause.__context__
    return cause if isinstance(cause, SmtpError) else None
