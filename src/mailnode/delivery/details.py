"""What is shown of deliveries: JSON, for people and programs. Times are Unix ms, sizes bytes."""

from typing import Literal, TypedDict

from mailnode.delivery.delivery import ShownState
from mailnode.delivery.result import Result

# As a class it could not have a key that Python keeps for itself.
_Sender = TypedDict("_Sender", {"from": str | None})


class _Facts(TypedDict):
    deliveryId: str
    state: ShownState
    createdAt: int
    updatedAt: int
    messageId: str
    to: list[str]
    connection: str
    host: str
    run: str | None
    node: str | None
    error: str | None
    dueAt: int | None


class DeliverySummary(_Facts, _Sender):
    """One delivery in a list: what it is, how far it has come, and what went wrong last.

    `from` is the envelope's sender, None for `<>`, and `to` its recipients. `run` and `node` are those of the flow that
    it comes from, None for none. `attempts` counts how often it was tried, `error` is what ended the last attempt, in
    words, or None. `dueAt` is when one in the queue is tried next at the soonest (its server may have to be left alone
    until then), None for others.
    """

    attempts: int


class DeliveryRecipient(TypedDict):
    """One recipient and the server's last answer; `pending` while it is to be tried (again), else as in a Result."""

    address: str
    field: str
    status: Literal["pending", "accepted", "refused", "deferred", "unknown", "notTried"]
    replyCode: int | None
    enhancedStatusCode: str | None
    replyText: str


class DeliveryAttempt(TypedDict):
    """One attempt: what ended it, what to do about that, and the dialogue with the server, without secrets.

    `phase` and `code` are those of an error (see ErrorCode), None where it was accepted, and `endedAt` is None while it
    lasts.
    """

    number: int
    startedAt: int
    endedAt: int | None
    phase: str | None
    code: str | None
    replyCode: int | None
    message: str | None
    hint: str
    dialogue: str


class DeliveryOrigin(TypedDict):
    """The flow file that a delivery comes from, and the flow's name."""

    file: str
    flow: str


class DeliveryRetry(TypedDict):
    """By which route a person had a delivery sent again, and why not by that of its flow ("" where it was by that).

    `flow` is the route that its node in the flow file said by then, `asQueued` the one that it was queued with because
    the person wanted that, and `unchanged` the same because the flow's could not be known.
    """

    route: Literal["flow", "asQueued", "unchanged"]
    why: str


class DeliveryDetails(_Facts, _Sender):
    """All that is known of one delivery: the facts of a DeliverySummary, and each attempt by itself.

    `hint` is the remedy for `error`, "" for none. `expiresAt` is until when it is tried. `key` is its idempotency key.
    `result` is what its flow got, None while there is none. `origin` is None for one that comes from no flow file, and
    `retry` while no person had it sent again.
    """

    attempts: list[DeliveryAttempt]
    hint: str
    expiresAt: int
    port: int
    messageSize: int
    key: str | None
    recipients: list[DeliveryRecipient]
    result: Result | None
    origin: DeliveryOrigin | None
    retry: DeliveryRetry | None
