"""What a delivery is: one message, its recipients and how far each has come."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, get_args

from mailnode.delivery.policy import Policy, redirection_warning
from mailnode.delivery.route import Destination
from mailnode.errors import DeliveryError, ErrorCode, MailnodeError, SessionLost
from mailnode.smtp.outcome import Recipient

State = Literal["queued", "claimed", "handingOver", "sent", "partial", "failed", "unknown", "held", "cancelled"]

# What a person may be shown of one: the stored state of one whose process is gone is no longer true.
ShownState = Literal[
    "queued", "claimed", "handingOver", "interrupted", "sent", "partial", "failed", "unknown", "held", "cancelled"
]
INTERRUPTED: Literal["interrupted"] = "interrupted"
FINAL_STATES: frozenset[State] = frozenset({"sent", "partial", "failed", "unknown", "held", "cancelled"})
SHOWN_STATES: tuple[ShownState, ...] = get_args(ShownState)
# What may be asked for: "sending", as people are shown them, is both states of one under way.
AskedState = ShownState | Literal["sending"]
SENDING: tuple[ShownState, ...] = ("claimed", "handingOver")
# Which of our own steps it is at is nothing that a person needs to know.
LABELS = {"claimed": "sending", "handingOver": "sending", "notTried": "not attempted"}
RESENT_AFTER_UNKNOWN = "resentAfterUnknown"
# Is added where the doubt is another delivery's: this one may still fail and reach nobody.
EARLIER_IN_DOUBT = "an earlier mail with this idempotency key may have been accepted"

# Nothing is put back into the queue for longer (seconds).
LONGEST_WAIT = 3600.0
_LAST_GROWTH = 20

_HINT = (
    "a newer version may have queued it: let that one send it. Otherwise it is damaged: cancel it and run the flow"
    " again"
)


def label(state: str) -> str:
    """Give the words for a state, or a recipient's status, that a person is shown."""
    return LABELS.get(state, state)


def asked_states(asked: Iterable[AskedState]) -> tuple[ShownState, ...]:
    """Give the states that are meant; "sending" means two."""
    return tuple(state for one in asked for state in (SENDING if one == "sending" else (one,)))


class UnreadableDelivery(DeliveryError):
    """What is stored of a delivery is not what this version writes."""

    code = ErrorCode.UNREADABLE_DELIVERY

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message, **{"hint": _HINT, **details})


@dataclass(frozen=True, slots=True)
class Terms:
    """How hard a delivery is tried, and what it may do when in doubt.

    `seconds` is how long it is tried. While a flow waits the waits between its attempts are waited out, and `tries`
    counts the attempts, the first one too; one that is `queued` goes back to the queue instead, and None is no limit.
    Waits grow from `first_wait` (seconds) by `growth` to `longest_wait` and are jittered. While more deliveries wait
    than the sessions bear, those of one `flow` stand in line, and flows take turns.
    """

    partial_delivery: Literal["allow", "refuse"] = "allow"
    on_unknown: Literal["resend", "hold"] = "resend"
    seconds: float = 60.0
    queued: bool = False
    tries: int | None = 3
    first_wait: float = 1.0
    growth: float = 4.0
    longest_wait: float = LONGEST_WAIT
    flow: str = ""

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what was stored with a delivery; what is not in it is as it is for any.

        Raises:
            TypeError: a term is unknown, or no number where one is wanted.
            ValueError: it has a value that is unknown.
        """
        terms = cls(**stored)
        chosen = {"partial_delivery": ("allow", "refuse"), "on_unknown": ("resend", "hold")}
        for name, values in chosen.items():
            if getattr(terms, name) not in values:
                raise ValueError(f"{name} {getattr(terms, name)!r} is unknown")
        for name in ("seconds", "first_wait", "growth", "longest_wait"):
            if not isinstance(getattr(terms, name), int | float):
                raise TypeError(f"{name} is not a number")
        if not isinstance(stored.get("tries"), int | None) or not isinstance(stored.get("flow", ""), str):
            raise TypeError("tries or flow has the wrong type")
        return terms

    def for_queue(self, hours: float) -> "Terms":
        """Give the terms of a delivery that no flow waits for."""
        return replace(self, queued=True, seconds=hours * 3600, tries=None, first_wait=10.0, growth=3.0)

    def wait_seconds(self, tries: int) -> float:
        """Give the wait after this many attempts, another one each time, so that those who failed together part."""
        longest = min(self.first_wait * self.growth ** min(tries - 1, _LAST_GROWTH), self.longest_wait)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 -- spreads load, guards nothing


@dataclass(frozen=True, slots=True)
class Origin:
    """The node that a delivery was made by.

    `file` is the absolute path of the flow file. `content` is a digest of what the node's settings said of the mail: it
    stays the same while the route to the server is mended, and tells the node from another one in its place.
    """

    file: str
    flow: str
    node: str
    content: str

    def to_json(self) -> dict[str, str]:
        """Give it as it is stored with a delivery."""
        return {"file": self.file, "flow": self.flow, "node": self.node, "content": self.content}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> Self | None:
        """Read what `to_json` gave; None for a delivery that comes from no flow file."""
        return cls(**stored) if stored else None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try and what ended it; `error` is None when the server took the message for everybody. Times: Unix ms."""

    number: int
    started_at: int
    ended_at: int
    error: MailnodeError | None
    dialogue: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as the process that claimed it holds it; `generation` fences off earlier claims."""

    id: str
    generation: int
    claimed_by: str  # the worker's id then; "" in the queue
    destination: Destination
    host: str
    port: int
    route_key: str
    reverse_path: str | None
    message_id: str
    size: int
    recipients: tuple[Recipient, ...]
    terms: Terms = field(default_factory=Terms)
    run_id: str | None = None
    node_id: str | None = None
    place: Mapping[str, Any] | None = None
    app: str | None = None  # the program that handed it in
    tries: int = 0
    maybe_accepted: bool = False  # content was handed over once, and no answer came
    invitation: Mapping[str, Any] | None = None  # the uid of the event that its message invites to, and its sequence
    warnings: tuple[str, ...] = ()
    redirected_from: tuple[Recipient, ...] = ()  # all recipients, while one mailbox stands in for those who are open
    is_regrouped: bool = False  # the recipients differ from those that are stored

    @property
    def open_addresses(self) -> tuple[str, ...]:
        """The forward-paths still to be named to a server."""
        return tuple(recipient.address for recipient in self.recipients if recipient.is_open)

    @property
    def is_in_doubt(self) -> bool:
        """Whether a server may have accepted it without our knowing."""
        return self.maybe_accepted or (RESENT_AFTER_UNKNOWN in self.warnings and EARLIER_IN_DOUBT not in self.warnings)

    @property
    def may_have_reached_somebody(self) -> bool:
        """Whether another mail in its place may be a second copy for anybody."""
        accepted = any(recipient.status == "accepted" for recipient in self.recipients)
        return accepted or self.maybe_accepted or RESENT_AFTER_UNKNOWN in self.warnings

    def with_policy(self, policy: Policy) -> "Delivery":
        """Give it as it may be handed over now: to one mailbox in place of all who are open, or to these.

        Raises:
            ConnectionsError: it may not go to one of them.
        """
        own = self.not_redirected()
        target = policy.target
        if target is None or not own.open_addresses:
            policy.check(own.open_addresses)
            return own
        if own.open_addresses == (target,):  # it was redirected when it was composed
            return own
        if self.redirected_from and self.recipients[-1].address == target:
            return self
        closed = tuple(recipient for recipient in own.recipients if not recipient.is_open)
        return replace(
            own,
            recipients=(*closed, Recipient(target, "to")),
            redirected_from=own.recipients,
            warnings=(*own.warnings, redirection_warning(target)),
            is_regrouped=True,
        )

    def not_redirected(self) -> "Delivery":
        """Give it with its own recipients, whom no mailbox stands in for."""
        if not self.redirected_from:
            return self
        own_warning = redirection_warning(self.recipients[-1].address)
        return replace(
            self,
            recipients=self.redirected_from,
            redirected_from=(),
            warnings=tuple(warning for warning in self.warnings if warning != own_warning),
            is_regrouped=True,
        )

    def with_new_attempt(self) -> "Delivery":
        """Count an attempt that begins; one that may make a second copy gets its warning here."""
        counted = replace(self, tries=self.tries + 1)
        return counted.marked_as_resent() if self.maybe_accepted else counted

    def marked_as_resent(self) -> "Delivery":
        """Say that there may be two copies of it."""
        others = tuple(one for one in self.warnings if one not in {RESENT_AFTER_UNKNOWN, EARLIER_IN_DOUBT})
        return replace(self, warnings=(*others, RESENT_AFTER_UNKNOWN))

    def marked_after_earlier(self) -> "Delivery":
        """Add the warning that an earlier delivery with its key may have reached somebody."""
        return replace(self, warnings=(*self.warnings, RESENT_AFTER_UNKNOWN, EARLIER_IN_DOUBT))

    def with_verdicts(self, verdicts: Iterable[Recipient]) -> "Delivery":
        """Take the verdicts of one transaction."""
        by_address = {verdict.address: verdict for verdict in verdicts}
        recipients = tuple(
            by_address.get(recipient.address, recipient) if recipient.is_open else recipient
            for recipient in self.recipients
        )
        return replace(self, recipients=recipients)

    def after_loss(self, lost: SessionLost) -> "Delivery":
        """Take what was known of its recipients when a session was lost."""
        known = [verdict for verdict in lost.outcome.recipients if verdict.reply] if lost.outcome else ()
        return replace(self.with_verdicts(known), maybe_accepted=self.maybe_accepted or lost.unknown)
