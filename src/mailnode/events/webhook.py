"""A webhook, and the events that are posted to it, by the Standard Webhooks convention (standardwebhooks.com)."""

import base64
import hashlib
import hmac
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mailnode.delivery.delivery import FINAL_STATES
from mailnode.errors import ErrorCode, SettingsError
from mailnode.printable import quoted
from mailnode.store.clock import utc

if TYPE_CHECKING:
    from sqlalchemy import Row

# What happens to a delivery: the states that it can end in.
OUTCOMES: tuple[str, ...] = tuple(sorted(FINAL_STATES))
PREFIX = "delivery."
SECRET_PREFIX = "whsec_"  # noqa: S105 -- what a secret begins with
_SECRET_BYTES = 32

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where events are posted to, and what they are signed with."""

    id: str
    name: str
    url: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Event:
    """What is posted: `body` is JSON, and `id` is the same however often it is posted."""

    id: str
    body: bytes = field(repr=False)

    @classmethod
    def of(cls, event_id: str, kind: str, at: int, data: Any) -> "Event":
        """Make one that happened at a time (Unix ms)."""
        told = {"type": kind, "timestamp": utc(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")}
        return cls(event_id, json.dumps({**told, "data": data}, separators=(",", ":")).encode())

    @classmethod
    def of_row(cls, row: "Row[Any]") -> "Event":
        """Make the event of a row: what ended, and its result, as a flow stores it."""
        data = {
            "deliveryId": row.delivery_id,
            "runId": row.run_id,
            "nodeId": row.node_id,
            "flow": row.flow,
            "subject": row.subject,
            "result": _stored_result(row.result),
        }
        return cls.of(row.id, PREFIX + row.outcome, row.created_at, data)


def _stored_result(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):  # another program may have written anything
        return None


def new_secret() -> str:
    """Make a secret, as the convention writes it."""
    return SECRET_PREFIX + base64.b64encode(os.urandom(_SECRET_BYTES)).decode()


def signed_headers(event: Event, secret: str, at: int) -> dict[str, str]:
    """Give the header fields of a post that is made at a time (Unix seconds)."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    mac = hmac.new(key, f"{event.id}.{at}.".encode() + event.body, hashlib.sha256).digest()
    return {
        "webhook-id": event.id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
        "content-type": "application/json",
    }


def is_name(text: str) -> bool:
    """Whether a text may be the name of a webhook, or the id of an event."""
    return _NAME.fullmatch(text) is not None


def check_name(name: str) -> str:
    """Check the name of a webhook.

    Raises:
        SettingsError: it is not valid as one.
    """
    if not is_name(name):
        raise SettingsError(
            f"{quoted(name)} is not a valid name of a webhook",
            hint="use up to 64 letters, digits, dots, hyphens and underscores; begin and end with a letter or digit",
        ).locate(key="name")
    return name


def check_outcomes(given: Iterable[str]) -> Sequence[str]:
    """Give the outcomes that a webhook gets, in order: those that are given, or all where none is.

    Raises:
        SettingsError: one is no outcome of a delivery.
    """
    named = sorted({one.removeprefix(PREFIX) for one in given}) or OUTCOMES
    for one in named:
        if one not in OUTCOMES:
            raise SettingsError(
                f"{quoted(one)} is not the outcome of a delivery",
                code=ErrorCode.BAD_SETTING,
                hint=f"the outcomes are {', '.join(OUTCOMES)}",
            ).locate(key="events")
    return named


def outcomes_column(outcomes: Iterable[str]) -> str:
    """Write outcomes as the database's trigger looks for them, each between two spaces."""
    return f" {' '.join(outcomes)} "
