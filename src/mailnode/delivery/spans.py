"""The spans of a delivery and of its attempts."""

from typing import TYPE_CHECKING

from mailnode.tracing import Attributes, traced

if TYPE_CHECKING:
    from mailnode.delivery.attempt_loop import AttemptLoop
    from mailnode.delivery.delivery import Attempt
    from mailnode.delivery.result import Result


def _delivery(loop: "AttemptLoop") -> Attributes:
    one = loop.delivery
    return {
        "mailnode.delivery.id": one.id,
        "mailnode.run.id": one.run_id,
        "mailnode.connection": one.destination.connection or None,
        "server.address": one.host,
        "server.port": one.port,
    }


def _result(_loop: "AttemptLoop", result: "Result") -> Attributes:
    error = result["error"]
    return {"mailnode.delivery.status": result["status"], "error.type": error["code"] if error else None}


def _attempt(loop: "AttemptLoop") -> Attributes:
    return {"mailnode.delivery.id": loop.delivery.id, "mailnode.attempt": loop.delivery.tries + 1}


def _attempted(_loop: "AttemptLoop", attempt: "Attempt") -> Attributes:
    error = attempt.error
    return {"error.type": str(error.code), "mailnode.phase": error.phase} if error else {}


delivery_span = traced("mailnode.delivery", _delivery, _result)
attempt_span = traced("mailnode.attempt", _attempt, _attempted)
