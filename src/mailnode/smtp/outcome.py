"""The outcome of one message: what the server said to it and to each of its recipients."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from time import monotonic
from typing import TYPE_CHECKING, Literal, NamedTuple

from mailnode.errors import Phase
from mailnode.message.envelope import Envelope, Field, Message
from mailnode.smtp.refusal import is_time_limit, is_too_many
from mailnode.smtp.reply import Reply
from mailnode.smtp.transcript import Entry

if TYPE_CHECKING:  # both import this module
    from mailnode.smtp.handshake import Handshake
    from mailnode.smtp.transaction import Transaction

PartialDelivery = Literal["allow", "refuse"]
RecipientStatus = Literal["pending", "accepted", "refused", "deferred"]


class Recipient(NamedTuple):
    """A recipient of a message, and what the server said last about it.

    `address` is the forward-path, `field` the header field that names it. `status` is `pending` until a server was
    asked; `reply` is None until then, and where the server gave no reason, or no reply at all.
    """

    address: str
    field: Field
    status: RecipientStatus = "pending"
    reply: Reply | None = None

    @property
    def is_open(self) -> bool:
        """Whether a server may be asked (again) to accept this recipient."""
        return self.status in {"pending", "deferred"}


class Verdict(NamedTuple):
    """What one transaction decided; `reply` is the one that decided, or the last one while nothing is decided."""

    recipients: tuple[Recipient, ...]
    reply: Reply | None
    phase: Phase


class Timings(NamedTuple):
    """Where the time went, in milliseconds; `connect_ms` (with TLS, EHLO) and `auth_ms` are 0.0 on a reused session."""

    connect_ms: float = 0.0
    auth_ms: float = 0.0
    envelope_ms: float = 0.0
    content_ms: float = 0.0
    total_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the server said to one message.

    `recipients` has the final status of each, in the order of the envelope: where the content was refused, all are
    refused with that reply. `reply` is the reply that decided, and `phase` the command that it answered: the reply to
    the final dot, else the first refusal of MAIL, RCPT or DATA. `tls_version` and `auth_mechanism` are "" where there
    was none.
    `dialogue` has the commands and replies, redacted, where a recipient was refused; else it is "".
    """

    message_id: str
    envelope: Envelope
    message_size: int
    recipients: tuple[Recipient, ...]
    reply: Reply
    phase: Phase
    host: str
    tls_version: str = ""
    auth_mechanism: str = ""
    timings: Timings = field(default_factory=Timings)
    dialogue: str = field(default="", repr=False)

    @property
    def accepted(self) -> tuple[str, ...]:
        """The addresses for which the server accepted the message."""
        return tuple(recipient.address for recipient in self.recipients if recipient.status == "accepted")

    @property
    def refused(self) -> tuple[Recipient, ...]:
        """The recipients for which it did not, permanently or for now."""
        return tuple(recipient for recipient in self.recipients if recipient.status != "accepted")


# RFC 4954 6. After a login it means that the login is no longer valid, as with an expired token.
_LOGIN_WANTED = 530


class OutcomeBuilder:
    """Builds the outcome of one message from the verdicts of its transactions (several where recipients are too many).

    `messages` is the number of messages sent before on the session; only the first one's outcome has its opening.
    """

    def __init__(self, message: Message, host: str, handshake: "Handshake", messages: int) -> None:
        self._message = message
        self._host = host
        self._handshake = handshake
        self._messages = messages
        self._began = monotonic()
        self._decisive: Verdict | None = None
        self._recipients: tuple[Recipient, ...] = ()
        self._transactions: list[Transaction] = []
        self.envelope_ms = 0.0
        self.content_ms = 0.0

    @property
    def needs_new_session(self) -> bool:
        """Whether the server refused MAIL because of the session: its time is over, or its login is no longer valid."""
        judgement = self._decisive
        if judgement is None or judgement.reply is None or judgement.phase != "mail":
            return False
        reply = judgement.reply
        if reply.is_closing or is_time_limit(reply):
            return True
        return reply.code == _LOGIN_WANTED and self._handshake.auth_mechanism != ""

    @property
    def is_too_many(self) -> bool:
        """Whether the server refused everything because of the number of messages before, and keeps the session."""
        judgement = self._decisive
        return (
            judgement is not None
            and judgement.phase in {"mail", "rcpt"}
            and all(one.reply and is_too_many(one.reply) for one in self._recipients)
        )

    def begin(self, transaction: "Transaction") -> None:
        """Note a transaction that begins, for the transcript."""
        self._transactions.append(transaction)

    def add(self, judgement: Verdict) -> None:
        """Add a verdict; a later one replaces the status of its recipients."""
        if self._recipients:
            later = {verdict.address: verdict for verdict in judgement.recipients}
            self._recipients = tuple(later.get(verdict.address, verdict) for verdict in self._recipients)
        else:
            self._recipients = judgement.recipients
        if self._decisive is None or self._decisive.reply is None:
            self._decisive = judgement

    def outcome(self) -> Outcome | None:
        """Give the outcome; None when the server has not replied to the message."""
        if self._decisive is None or self._decisive.reply is None:
            return None
        message = self._message
        return Outcome(
            message.message_id,
            message.envelope,
            message.size,
            self._recipients,
            self._decisive.reply,
            self._decisive.phase,
            self._host,
            self._handshake.tls_version,
            self._handshake.auth_mechanism,
            self._timings(),
            self._dialogue(),
        )

    def attach_dialogue(self, error: BaseException) -> None:
        """Give an error the transcript so far."""
        self._handshake.transcript.attach_to(error, self._entries(), messages=self._messages)

    def _dialogue(self) -> str:
        for recipient in self._recipients:
            if recipient.status != "accepted":
                return self._handshake.transcript.text(self._entries(), messages=self._messages)
        return ""

    def _entries(self) -> Iterator[Entry]:
        return chain.from_iterable(transaction.entries for transaction in self._transactions)

    def _timings(self) -> Timings:
        total_ms = (monotonic() - self._began) * 1000
        if self._messages:
            return Timings(0.0, 0.0, self.envelope_ms, self.content_ms, total_ms)
        connect_ms, auth_ms = self._handshake.connect_ms, self._handshake.auth_ms
        return Timings(connect_ms, auth_ms, self.envelope_ms, self.content_ms, connect_ms + auth_ms + total_ms)
