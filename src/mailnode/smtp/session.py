"""One live session with a server, from its greeting to QUIT (RFC 5321 3)."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from mailnode.errors import ErrorCode, SessionLost
from mailnode.smtp.authentication import Credentials
from mailnode.smtp.command import Command
from mailnode.smtp.dialogue import push_content
from mailnode.smtp.handshake import Handshake, enter
from mailnode.smtp.host_profile import HostProfile, Pace
from mailnode.smtp.outcome import Outcome, OutcomeBuilder
from mailnode.smtp.send_queue import LetOff, SendRequest, StaleSession
from mailnode.smtp.server import ServerSettings
from mailnode.smtp.transaction import Transaction

# Some servers look into a mail for minutes before they answer its dot.
RIDE_SECONDS = 5.0
# Haraka bears 8192 bytes behind a dot that it has not answered yet; with more it hangs up, and the mail is taken.
RIDE_BYTES = 4096

_UNKNOWN_HINT = "the server may have taken the mail: look for its Message-ID there before sending it again"


def nobody() -> SendRequest | None:
    """Let no request ride."""
    return None


@dataclass(slots=True)
class _Begun:
    """A request in mid-transaction: `groups` are the command groups still to be written, at this pace.

    `is_rest` is set when the server has taken the content already, for the recipients of an earlier transaction.
    """

    request: SendRequest
    transaction: Transaction
    groups: Iterator[list[Command]]
    pace: Pace
    is_rest: bool = False


class Session:
    """A server that has greeted us and let us in.

    One message after the other, each in one round trip while others wait: the next one's command group rides in the
    write of this one's final dot (RFC 2920 3.1), and is that one's when its turn comes. Any failure but a refusal ends
    the session, and so does cancelling: a reply that nobody waited for would be taken for the answer to the next
    command.
    """

    def __init__(self, server: ServerSettings, entrance: Handshake, host_profile: HostProfile) -> None:
        self._server = server
        self.handshake = entrance
        self._dialogue = entrance.dialogue
        self._host_profiles = host_profile
        self._needs_reset = False
        self._messages = 0
        self._has_delivered = False
        self._is_aborted = False
        self._riding: _Begun | None = None
        self.extensions = entrance.extensions

    @classmethod
    async def open(
        cls, server: ServerSettings, host_profile: HostProfile, credentials: Credentials | None
    ) -> "Session":
        """Connect, greet and log in; raises ConnectFailed, TlsFailed, ServerRefused, LoginFailed or SessionLost."""
        return cls(server, await enter(server, credentials), host_profile)

    @property
    def is_usable(self) -> bool:
        """Whether another message may follow."""
        return not (self._is_aborted or self._dialogue.is_over)

    @property
    def is_stale(self) -> bool:
        """Whether the server hung up or said goodbye while the session was idle."""
        return not self.is_usable or self._dialogue.stream.is_readable

    @property
    def is_spent(self) -> bool:
        """Whether it has carried as many messages as the server bears."""
        return self._messages >= self._host_profiles.most_messages

    @property
    def rider(self) -> SendRequest | None:
        """The request whose commands went out with the last dot, until it takes its turn."""
        return self._riding.request if self._riding else None

    def abort(self) -> None:
        """End the session at once."""
        self._is_aborted = True
        self._dialogue.stream.abort()

    async def quit(self) -> None:
        """End the session as one should; whatever the server makes of it."""
        dialogue = self._dialogue
        try:
            with suppress(SessionLost, TimeoutError):
                async with asyncio.timeout(dialogue.deadlines.quit):
                    if self.is_usable:
                        self._is_aborted = True
                        await dialogue.ask("mail", "QUIT")
                        dialogue.stream.close()
                        await dialogue.stream.closed()
        finally:
            self.abort()

    async def transact(self, request: SendRequest, following: Callable[[], SendRequest | None] = nobody) -> Outcome:
        """Hand a message over and tell what the server said to it; `following` gives who may ride with its dot.

        Raises Unsendable (the session is fine), StaleSession and SessionLost, and what the passage's own steps raise.
        """
        outcome_builder = OutcomeBuilder(request.message, self._server.host, self.handshake, self._messages)
        begun, self._riding = self._riding, None
        try:
            if begun is None:
                begun = self._begin(request, request.message.envelope.forward_paths)
            await self._run(begun, outcome_builder, following)
            while self.is_usable and (recipients := begun.transaction.overflow):
                rest = SendRequest(request.message, before_dot=request.before_dot)
                begun = self._begin(rest, recipients)
                begun.is_rest = True
                await self._run(begun, outcome_builder, following)
        except SessionLost as lost:
            assert begun
            self.abort()
            # What is still here can't leave any more. A rider's commands stand behind the dot: it may have left.
            if self._dialogue.stream.is_full and not self.rider:
                begun.transaction.is_dot_sent = False
            if self.rider:
                self._host_profiles.slow_down("ride")
            outcome_builder.add(begun.transaction.judge())
            if not begun.transaction.is_explained:
                raise self._lost(lost, begun, outcome_builder) from None
        except BaseException as error:
            if begun is not None:
                self.abort()
            outcome_builder.attach_dialogue(error)
            raise
        self._check_manners(begun, outcome_builder)
        self._messages += 1
        outcome = outcome_builder.outcome()
        assert outcome is not None
        self._has_delivered = self._has_delivered or bool(outcome.accepted)
        return outcome

    def _begin(self, request: SendRequest, recipients: tuple[str, ...], *, rides: bool = False) -> _Begun:
        transaction = Transaction(
            request.message, recipients, self.extensions, together=request.partial_delivery == "refuse"
        )
        pipelining = self.extensions.pipelining and self._host_profiles.pace != "lockstep"
        groups = transaction.groups(pipelining=pipelining, reset=self._needs_reset and not rides)
        return _Begun(request, transaction, groups, "ride" if rides else "group" if pipelining else "lockstep")

    async def _run(
        self, begun: _Begun, outcome_builder: OutcomeBuilder, following: Callable[[], SendRequest | None]
    ) -> None:
        began = monotonic()
        dialogue, transaction = self._dialogue, begun.transaction
        outcome_builder.begin(transaction)
        await self._write_groups(begun)
        if transaction.is_reset_refused:
            return
        if dialogue.protocol.farewell is not None:
            transaction.end(dialogue.protocol.farewell)
            outcome_builder.add(transaction.judge())
            return
        replied = monotonic()
        outcome_builder.envelope_ms += (replied - began) * 1000
        if transaction.may_send_content:
            await self._send_content(begun, following)
            outcome_builder.content_ms += (monotonic() - replied) * 1000
        elif transaction.must_send_lone_dot:
            transaction.wrote(dialogue.write(transaction.lone_dot))
            await dialogue.settle()
        elif transaction.must_be_dropped:
            self.abort()
        self._needs_reset = transaction.needs_reset
        outcome_builder.add(transaction.judge())

    async def _write_groups(self, begun: _Begun) -> None:
        dialogue = self._dialogue
        await dialogue.settle()  # a riding message's first group is out already
        for group in begun.groups:
            if dialogue.protocol.farewell is not None or begun.transaction.is_reset_refused:
                return
            begun.transaction.wrote(dialogue.write(*group))
            await dialogue.settle()

    async def _send_content(self, begun: _Begun, following: Callable[[], SendRequest | None]) -> None:
        dialogue, transaction, request = self._dialogue, begun.transaction, begun.request
        if request.before_content is not None:
            await request.before_content()
        dialogue.protocol.expect("content", transaction.hear_content)
        end = await push_content(dialogue, transaction, request.message)
        if transaction.is_content_judged:
            self.abort()
            return
        if request.before_dot is not None:
            request.before_dot()
        riding = self._take_along(begun, following)
        transaction.is_dot_sent = dialogue.stream.write(b"".join((end, *riding)))
        if riding:
            await self._settle_with_rider()
        else:
            await dialogue.settle()
        if dialogue.stream.is_full:
            self.abort()  # judged before the dot was out

    async def _settle_with_rider(self) -> None:
        """Wait for the reply to the dot; who rides waits for it no longer than a new session would take."""
        dialogue = self._dialogue
        but = dialogue.protocol.pending - 1
        try:
            await dialogue.settle(min(RIDE_SECONDS, dialogue.deadlines.content), but=but)
        except SessionLost as lost:
            if lost.code != ErrorCode.TIMEOUT:
                raise
            rider = self.rider
            if rider and rider.is_waiting:
                assert rider.turn
                rider.turn.set_exception(LetOff())
            await dialogue.settle(but=but)

    def _take_along(self, begun: _Begun, following: Callable[[], SendRequest | None]) -> tuple[bytes, ...]:
        """Begin who waits, so that its first command group leaves with the dot; nothing when nobody may ride."""
        host_profile = self._host_profiles
        if host_profile.pace != "ride" or not (self.extensions.pipelining and self.extensions.riding):
            return ()
        if begun.transaction.is_followed_by_itself or self._messages + 1 >= host_profile.most_messages:
            return ()
        while request := following():
            try:
                riding = self._begin(request, request.message.envelope.forward_paths, rides=True)
                group = next(riding.groups)
                if sum(len(command.line) for command in group) > RIDE_BYTES:
                    assert request.turn
                    request.turn.set_exception(LetOff())
                    return ()
                octets = self._dialogue.protocol.send(*group)
                riding.transaction.wrote(octets)
            except Exception as error:  # noqa: BLE001 -- it is that message's own, and raised where its turn is awaited
                assert request.turn
                request.turn.set_exception(error)
                continue
            self._riding = riding
            return (octets,)
        return ()

    def _check_manners(self, begun: _Begun, outcome_builder: OutcomeBuilder) -> None:
        """Learn from a server that has had enough of this session, or that can't keep pace."""
        if begun.transaction.is_reset_refused:
            self.abort()  # who knows what is left of the message before
            raise StaleSession("the server refused RSET", phase="mail", transient=True)
        if self.rider and self._dialogue.protocol.farewell:
            self._host_profiles.heard_farewell(self._messages + 1)
        # Said to a session that has delivered nothing, it means another limit: a new session would hear it too.
        is_too_many = self._has_delivered and outcome_builder.is_too_many
        if is_too_many or (self._messages and outcome_builder.needs_new_session):
            if is_too_many or self._dialogue.protocol.farewell:
                self._host_profiles.heard_farewell(self._messages)
            self.abort()
            raise StaleSession("the server had enough of this session", phase="mail", transient=True)
        is_harmless = not (begun.is_rest or begun.transaction.may_send_content)
        if is_harmless and begun.transaction.is_out_of_step and self._host_profiles.slow_down(begun.pace):
            self.abort()
            raise StaleSession("the server does not take commands together", phase="mail", transient=True)

    def _lost(self, lost: SessionLost, begun: _Begun, outcome_builder: OutcomeBuilder) -> SessionLost:
        unknown = begun.transaction.is_dot_sent
        kind = StaleSession if self._may_do_better(lost, begun) else SessionLost
        outcome_builder.attach_dialogue(lost)
        error = kind(
            f"{self._server.address}: {lost.message}",
            unknown=unknown,
            outcome=outcome_builder.outcome(),
            code=lost.code,
            phase=lost.phase,
            hint=_UNKNOWN_HINT if unknown else lost.hint,
            transient=True,
        )
        error.dialogue = lost.dialogue
        return error

    def _may_do_better(self, lost: SessionLost, begun: _Begun) -> bool:
        """Whether the loss may be that of a reused session, or of a pace that the server can't keep."""
        transaction = begun.transaction
        if begun.is_rest or transaction.may_send_content or lost.code == ErrorCode.BAD_REPLY:
            return False
        if begun.pace == "ride" or transaction.is_heard or self._dialogue.protocol.is_amid_reply:
            return self._host_profiles.slow_down(begun.pace)
        return self._messages > 0 and lost.code == ErrorCode.SESSION_LOST
