"""The result of a delivery, which a flow stores.

The first keys have the names that Nodemailer's users know. No secret and no body is ever in it.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NotRequired, TypedDict

from mailnode.delivery.delivery import Delivery, UnreadableDelivery
from mailnode.errors import ErrorCode, InternalError, MailnodeError, Phase, SmtpError
from mailnode.smtp.outcome import Outcome, Recipient, Timings
from mailnode.smtp.remedy import explain

NOT_STORED = "outcomeNotStored"

Status = Literal["sent", "partial", "failed", "unknown", "queued", "held", "cancelled"]
WORST_FIRST: tuple[Status, ...] = ("failed", "unknown", "held", "partial", "cancelled", "queued", "sent")


class ResultRecipient(TypedDict):
    """One recipient of a delivery that has ended, or is queued, and the server's last answer about it.

    Attributes:
        address: The address in the envelope.
        field: The field that it stands in: `to`, `cc` or `bcc`.
        status: `notTried` when no server was asked, `unknown` when the answer never came.
        replyCode: The server's reply code (RFC 5321 4.2), None without an answer.
        enhancedStatusCode: The server's status code (RFC 3463), None where it gave none.
        replyText: The server's words, "" without an answer.
    """

    address: str
    field: str
    status: Literal["accepted", "refused", "deferred", "unknown", "notTried"]
    replyCode: int | None
    enhancedStatusCode: str | None
    replyText: str


class ResultError(TypedDict):
    """What went wrong, and what to do about it.

    Attributes:
        code: One of ErrorCode.
        phase: Where it happened, such as `settings`, `connect`, `auth` or `rcpt`.
        message: The error in a sentence, with the server's words where it said any.
        hint: The remedy.
        transient: Whether the same may work later.
        replyCode: The server's reply code, None where it said nothing.
        enhancedStatusCode: The server's status code, None where it gave none.
    """

    code: str
    phase: Phase
    message: str
    hint: str
    transient: bool
    replyCode: int | None
    enhancedStatusCode: str | None


class ResultInvitation(TypedDict):
    """The event that an email invites to, for its update or its cancellation.

    Attributes:
        uid: What tells the event from every other one.
        sequence: How often it was sent before.
    """

    uid: str
    sequence: int


class Result(TypedDict):
    """The result of sending one email, as a flow stores it; its keys are JSON's.

    Attributes:
        status: `sent` (for every recipient), `partial`, `failed`, `unknown` (it may have been accepted), `queued`,
            `held` (left to a person) or `cancelled`.
        duplicate: True, and there only where an earlier send with the same idempotency key is reported.
        messageId: The Message-ID, with its angle brackets.
        envelope: `{"from": address or None, "to": [address, ...]}`.
        accepted: The addresses that the server accepted it for.
        rejected: The addresses that it refused, or deferred.
        response: The server's deciding reply, "" without one.
        messageSize: The size of the message in bytes.
        recipients: Each recipient, with the server's answer about it.
        error: Why it is not `sent`, None for `sent` and `queued`.
        deliveryId: The id of the delivery, "" if it did not come to one.
        attempts: How often it was tried.
        connection: The connection that was used, "" for none.
        host: The server.
        tlsVersion: The version of TLS that was used, "" for none.
        authMechanism: How the login was done, "" for none.
        timings: Milliseconds: `connectMs`, `authMs`, `envelopeMs`, `contentMs`, `totalMs`; empty without a session.
        warnings: What was left out of the email, or should be known about the delivery.
        invitation: The event that it invites to; there only for an invitation that came to a delivery.
    """

    status: Status
    duplicate: NotRequired[bool]
    messageId: str
    envelope: dict[str, object]
    accepted: list[str]
    rejected: list[str]
    response: str
    messageSize: int
    recipients: list[ResultRecipient]
    error: ResultError | None
    deliveryId: str
    attempts: int
    connection: str
    host: str
    tlsVersion: str
    authMechanism: str
    timings: dict[str, float]
    warnings: list[str]
    invitation: NotRequired[ResultInvitation]


def result_of(
    delivery: Delivery,
    *,
    status: Status | None = None,
    outcome: Outcome | None = None,
    error: MailnodeError | None = None,
) -> Result:
    """Give the result of a delivery; `outcome` is its last transaction's, `error` what ended its last attempt.

    `status` is given for one that has not ended by itself.
    """
    status = status or _status(delivery)
    accepted = [recipient.address for recipient in delivery.recipients if recipient.status == "accepted"]
    ended_by = error or refusal(delivery, outcome)
    why = None if status in {"sent", "queued"} else _unknown_or(ended_by, status, in_doubt=delivery.is_in_doubt)
    result = Result(
        status=status,
        messageId=delivery.message_id,
        envelope={"from": delivery.reverse_path, "to": [recipient.address for recipient in delivery.recipients]},
        accepted=accepted,
        rejected=[r.address for r in delivery.recipients if r.status in {"refused", "deferred"}],
        response=str(outcome.reply) if outcome else "",
        messageSize=delivery.size,
        recipients=[_result_recipient(recipient, unknown=delivery.is_in_doubt) for recipient in delivery.recipients],
        error=describe(why) if why else None,
        deliveryId=delivery.id,
        attempts=delivery.tries,
        connection=delivery.destination.connection,
        host=delivery.host,
        tlsVersion=outcome.tls_version if outcome else "",
        authMechanism=outcome.auth_mechanism if outcome else "",
        timings=_timings(outcome.timings) if outcome else {},
        warnings=list(delivery.warnings),
    )
    if event := delivery.invitation:
        result["invitation"] = ResultInvitation(uid=event["uid"], sequence=event["sequence"])
    return result


def result_of_error(error: MailnodeError, *, connection: str = "", host: str = "") -> Result:
    """Give the result of an email that never became a delivery; its message tells of errors found with it too."""
    described = describe(error)
    described["message"] = "; ".join([described["message"], *(_told(other) for other in error.others)])
    return Result(
        status="failed",
        messageId="",
        envelope={"from": None, "to": []},
        accepted=[],
        rejected=[],
        response="",
        messageSize=0,
        recipients=[],
        error=described,
        deliveryId="",
        attempts=0,
        connection=connection,
        host=host,
        tlsVersion="",
        authMechanism="",
        timings={},
        warnings=[],
    )


def _told(other: MailnodeError) -> str:
    return f"{other.key}: {other.message}" if other.key else other.message


def worst_of(results: Iterable[Any]) -> Status | None:
    """Give the worst status of those of these values that are results of emails, None where none is one."""
    found = {one.get("status") for one in results if isinstance(one, dict) and "deliveryId" in one}
    return next((status for status in WORST_FIRST if status in found), None)


def unstored(result: Result, error: MailnodeError) -> Result:
    """Add the warning that a result is not stored in the database."""
    return {**result, "warnings": [*result["warnings"], f"{NOT_STORED}: {error.message}"]}


def is_unstored(result: Mapping[str, Any]) -> bool:
    """Tell whether a result says so."""
    return any(str(warning).startswith(NOT_STORED) for warning in result.get("warnings") or ())


def describe(error: MailnodeError) -> ResultError:
    """Give an error as JSON; the message names the place, `hint` the remedy."""
    return ResultError(
        code=str(error.code),
        phase=error.phase,
        message=str(error),
        hint=error.hint,
        transient=error.transient,
        replyCode=error.reply_code if isinstance(error, SmtpError) else None,
        enhancedStatusCode=error.enhanced_status_code if isinstance(error, SmtpError) else None,
    )


_REFUSED_AT: dict[Phase, tuple[ErrorCode, str]] = {
    "mail": (ErrorCode.SENDER_REFUSED, "the server refused the sender"),
    "rcpt": (ErrorCode.RECIPIENTS_REFUSED, "the server refused"),
    "data": (ErrorCode.CONTENT_REFUSED, "the server refused to take the message"),
    "content": (ErrorCode.CONTENT_REFUSED, "the server refused the message"),
}


def refusal(delivery: Delivery, outcome: Outcome | None) -> SmtpError | None:
    """Make the error that says which recipients a server did not accept, in its own words; None when it took all."""
    missing = [r for r in delivery.recipients if r.status in {"refused", "deferred"}]
    reply = next((r.reply for r in missing if r.reply), outcome.reply if outcome else None)
    if not missing or reply is None:
        return None
    phase = outcome.phase if outcome and reply == outcome.reply else "rcpt"
    code, words = _REFUSED_AT.get(phase, _REFUSED_AT["content"])
    if phase == "rcpt":
        words += f" {len(missing)} of {len(delivery.recipients)} recipients ({missing[0].address})"
    return SmtpError(
        f"{words}: {reply}",
        code=code,
        phase=phase,
        hint=explain(reply, phase, mechanism=outcome.auth_mechanism if outcome else ""),
        transient=all(r.status == "deferred" for r in missing),
        reply_code=reply.code,
        enhanced_status_code=reply.enhanced_status_code,
        reply_text=reply.text,
    )


def _timings(timings: Timings) -> dict[str, float]:
    return {
        "connectMs": round(timings.connect_ms, 3),
        "authMs": round(timings.auth_ms, 3),
        "envelopeMs": round(timings.envelope_ms, 3),
        "contentMs": round(timings.content_ms, 3),
        "totalMs": round(timings.total_ms, 3),
    }


def _status(delivery: Delivery) -> Status:
    accepted = sum(recipient.status == "accepted" for recipient in delivery.recipients)
    if accepted == len(delivery.recipients):
        return "sent"
    if delivery.is_in_doubt:
        return "held" if delivery.terms.on_unknown == "hold" else "unknown"
    return "partial" if accepted else "failed"


def _held_after(error: MailnodeError, *, in_doubt: bool) -> MailnodeError:
    doubt = "; the server may have accepted the message before" if in_doubt else ""
    again = "; then retry the delivery" if isinstance(error, InternalError) else ""
    return MailnodeError(f"{error.message}{doubt}", code=error.code, phase=error.phase, hint=f"{error.hint}{again}")


def _unknown_or(error: MailnodeError | None, status: Status, *, in_doubt: bool) -> MailnodeError | None:
    if status not in {"unknown", "held"} or (error and error.code is ErrorCode.UNKNOWN_OUTCOME):
        return error
    if status == "held" and isinstance(error, InternalError | UnreadableDelivery):
        return _held_after(error, in_doubt=in_doubt)
    detail = f"; the last attempt failed too: {error.message}" if error else ""
    return SmtpError(
        f"the server may have accepted the message: the session ended before its reply{detail}",
        code=ErrorCode.UNKNOWN_OUTCOME,
        phase="content",
        hint="ask the recipient, or look for the Message-ID in the server's log; retry the delivery if it did not"
        " arrive",
    )


def _result_recipient(recipient: Recipient, *, unknown: bool) -> ResultRecipient:
    untold: Literal["unknown", "notTried"] = "unknown" if unknown else "notTried"
    reply = recipient.reply
    return ResultRecipient(
        address=recipient.address,
        field=recipient.field,
        status=untold if recipient.status == "pending" else recipient.status,
        replyCode=reply.code if reply else None,
        enhancedStatusCode=reply.enhanced_status_code if reply else None,
        replyText=reply.text if reply else "",
    )
