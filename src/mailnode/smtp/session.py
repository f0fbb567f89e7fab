"""One live session with a server, from its greeting to QUIT (RFC 5321 3)."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from mailnode.errors import ErrorCode, SessionLost
from mailnode.smtp.authentication import Credentials
from mailnode.smtp.channel import push_content
from mailnode.smtp.command import Command
from mailnode.smtp.handshake import Handshake, perform_handshake
from mailnode.smtp.host_profile import HostProfile, Pace
from mailnode.smtp.outcome import Outcome
from mailnode.smtp.outcome_builder import OutcomeBuilder
from mailnode.smtp.send_queue import SendRequest, SlotWithdrawn, StaleSession
from mailnode.smtp.server import ServerSettings
from mailnode.smtp.transaction import Transaction

# Some servers examine a mail for minutes before they answer its dot.
PIPELINE_SECONDS = 5.0
# Haraka takes 8192 bytes behind a dot that it has not answered yet; with more it closes, and the mail is accepted.
PIPELINE_BYTES = 4096

_UNKNOWN_HINT = "the server may have accepted the mail: look for its Message-ID there before sending it again"


def no_request() -> SendRequest | None:
    """Give no request."""
    return None


@dataclass(slots=True)
class _Transfer:
    """A request with its transaction: `groups` are the command groups still to be written, at this pace.

    `is_rest` is set when the server has accepted the content already, for recipients of an earlier transaction.
    """

    request: SendRequest
    transaction: Transaction
    groups: Iterator[list[Command]]
    pace: Pace
    is_rest: bool = False


class Session:
    """A connection to a server that has accepted our EHLO and login.

    Messages go one after the other, each in one round trip while others wait: the next one's first command group is
    written together with this one's final dot (RFC 2920 3.1), and that request gets the session next. Any failure but a
    refusal ends the session, and so does a cancellation: a reply that nobody waits for would be taken for the reply to
    the next command.
    """

    def __init__(self, server: ServerSettings, handshake: Handshake, host_profile: HostProfile) -> None:
        self._server = server
        self.handshake = handshake
        self._channel = handshake.channel
        self._host_profile = host_profile
        self._needs_reset = False
        self._messages = 0
        self._has_delivered = False
        self._is_aborted = False
        self._pipelined: _Transfer | None = None
        self.extensions = handshake.extensions

    @classmethod
    async def open(
        cls, server: ServerSettings, host_profile: HostProfile, credentials: Credentials | None
    ) -> "Session":
        """Connect, greet and log in; raises ConnectFailed, TlsFailed, ServerRefused, LoginFailed or SessionLost."""
        return cls(server, await perform_handshake(server, credentials), host_profile)

    @property
    def is_usable(self) -> bool:
        """Whether another message may follow."""
        return not (self._is_aborted or self._channel.is_over)

    @property
    def is_stale(self) -> bool:
        """Whether the server closed the session while it was idle."""
        return not self.is_usable or self._channel.stream.is_readable

    @property
    def is_spent(self) -> bool:
        """Whether it has sent as many messages as the server allows."""
        return self._messages >= self._host_profile.most_messages

    @property
    def pipelined_request(self) -> SendRequest | None:
        """The request whose first commands were pipelined behind the last dot, until it gets the session."""
        return self._pipelined.request if self._pipelined else None

    def abort(self) -> None:
        """End the session at once."""
        self._is_aborted = True
        self._channel.stream.abort()

    async def quit(self) -> None:
        """Send QUIT and close, whatever the server replies."""
        channel = self._channel
        try:
            with suppress(SessionLost, TimeoutError):
                async with asyncio.timeout(channel.deadlines.quit):
                    if self.is_usable:
                        self._is_aborted = True
                        await channel.ask("mail", "QUIT")
                        channel.stream.close()
                        await channel.stream.closed()
        finally:
            self.abort()

    async def transact(self, request: SendRequest, take_next: Callable[[], SendRequest | None] = no_request) -> Outcome:
        """Hand a message over and tell what the server said; `take_next` gives the request to pipeline behind its dot.

        Raises Unsendable (the session stays usable), StaleSession and SessionLost, and what the request's hooks raise.
        """
        builder = OutcomeBuilder(request.message, self._server.host, self.handshake, self._messages)
        transfer, self._pipelined = self._pipelined, None
        try:
            if transfer is None:
                transfer = self._begin(request, request.message.envelope.forward_paths)
            await self._run(transfer, builder, take_next)
            while self.is_usable and (recipients := transfer.transaction.overflow):
                rest = SendRequest(request.message, before_dot=request.before_dot)
                transfer = self._begin(rest, recipients)
                transfer.is_rest = True
                await self._run(transfer, builder, take_next)
        except SessionLost as lost:
            assert transfer
            self.abort()
            # What is still here can't leave any more; a dot with commands pipelined behind it may have left.
            if self._channel.stream.is_full and not self.pipelined_request:
                transfer.transaction.is_dot_sent = False
            if self.pipelined_request:
                self._host_profile.slow_down("across messages")
            builder.add(transfer.transaction.verdict())
            if not transfer.transaction.is_settled:
                raise self._lost(lost, transfer, builder) from None
        except BaseException as error:
            if transfer is not None:
                self.abort()
            builder.attach_dialogue(error)
            raise
        self._learn_limits(transfer, builder)
        self._messages += 1
        outcome = builder.outcome()
        assert outcome is not None
        self._has_delivered = self._has_delivered or bool(outcome.accepted)
        return outcome

    def _begin(self, request: SendRequest, recipients: tuple[str, ...], *, is_pipelined: bool = False) -> _Transfer:
        transaction = Transaction(
            request.message, recipients, self.extensions, all_or_nothing=request.partial_delivery == "refuse"
        )
        pipelining = self.extensions.pipelining and self._host_profile.pace != "lockstep"
        groups = transaction.groups(pipelining=pipelining, reset=self._needs_reset and not is_pipelined)
        pace: Pace = "across messages" if is_pipelined else "group" if pipelining else "lockstep"
        return _Transfer(request, transaction, groups, pace)

    async def _run(
        self, transfer: _Transfer, builder: OutcomeBuilder, take_next: Callable[[], SendRequest | None]
    ) -> None:
        began = monotonic()
        channel, transaction = self._channel, transfer.transaction
        builder.begin(transaction)
        await self._write_groups(transfer)
        if transaction.is_reset_refused:
            return
        if channel.protocol.closing_reply is not None:
            transaction.on_session_closed(channel.protocol.closing_reply)
            builder.add(transaction.verdict())
            return
        replied = monotonic()
        builder.envelope_ms += (replied - began) * 1000
        if transaction.may_send_content:
            await self._send_content(transfer, take_next)
            builder.content_ms += (monotonic() - replied) * 1000
        elif transaction.must_send_lone_dot:
            transaction.record(channel.write(transaction.lone_dot))
            await channel.settle()
        elif transaction.must_be_dropped:
            self.abort()
        self._needs_reset = transaction.needs_reset
        builder.add(transaction.verdict())

    async def _write_groups(self, transfer: _Transfer) -> None:
        channel = self._channel
        await channel.settle()  # a pipelined message's first group is out already
        for group in transfer.groups:
            if channel.protocol.closing_reply is not None or transfer.transaction.is_reset_refused:
                return
            transfer.transaction.record(channel.write(*group))
            await channel.settle()

    async def _send_content(self, transfer: _Transfer, take_next: Callable[[], SendRequest | None]) -> None:
        channel, transaction, request = self._channel, transfer.transaction, transfer.request
        if request.before_content is not None:
            await request.before_content()
        channel.protocol.expect("content", transaction.on_content_reply)
        end = await push_content(channel, transaction, transaction.message)
        if transaction.has_content_reply:
            self.abort()
            return
        if request.before_dot is not None:
            request.before_dot()
        next_group = self._pipeline_next(transfer, take_next)
        transaction.is_dot_sent = channel.stream.write(b"".join((end, *next_group)))
        if next_group:
            await self._settle_with_next()
        else:
            await channel.settle()
        if channel.stream.is_full:
            self.abort()  # the reply came before the dot was out

    async def _settle_with_next(self) -> None:
        """Wait for the reply to the dot; the pipelined request waits no longer than a new session would take."""
        channel = self._channel
        but = channel.protocol.pending - 1
        try:
            await channel.settle(min(PIPELINE_SECONDS, channel.deadlines.content), but=but)
        except SessionLost as lost:
            if lost.code != ErrorCode.TIMEOUT:
                raise
            request = self.pipelined_request
            if request and request.is_waiting:
                assert request.slot
                request.slot.set_exception(SlotWithdrawn())
            await channel.settle(but=but)

    def _pipeline_next(self, transfer: _Transfer, take_next: Callable[[], SendRequest | None]) -> tuple[bytes, ...]:
        """Give the first command group of the request to pipeline behind the dot; nothing when there is none."""
        profile, extensions = self._host_profile, self.extensions
        if profile.pace != "across messages" or not (extensions.pipelining and extensions.pipelines_messages):
            return ()
        if transfer.transaction.has_overflow or self._messages + 1 >= profile.most_messages:
            return ()
        while request := take_next():
            try:
                pipelined = self._begin(request, request.message.envelope.forward_paths, is_pipelined=True)
                group = next(pipelined.groups)
                if sum(len(command.line) for command in group) > PIPELINE_BYTES:
                    assert request.slot
                    request.slot.set_exception(SlotWithdrawn())
                    return ()
                octets = self._channel.protocol.send(*group)
                pipelined.transaction.record(octets)
            except Exception as error:  # noqa: BLE001 -- it belongs to that request, and is raised where its slot is awaited
                assert request.slot
                request.slot.set_exception(error)
                continue
            self._pipelined = pipelined
            return (octets,)
        return ()

    def _learn_limits(self, transfer: _Transfer, builder: OutcomeBuilder) -> None:
        """Learn from a server that ends this session, or that can't take commands at this pace."""
        if transfer.transaction.is_reset_refused:
            self.abort()  # something of the message before may be left
            raise StaleSession("the server refused RSET", phase="mail", transient=True)
        if self.pipelined_request and self._channel.protocol.closing_reply:
            self._host_profile.note_closing_after(self._messages + 1)
        # On a session that has delivered nothing it means another limit, which a new session would meet too.
        is_too_many = self._has_delivered and builder.is_too_many
        if is_too_many or (self._messages and builder.needs_new_session):
            if is_too_many or self._channel.protocol.closing_reply:
                self._host_profile.note_closing_after(self._messages)
            self.abort()
            raise StaleSession("the server has ended this session", phase="mail", transient=True)
        is_harmless = not (transfer.is_rest or transfer.transaction.may_send_content)
        if is_harmless and transfer.transaction.is_out_of_sync and self._host_profile.slow_down(transfer.pace):
            self.abort()
            raise StaleSession("the server does not accept pipelined commands", phase="mail", transient=True)

    def _lost(self, lost: SessionLost, transfer: _Transfer, builder: OutcomeBuilder) -> SessionLost:
        unknown = transfer.transaction.is_dot_sent
        kind = StaleSession if self._is_worth_retrying(lost, transfer) else SessionLost
        builder.attach_dialogue(lost)
        error = kind(
            f"{self._server.address}: {lost.message}",
            unknown=unknown,
            outcome=builder.outcome(),
            code=lost.code,
            phase=lost.phase,
            hint=_UNKNOWN_HINT if unknown else lost.hint,
            transient=True,
        )
        error.dialogue = lost.dialogue
        return error

    def _is_worth_retrying(self, lost: SessionLost, transfer: _Transfer) -> bool:
        """Whether the loss may come from a reused session, or from a pace that the server can't take."""
        transaction = transfer.transaction
        if transfer.is_rest or transaction.may_send_content or lost.code == ErrorCode.BAD_REPLY:
            return False
        if transfer.pace == "across messages" or transaction.has_reply or self._channel.protocol.has_partial_reply:
            return self._host_profile.slow_down(transfer.pace)
        return self._messages > 0 and lost.code == ErrorCode.SESSION_LOST
