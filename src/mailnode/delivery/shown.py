"""What is shown of one delivery beside what a list shows: its recipients, its attempts, its origin."""

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection as Transaction
from sqlalchemy import Row, select

from mailnode.delivery.details import DeliveryAttempt, DeliveryOrigin, DeliveryRecipient, DeliveryRetry
from mailnode.delivery.reroute import RETRY_ROUTES
from mailnode.delivery.result import ResultError
from mailnode.delivery.row_reader import origin_of, stored_json
from mailnode.smtp.remedy import explain
from mailnode.smtp.reply import Reply
from mailnode.store.tables import attempts, delivery_recipients

_AUTH = re.compile(r"^C: AUTH (\S+)", re.MULTILINE)


def origin_shown(row: Row[Any]) -> DeliveryOrigin | None:
    """Give the flow file that it comes from."""
    origin = origin_of(row)
    return {"file": origin.file, "flow": origin.flow} if origin else None


def retry_shown(row: Row[Any]) -> DeliveryRetry | None:
    """Give by which route a person had it sent again."""
    retry = stored_json(row.options).get("retry")
    is_told = isinstance(retry, dict) and set(retry) == {"route", "why"} and retry["route"] in RETRY_ROUTES
    return retry if is_told else None


def recipients_shown(db: Transaction, delivery_id: str) -> list[DeliveryRecipient]:
    """Give its recipients, in their order."""
    of_it = delivery_recipients.c.delivery_id == delivery_id
    return [
        {
            "address": one.address,
            "field": one.field,
            "status": one.status,
            "replyCode": one.reply_code,
            "enhancedStatusCode": one.enhanced_status_code,
            "replyText": one.reply_text or "",
        }
        for one in db.execute(select(delivery_recipients).where(of_it).order_by(delivery_recipients.c.position))
    ]


def hints_of(*errors: ResultError | None) -> dict[str, str]:
    """Give the remedies of errors, by their messages."""
    return {error["message"]: error["hint"] for error in errors if error}


def attempts_shown(db: Transaction, row: Row[Any], known: Mapping[str, str]) -> list[DeliveryAttempt]:
    """Give its attempts; `known` has remedies by what went wrong."""
    of_it = attempts.c.delivery_id == row.id
    return [
        {
            "number": one.number,
            "startedAt": one.started_at,
            "endedAt": one.ended_at,
            "phase": one.phase,
            "code": one.code,
            "replyCode": one.reply_code,
            "message": one.message,
            "hint": known.get(one.message or "", "") or _remedy(one, row),
            "dialogue": one.dialogue or "",
        }
        for one in db.execute(select(attempts).where(of_it).order_by(attempts.c.number))
    ]


def _remedy(attempt: Row[Any], delivery: Row[Any]) -> str:
    """Find what a server's words mean; of what failed without any only the last is remembered."""
    if not attempt.reply_code:
        return ""
    logins = _AUTH.findall(attempt.dialogue or "")
    # Of a session that was open already the dialogue tells no login; who has a connection has logged in.
    mechanism = logins[-1] if logins else delivery.connection
    reply = Reply(attempt.reply_code, (attempt.message or "",))
    return explain(reply, attempt.phase, delivery.host, mechanism=mechanism)
