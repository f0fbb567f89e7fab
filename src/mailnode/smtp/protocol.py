"""What is asked and who hears the answer: the queue of expected replies, without I/O.

Replies come in the order of their commands (RFC 2920 3.1), so each command puts whoever waits for its reply in a queue;
commands of two transactions may stand in it at once.
"""

from collections import deque
from collections.abc import Callable

from mailnode.errors import ErrorCode, Phase, SessionLost
from mailnode.printable import quoted
from mailnode.smtp.command import Command, encode
from mailnode.smtp.reply import Reply, ReplyParser
from mailnode.smtp.transcript import Transcript


class SmtpProtocol:
    """Pairs each reply with the command that it answers.

    `farewell` is the 421 with which the server ended the session. It answers every command still open, since no other
    reply will come. `unasked` is a reply to nothing: after it no reply can be trusted to answer what comes next. While
    `transcript` is set, what is said is kept there.
    """

    def __init__(self) -> None:
        self._parser = ReplyParser()
        self._expected: deque[Command] = deque()
        self._answered: Phase | None = None
        self.farewell: Reply | None = None
        self.unasked: Reply | None = None
        self.transcript: Transcript | None = None

    @property
    def pending(self) -> int:
        """How many replies are still to come."""
        return len(self._expected)

    @property
    def phase(self) -> Phase | None:
        """Where the oldest command without a reply belongs; None when every reply is in."""
        return self._expected[0].phase if self._expected else None

    @property
    def is_amid_reply(self) -> bool:
        """Whether a part of a reply has come, and not its end."""
        return self._parser.is_amid_reply

    def expect(self, phase: Phase, hear: Callable[[Reply], None]) -> None:
        """Queue a reply for which no command line is written: to the connection itself, to content."""
        self.check_order()
        self._expected.append(Command(phase, "", hear))

    def send(self, *commands: Command) -> bytes:
        """Give the octets of a command group and queue its replies; a command that holds a line break is refused."""
        self.check_order()
        group = encode(commands)
        self._expected.extend(commands)
        if self.transcript is not None:
            for command in commands:
                self.transcript.write(command)
        return group

    def receive(self, octets: bytes) -> None:
        """Take octets from the server and let each whole reply be heard."""
        for reply in self._parser.feed(octets):
            if self.transcript is not None:
                self.transcript.hear(reply)
            if reply.is_farewell:
                self._part(reply)
                return
            if self._expected:
                self._expected[0].hear(reply)  # which may refuse it, and then `phase` tells where
                self._answered = self._expected.popleft().phase
            else:
                self.unasked = reply

    def drop_received(self) -> None:
        """Forget what has come in clear text before a handshake, lest it be taken for what comes after it."""
        self._parser = ReplyParser()
        self.unasked = None
        if self.transcript is not None:
            self.transcript.note("TLS from here on")

    def check_order(self) -> None:
        """Raise SessionLost when the server has said something that it was not asked; the phase is that of before."""
        if self.unasked is not None:
            raise SessionLost(
                f"the server said something that it was not asked: {quoted(str(self.unasked))}",
                code=ErrorCode.BAD_REPLY,
                phase=self._answered,
                hint="the server breaks the rules of SMTP: check that host and port are the right ones",
                transient=True,
            )

    def _part(self, reply: Reply) -> None:
        self.farewell = reply
        while self._expected:
            self._expected.popleft().hear(reply)
