"""From a report to what the flow does next: what is stored where, and whether the run halts."""

from collections.abc import Awaitable
from dataclasses import replace

from mailnode.delivery.result import Result, result_of_error
from mailnode.errors import MailnodeError
from mailnode.node.node_api import NodeReturn, Write
from mailnode.node.settings import MailSettings


def return_of(settings: MailSettings, report: Result, later: Awaitable[Result] | None = None) -> NodeReturn:
    """Make the step of a mail that was tried: stored as its settings say, halting when they say so.

    A run halts on what nobody may have got, never on `partial` or `queued`: such mail is on its way to somebody.
    """
    failed = report["status"] in {"failed", "unknown", "held", "cancelled"}
    return NodeReturn(
        status="failed" if failed else "done",
        result=report,
        writes=_writes(settings, report),
        halt=failed and settings.stop_on_error,
        later=later,
    )


def return_of_error(settings: MailSettings, error: MailnodeError) -> NodeReturn:
    """Make the step of a mail that could not even be tried."""
    step = return_of(settings, result_of_error(error, connection=getattr(settings, "connection", None) or ""))
    # What stands in the result's way stays there.
    return replace(step, writes=()) if error.key == "resultKey" else step


def _writes(settings: MailSettings, report: Result) -> tuple[Write, ...]:
    if settings.store_result == "none" or settings.result_key is None:
        return ()
    return (Write(settings.store_result, settings.result_key, report),)
