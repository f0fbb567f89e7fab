"""What a node that sends email returns: its result, where that is stored, and whether the run halts."""

from collections.abc import Awaitable
from dataclasses import replace

from mailnode.delivery.result import Result, result_of_error
from mailnode.errors import MailnodeError
from mailnode.node.node_api import NodeReturn, Write
from mailnode.node.settings import MailSettings


def return_of(settings: MailSettings, result: Result, later: Awaitable[Result] | None = None) -> NodeReturn:
    """Give what the node returns for an email that was tried: the result, where to store it, and whether the run halts.

    A run halts on what nobody may have got, never on `partial` or `queued`: such mail is on its way to somebody.
    """
    failed = result["status"] in {"failed", "unknown", "held", "cancelled"}
    return NodeReturn(
        status="failed" if failed else "done",
        result=result,
        writes=_writes(settings, result),
        halt=failed and settings.stop_on_error,
        later=later,
    )


def return_of_error(settings: MailSettings, error: MailnodeError) -> NodeReturn:
    """Give what the node returns for an email that could not be tried."""
    step = return_of(settings, result_of_error(error, connection=getattr(settings, "connection", None) or ""))
    # What stands in the result's way stays there.
    return replace(step, writes=()) if error.key == "resultKey" else step


def _writes(settings: MailSettings, result: Result) -> tuple[Write, ...]:
    if settings.store_result == "none" or settings.result_key is None:
        return ()
    return (Write(settings.store_result, settings.result_key, result),)
