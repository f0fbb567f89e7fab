"""The spans of a delivery and of its attempts."""

from typing import TYPE_CHECKING, Protocol

from mailnode.tracing import Attributes, traced

if TYPE_CHECKING:
    from mailnode.delivery.delivery import Attempt, Delivery
    from mailnode.delivery.result import Result


class _Sending(Protocol):
    """Who sends a delivery."""

    @property
    def delivery(self) -> "Delivery": ...


def _delivery(sending: _Sending) -> Attributes:
    one = sending.delivery
    return {
        "mailnode.delivery.id": one.id,
        "mailnode.run.id": one.run_id,
        "mailnode.connection": one.destination.connection or None,
        "server.address": one.host,
        "server.port": one.port,
    }


def _result(_sending: _Sending, result: "Result") -> Attributes:
    error = result["error"]
    return {"mailnode.delivery.status": result["status"], "error.type": error["code"] if error else None}


def _attempt(sending: _Sending) -> Attributes:
    return {"mailnode.delivery.id": sending.delivery.id, "mailnode.attempt": sending.delivery.tries + 1}


def _attempted(_sending: _Sending, attempt: "Attempt") -> Attributes:
    error = attempt.error
    return {"error.type": str(error.code), "mailnode.phase": error.phase} if error else {}


delivery_span = traced("mailnode.delivery", _delivery, _result)
attempt_span = traced("mailnode.attempt", _attempt, _attempted)
