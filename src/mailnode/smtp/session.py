"""One live session with a server, from its greeting to QUIT (RFC 5321 3)."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic

from mailnode.errors import ErrorCode, SessionLost, SmtpError
from mailnode.smtp.command import Command, ignore
from mailnode.smtp.content import Composed, DotStuffer
from mailnode.smtp.dialogue import Dialogue
from mailnode.smtp.extension import Extensions
from mailnode.smtp.opening import authenticate, greet
from mailnode.smtp.server import ServerSettings
from mailnode.smtp.stream import Stream
from mailnode.smtp.tally import Tally
from mailnode.smtp.transaction import Outcome, PartialDelivery, Transaction

BeforeContent = Callable[[], Awaitable[None]]

_UNKNOWN_HINT = "the server may have taken the mail: look for its Message-ID there before sending it again"


class StaleSession(SessionLost):
    """A reused session turned out to be over before the server took any notice of the message."""


class Session:
    """A server that has greeted us and let us in; one transaction at a time.

    Any failure but a refusal ends it, and so does cancelling: a reply that nobody waited for would be taken for the
    answer to the next command.
    """

    def __init__(self, server: ServerSettings, dialogue: Dialogue, extensions: Extensions) -> None:
        self._server = server
        self._dialogue = dialogue
        self._needs_reset = False
        self._is_reused = False
        self._is_aborted = False
        self._connect_ms = 0.0
        self._auth_ms = 0.0
        self._auth_mechanism = ""
        self.extensions = extensions

    @classmethod
    async def open(cls, server: ServerSettings) -> "Session":
        """Connect, greet and log in; raises ConnectFailed, TlsFailed, ServerRefused, LoginFailed or SessionLost."""
        began = monotonic()
        dialogue = Dialogue(await Stream.open(server), server.deadlines)
        try:
            session = cls(server, dialogue, await greet(dialogue, server))
            connected = monotonic()
            session._auth_mechanism = await authenticate(dialogue, server, session.extensions)
        except BaseException as error:
            _leave(dialogue, politely=isinstance(error, SmtpError) and not isinstance(error, SessionLost))
            raise
        session._connect_ms = (connected - began) * 1000
        session._auth_ms = (monotonic() - connected) * 1000 if session._auth_mechanism else 0.0
        return session

    @property
    def is_usable(self) -> bool:
        """Whether another message may follow."""
        return not (self._is_aborted or self._dialogue.is_over)

    @property
    def is_stale(self) -> bool:
        """Whether the server hung up or said goodbye while the session was idle."""
        return not self.is_usable or self._dialogue.stream.is_readable

    def abort(self) -> None:
        """End the session at once."""
        self._is_aborted = True
        self._dialogue.stream.abort()

    async def quit(self) -> None:
        """End the session as one should; whatever the server makes of it."""
        dialogue = self._dialogue
        try:
            async with asyncio.timeout(dialogue.deadlines.quit):
                if self.is_usable:
                    self._is_aborted = True
                    await dialogue.ask("mail", "QUIT")
                    dialogue.stream.close()
                    await dialogue.stream.closed()
        except (SessionLost, TimeoutError):
            pass
        finally:
            self.abort()

    async def transact(
        self,
        message: Composed,
        *,
        partial_delivery: PartialDelivery = "allow",
        before_content: BeforeContent | None = None,
    ) -> Outcome:
        """Hand a message over and tell what the server said to it.

        `before_content` is awaited once, when a recipient is accepted and no octet of content has left; what it raises
        ends the session without content. Raises Unsendable (the session is fine) and SessionLost.
        """
        tally = self._tally(message)
        recipients = message.envelope.forward_paths
        transaction = Transaction(message, recipients, self.extensions, together=partial_delivery == "refuse")
        self._dialogue.protocol.forget_heard()
        try:
            while True:
                await self._run(transaction, message, tally, before_content)
                tally.add(transaction.judge())
                recipients = transaction.overflow if self.is_usable else ()
                if not recipients:
                    break
                before_content = None
                transaction = Transaction(message, recipients, self.extensions)
        except SessionLost as lost:
            self.abort()
            tally.add(transaction.judge())
            if not transaction.is_explained:
                raise self._lost(lost, transaction, tally) from None
        except BaseException:
            self.abort()
            raise
        if self._is_reused and tally.is_farewell_to_mail:
            raise StaleSession("the server had enough of this session", phase="mail", transient=True)
        self._is_reused = True
        outcome = tally.outcome()
        assert outcome is not None
        return outcome

    async def _run(
        self, transaction: Transaction, message: Composed, tally: Tally, before_content: BeforeContent | None
    ) -> None:
        began = monotonic()
        dialogue = self._dialogue
        groups = transaction.groups(pipelining=self.extensions.pipelining, reset=self._needs_reset)
        self._needs_reset = True
        for group in groups:
            dialogue.write(*group)
            await dialogue.settle()
            if dialogue.protocol.farewell is not None:
                transaction.end(dialogue.protocol.farewell)
                return
        replied = monotonic()
        tally.envelope_ms += (replied - began) * 1000
        if transaction.may_send_content:
            if before_content is not None:
                await before_content()
            await self._send_content(transaction, message)
            self._needs_reset = not transaction.is_complete
            tally.content_ms += (monotonic() - replied) * 1000
        elif transaction.must_send_lone_dot:
            dialogue.protocol.expect("data", ignore)
            dialogue.stream.write(b".\r\n")
            await dialogue.settle()
        elif transaction.must_be_dropped:
            self.abort()

    async def _send_content(self, transaction: Transaction, message: Composed) -> None:
        dialogue = self._dialogue
        dialogue.protocol.expect("content", transaction.hear_content)
        stuffer = DotStuffer()
        held = b""  # the last block leaves together with the dot: a small message in one write
        for block in message.blocks():
            if held:
                await dialogue.push(held)
                if transaction.is_content_judged:
                    # Between here and the dot the server takes what we write for content, or for commands: who knows.
                    self.abort()
                    return
            held = stuffer.stuff(block)
        dialogue.stream.write(held + stuffer.dot)
        transaction.is_dot_sent = True
        await dialogue.settle()

    def _tally(self, message: Composed) -> Tally:
        tally = Tally(message, self._server.host, self._dialogue.stream.tls_version, self._auth_mechanism)
        if not self._is_reused:
            tally.connect_ms, tally.auth_ms = self._connect_ms, self._auth_ms
        return tally

    def _lost(self, lost: SessionLost, transaction: Transaction, tally: Tally) -> SessionLost:
        is_dead = lost.code == ErrorCode.SESSION_LOST
        kind = StaleSession if self._is_reused and is_dead and not self._dialogue.protocol.has_heard else SessionLost
        unknown = transaction.is_dot_sent
        return kind(
            f"{self._server.address}: {lost.message}",
            unknown=unknown,
            outcome=tally.outcome(),
            code=lost.code,
            phase=lost.phase,
            hint=_UNKNOWN_HINT if unknown else lost.hint,
            transient=True,
        )


def _leave(dialogue: Dialogue, *, politely: bool) -> None:
    if politely and not dialogue.is_over:
        # The server has just said no and owes us nothing: its 221 is not worth a wait.
        dialogue.write(Command("mail", "QUIT", ignore))
        dialogue.stream.close()
    else:
        dialogue.stream.abort()
