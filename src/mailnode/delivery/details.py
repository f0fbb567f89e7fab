"""What is shown of deliveries, to people and programs: the shapes of JSON."""

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
    port: int
    subject: str
    flow: str | None
    run: str | None
    node: str | None
    app: str | None
    duplicates: int
    error: str | None
    dueAt: int | None


class DeliverySummary(_Facts, _Sender):
    """One delivery in a list: what it is, how far it has come, and what went wrong last.

    Attributes:
        deliveryId: The id, 32 hexadecimal digits.
        state: `queued`, `claimed` or `handingOver` (both: being sent), `interrupted` (its process ended meanwhile), or
            how it ended: `sent`, `partial`, `failed`, `unknown`, `held`, `cancelled`.
        createdAt: When it was made, in Unix ms.
        updatedAt: When its state changed last, in Unix ms.
        messageId: The Message-ID, with its angle brackets.
        from (str | None): The envelope's sender, None for `<>`.
        to: The envelope's recipients.
        connection: The connection that it is sent with, "" for none.
        host: The server that it is sent to.
        port: The server's port.
        subject: The beginning of its subject; "" if it has none, or was made by an earlier version.
        flow: The name of the flow that it comes from, None for none.
        run: The id of the run that it comes from, None for none.
        node: The id of the node that it comes from, None for none.
        app: The program that handed it in by SMTP, None for none.
        duplicates: How often that program handed it in again, which sent nothing.
        attempts: How often it was tried.
        error: What ended the last attempt, in words; None if nothing went wrong.
        dueAt: When one in the queue is tried next, at the soonest, in Unix ms; None for others.
    """

    attempts: int


class DeliveryRecipient(TypedDict):
    """One recipient and the server's last answer about it.

    Attributes:
        address: The address in the envelope.
        field: The field that it stands in: `to`, `cc` or `bcc`.
        status: `pending` while it is to be tried, or tried again, else as in a ResultRecipient.
        replyCode: The server's reply code (RFC 5321 4.2), None without an answer.
        enhancedStatusCode: The server's status code (RFC 3463), None where it gave none.
        replyText: The server's words, "" without an answer.
    """

    address: str
    field: str
    status: Literal["pending", "accepted", "refused", "deferred", "unknown", "notTried"]
    replyCode: int | None
    enhancedStatusCode: str | None
    replyText: str


class DeliveryAttempt(TypedDict):
    """One attempt to send a delivery.

    Attributes:
        number: 1 for the first one.
        startedAt: When it began, in Unix ms.
        endedAt: When it ended, in Unix ms; None while it lasts.
        phase: Where it failed, such as `connect`, `auth` or `rcpt`; None if it did not.
        code: One of ErrorCode, None if it did not fail.
        replyCode: The server's reply code, None where it said nothing.
        message: What ended it, in words; None if it did not fail.
        hint: What to do about that, "" for nothing.
        dialogue: What was said to the server and by it, without secrets and content.
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
    """Where a delivery comes from.

    Attributes:
        file: The path of the flow file.
        flow: The flow's name.
    """

    file: str
    flow: str


class DeliveryRetry(TypedDict):
    """By which route (server, connection, EHLO name) a person had a delivery sent again.

    Attributes:
        route: `flow` is the one that its node in the flow file named by then, `asQueued` the one that it was queued
            with, because the person wanted that, and `unchanged` the same, because the flow's could not be known.
        why: Why it is `unchanged`, "" for the others.
    """

    route: Literal["flow", "asQueued", "unchanged"]
    why: str


class DeliveryDetails(_Facts, _Sender):
    """All that is known of one delivery: the keys of a DeliverySummary, but with each attempt, and more.

    Attributes:
        attempts: Each attempt, the first one first.
        hint: The remedy for `error`, "" for none.
        expiresAt: Until when it is tried, in Unix ms.
        messageSize: The size of the message in bytes.
        key: The idempotency key, None for none.
        recipients: Each recipient, with the server's last answer about it.
        result: What its flow got; None while there is none.
        origin: The flow file; None for an email that comes from none.
        retry: By which route it was sent again; None while no person had that done.
    """

    attempts: list[DeliveryAttempt]
    hint: str
    expiresAt: int
    messageSize: int
    key: str | None
    recipients: list[DeliveryRecipient]
    result: Result | None
    origin: DeliveryOrigin | None
    retry: DeliveryRetry | None
