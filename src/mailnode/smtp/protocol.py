"""Commands and their replies, paired without I/O.

Replies come in the order of their commands (RFC 2920 3.1), so the commands without a reply form a queue; it may hold
commands of two transactions.
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

    `closing_reply` is the 421 with which the server ended the session. It answers every command still open, since no
    other reply will come. `unsolicited` is a reply to no command: after it no reply can be trusted to answer the next
    one. While `transcript` is set, commands and replies are recorded there.
    """

    def __init__(self) -> None:
        self._parser = ReplyParser()
        self._expected: deque[Command] = deque()
        self._last_phase: Phase | None = None
        self.closing_reply: Reply | None = None
        self.unsolicited: Reply | None = None
        self.transcript: Transcript | None = None

    @property
    def pending(self) -> int:
        """How many replies are still to come."""
        return len(self._expected)

    @property
    def phase(self) -> Phase | None:
        """The phase of the oldest command without a reply; None when every reply is in."""
        return self._expected[0].phase if self._expected else None

    @property
    def has_partial_reply(self) -> bool:
        """Whether part of a reply has arrived, without its end."""
        return self._parser.has_partial_reply

    def expect(self, phase: Phase, on_reply: Callable[[Reply], None]) -> None:
        """Queue a reply for which no command line is written: to the connection itself, to content."""
        self.check_order()
        self._expected.append(Command(phase, "", on_reply))

    def send(self, *commands: Command) -> bytes:
        """Give the octets of a command group and queue its replies; a command that holds a line break is refused."""
        self.check_order()
        group = encode(commands)
        self._expected.extend(commands)
        if self.transcript is not None:
            for command in commands:
                self.transcript.add_command(command)
        return group

    def receive(self, octets: bytes) -> None:
        """Take octets from the server and pass each complete reply to its command."""
        for reply in self._parser.feed(octets):
            if self.transcript is not None:
                self.transcript.add_reply(reply)
            if reply.is_closing:
                self._close(reply)
                return
            if self._expected:
                self._expected[0].on_reply(reply)  # which may raise, and then `phase` tells where
                self._last_phase = self._expected.popleft().phase
            else:
                self.unsolicited = reply

    def drop_received(self) -> None:
        """Forget what arrived in clear text before a handshake, so that it is not taken for what comes after it."""
        self._parser = ReplyParser()
        self.unsolicited = None
        if self.transcript is not None:
            self.transcript.add_note("TLS from here on")

    def check_order(self) -> None:
        """Raise SessionLost when the server has sent a reply to no command; the phase is that of the reply before."""
        if self.unsolicited is not None:
            raise SessionLost(
                f"the server sent a reply to no command: {quoted(str(self.unsolicited))}",
                code=ErrorCode.BAD_REPLY,
                phase=self._last_phase,
                hint="the server breaks the rules of SMTP: check that host and port are the right ones",
                transient=True,
            )

    def _close(self, reply: Reply) -> None:
        self.closing_reply = reply
        while self._expected:
            self._expected.popleft().on_reply(reply)
