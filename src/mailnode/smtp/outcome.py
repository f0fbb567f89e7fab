"""What a server said to one message, and to each of its recipients."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from mailnode.errors import Phase
from mailnode.message.envelope import Envelope
from mailnode.smtp.reply import Reply

PartialDelivery = Literal["allow", "refuse"]
Status = Literal["accepted", "refused", "deferred"]


class RecipientOutcome(NamedTuple):
    """What became of one recipient; `reply` is None where the server did not say why, or nothing at all."""

    address: str
    status: Status
    reply: Reply | None


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

    `recipients` holds the final verdict on each, in the order of the envelope: where the content was refused all are,
    with that reply. `reply` is the reply that decided, and `phase` the command that it answered: the reply to the final
    dot, else the first refusal of MAIL, RCPT or DATA. `tls_version` and `auth_mechanism` are "" where there was none.
    Where somebody is refused `dialogue` tells what was said, line by line and redacted; else it is "".
    """

    message_id: str
    envelope: Envelope
    message_size: int
    recipients: tuple[RecipientOutcome, ...]
    reply: Reply
    phase: Phase
    host: str
    tls_version: str = ""
    auth_mechanism: str = ""
    timings: Timings = field(default_factory=Timings)
    dialogue: str = field(default="", repr=False)

    @property
    def accepted(self) -> tuple[str, ...]:
        """The recipients for whom the server took the message."""
        return tuple(recipient.address for recipient in self.recipients if recipient.status == "accepted")

    @property
    def refused(self) -> tuple[RecipientOutcome, ...]:
        """The recipients for whom it did not, for good or for now."""
        return tuple(recipient for recipient in self.recipients if recipient.status != "accepted")
