"""The outcome of one message: what the server said to it and to each of its recipients."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from mailnode.errors import Phase
from mailnode.message.envelope import Envelope, Field
from mailnode.smtp.reply import Reply

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
    was none. `dialogue` has the commands and replies, redacted, where a recipient was refused; else it is "".
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
