"""The options by which `mailnode deliveries` finds deliveries, and what it does to all that are found."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mailnode.cli.output import confirm, counted, say, show_error
from mailnode.delivery.delivery import SHOWN_STATES, asked_states
from mailnode.errors import UsageError

if TYPE_CHECKING:
    from mailnode.app import Mailnode
    from mailnode.delivery.bulk import Action, BulkOutcome
    from mailnode.delivery.pages import Filter

F = TypeVar("F", bound=Callable[..., Any])

_DAY = "%Y-%m-%d"
TIMES = click.DateTime([_DAY, "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"])
_SHORT_ID = 8
_FILTERS = (
    click.option(
        "--state",
        "states",
        multiple=True,
        type=click.Choice((*SHOWN_STATES, "sending")),
        help="Only these states; may be repeated. sending: claimed and handingOver.",
    ),
    click.option("--flow", metavar="NAME", help="Only those of this flow."),
    click.option("--app", metavar="NAME", help="Only those that this app has handed in."),
    click.option("--subject", metavar="WORDS", help="Only those whose subject contains this."),
    click.option(
        "--to",
        "recipient",
        metavar="ADDRESS",
        help="Only those to this address, to addresses that begin so, or to a domain (@example.org).",
    ),
    click.option("--connection", metavar="NAME", help="Only those of this connection."),
    click.option("--run", metavar="ID", help="Only those of this run."),
    click.option("--since", type=TIMES, metavar="TIME", help="Only those created at this day or time (UTC) or later."),
    click.option(
        "--until",
        type=TIMES,
        metavar="TIME",
        help="Only those created before this time (UTC), or until this day ends.",
    ),
)


def filtered(command: F) -> F:
    """Add the options; `filter_of` reads what they were given."""
    for option in reversed(_FILTERS):
        command = option(command)
    return command


def filter_of(given: dict[str, Any], *, limit: int) -> "Filter":
    """Give what is looked for."""
    from mailnode.delivery.pages import Filter

    since, until = given["since"], given["until"]
    if until is not None and (until.hour, until.minute, until.second) == (0, 0, 0):
        until += timedelta(days=1)
    return Filter(
        states=asked_states(given["states"]),
        connection=given["connection"],
        recipient=given["recipient"],
        run=given["run"],
        flow=given["flow"],
        app=given["app"],
        subject=given["subject"],
        since=unix_ms_of(since),
        until=unix_ms_of(until),
        limit=limit,
    )


def is_filtered(given: dict[str, Any]) -> bool:
    """Tell whether any of the options was given."""
    return any(value not in (None, ()) for value in given.values())


def do_to_many(action: "Action", ids: Sequence[str], given: dict[str, Any], *, yes: bool, **how: bool) -> int:
    """Retry or cancel those with these ids, or all that are found, after a question that says how many.

    Raises:
        UsageError: neither is given, or both, or nobody can be asked.
    """
    if bool(ids) == is_filtered(given):
        raise UsageError(
            f"it is not clear what to {action}",
            hint="give the ids of deliveries, or options such as --state failed --flow orders, not both",
        )
    return asyncio.run(_do(action, ids, given, yes=yes, **how))


async def _do(action: "Action", ids: Sequence[str], given: dict[str, Any], *, yes: bool, **how: bool) -> int:
    from mailnode.app import Mailnode
    from mailnode.delivery.bulk import MOST_AT_ONCE, find_all

    async with Mailnode.open() as mailnode:
        wanted = filter_of(given, limit=MOST_AT_ONCE + 1)
        found = list(ids) or await find_all(mailnode.deliveries, action, wanted)
        if not found:
            say(f"no delivery to {action} matches")
            return 0
        if len(found) > MOST_AT_ONCE:
            found = found[:MOST_AT_ONCE]
            say(f"more than {MOST_AT_ONCE:,} match; these are the latest")
        if not yes:
            if not sys.stdin.isatty():
                raise UsageError(
                    f"{counted(len(found), 'email')} would be affected, and nobody can be asked", hint="use --yes"
                )
            what = counted(len(found), "email")
            confirm(f"Send {what} again?" if action == "retry" else f"Cancel {what}?")
        outcome = await _act(mailnode, action, found, **how)
    return _tell(action, outcome)


async def _act(mailnode: "Mailnode", action: "Action", ids: Sequence[str], **how: bool) -> "BulkOutcome":
    from mailnode.delivery.bulk import cancel_all, retry_all

    if action == "cancel":
        return await cancel_all(mailnode.deliveries, ids)
    return await retry_all(mailnode.deliveries, ids, **how)


def _tell(action: "Action", outcome: "BulkOutcome") -> int:
    """Say what came of it, and give the exit status: 1 if any was refused."""
    for _, error in outcome.refused:
        show_error(str(error), error.hint, error.code)
    is_are = "is" if len(outcome.done) == 1 else "are"
    what = f"{counted(len(outcome.done), 'email')} {is_are}"
    say(f"{what} queued; `mailnode worker` sends them" if action == "retry" else f"{what} cancelled")
    return 1 if outcome.refused else 0


def unix_ms_of(time: datetime | None) -> int | None:
    return None if time is None else int(time.replace(tzinfo=UTC).timestamp() * 1000)
