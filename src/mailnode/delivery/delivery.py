"""What a delivery is: one message, its recipients and how far each has come."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from mailnode.errors import MailnodeError, SessionLost
from mailnode.smtp.content import Composed
from mailnode.smtp.outcome import RecipientOutcome
from mailnode.smtp.reply import Reply

State = Literal["queued", "claimed", "handingOver", "sent", "partial", "failed", "unknown"]
Field = Literal["to", "cc", "bcc"]
RecipientStatus = Literal["pending", "accepted", "refused", "deferred"]

# What the database says of one whose process is gone is no more true.
INTERRUPTED = "interrupted"
# What a person may be shown of a delivery.
SHOWN_STATES = ("claimed", "handingOver", INTERRUPTED, "sent", "partial", "failed", "unknown")
FINAL_STATES: frozenset[State] = frozenset({"sent", "partial", "failed", "unknown"})


@dataclass(frozen=True, slots=True)
class Terms:
    """How hard a delivery is tried, and what it may do when in doubt.

    `seconds` is how long the flow waits; `tries` counts sessions begun, the first one too; waits between them grow from
    `first_wait` by `growth` and are jittered. While more deliveries wait than the sessions bear, those of one `lane`
    stand in line, and lanes take turns.
    """

    partial_delivery: Literal["allow", "refuse"] = "allow"
    on_unknown: Literal["resend", "hold"] = "resend"
    seconds: float = 60.0
    tries: int = 3
    first_wait: float = 1.0
    growth: float = 4.0
    lane: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A delivery before it is written down.

    `fields` says in which header field each forward-path of the envelope stands. `digest` tells one content from
    another for the same idempotency `key`.
    """

    message: Composed
    fields: Mapping[str, Field]
    connection: str
    host: str
    port: int
    key: str | None = None
    digest: str = ""
    run_id: str | None = None
    node_id: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipient:
    """One forward-path and the last that a server said of it."""

    address: str
    field: Field
    status: RecipientStatus = "pending"
    reply: Reply | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether this recipient may be named to a server (again)."""
        return self.status in {"pending", "deferred"}

    def judged(self, verdict: RecipientOutcome) -> "Recipient":
        """Take a server's verdict."""
        return replace(self, status=verdict.status, reply=verdict.reply)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try and what ended it; `error` is None when the server took the message for everybody. Times: Unix ms."""

    number: int
    started_at: int
    ended_at: int
    error: MailnodeError | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as its claimer holds it: `generation` fences off whoever claimed it before."""

    id: str
    generation: int
    connection: str
    host: str
    reverse_path: str | None
    message_id: str
    size: int
    recipients: tuple[Recipient, ...]
    attempts: int = 0
    maybe_accepted: bool = False  # content was handed over once, and no answer came
    warnings: tuple[str, ...] = ()

    @property
    def open_addresses(self) -> tuple[str, ...]:
        """The forward-paths still to be named to a server."""
        return tuple(recipient.address for recipient in self.recipients if recipient.is_open)

    def judged(self, verdicts: Iterable[RecipientOutcome]) -> "Delivery":
        """Take the verdicts of one transaction."""
        by_address = {verdict.address: verdict for verdict in verdicts}
        recipients = tuple(
            recipient.judged(by_address[recipient.address]) if recipient.address in by_address else recipient
            for recipient in self.recipients
        )
        return replace(self, recipients=recipients)

    def after_loss(self, lost: SessionLost) -> "Delivery":
        """Take what was known of its recipients when a session was lost."""
        told = [verdict for verdict in lost.outcome.recipients if verdict.reply] if lost.outcome else ()
        return replace(self.judged(told), maybe_accepted=self.maybe_accepted or lost.unknown)
