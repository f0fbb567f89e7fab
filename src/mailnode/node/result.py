"""From a report to what the flow does next: what is stored where, and whether the run halts."""

from collections.abc import Awaitable
from dataclasses import replace

from mailnode.delivery.report import Report, report_of_error
from mailnode.errors import MailnodeError
from mailnode.node.settings import MailSettings
from mailnode.node.step import Step, Write


def step_of(settings: MailSettings, report: Report, later: Awaitable[Report] | None = None) -> Step:
    """Make the step of a mail that was tried: stored as its settings say, halting when they say so.

    A run halts on what nobody may have got, never on `partial` or `queued`: such mail is on its way to somebody.
    """
    failed = report["status"] in {"failed", "unknown", "held", "cancelled"}
    return Step(
        status="failed" if failed else "done",
        result=report,
        writes=_writes(settings, report),
        halt=failed and settings.stop_on_error,
        later=later,
    )


def step_of_error(settings: MailSettings, error: MailnodeError) -> Step:
    """Make the step of a mail that could not even be tried."""
    step = step_of(settings, report_of_error(error, connection=getattr(settings, "connection", None) or ""))
    # What stands in the result's way stays there.
    return replace(step, writes=()) if error.key == "resultKey" else step


def _writes(settings: MailSettings, report: Report) -> tuple[Write, ...]:
    if settings.store_result == "none" or settings.result_key is None:
        return ()
    return (Write(settings.store_result, settings.result_key, report),)
