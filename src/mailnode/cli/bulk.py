"""`mailnode run --inputs`: one run for each row of a file."""

import asyncio
from contextlib import aclosing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailnode.cli.loop import WAITING
from mailnode.cli.output import counting, say, tell_lane
from mailnode.cli.summary import Summary
from mailnode.cli.unstored import counted, show_not_stored
from mailnode.flow.rows import RowsFile

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from mailnode.app import Mailnode
    from mailnode.flow.bulk import RowEnd


async def run_rows(
    flow: str, inputs: str, input_: dict[str, Any], context: dict[str, Any], prefix: str | None, *, no_wait: bool
) -> int:
    """Run a flow for each row, print a summary, and give the exit status."""
    from mailnode.app import Mailnode

    rows = RowsFile.check(Path(inputs))
    summary = Summary(rows)
    prefix = rows.digest if prefix is None else prefix
    mailnode: Mailnode | None = None
    try:
        with counting(f"running {flow}", rows.count) as watch:
            async with Mailnode.open() as mailnode:
                mailnode.breaker.hear = tell_lane
                ends = mailnode.run_rows(flow, rows, input=input_, context=context, prefix=prefix)
                try:
                    async with nullcontext() if no_wait else mailnode.working():
                        await _collect(mailnode, summary, ends, watch, no_wait=no_wait)
                except asyncio.CancelledError:
                    await summary.catch_up(mailnode.queries)
                    raise
    except asyncio.CancelledError:
        say(f"{summary.ended} of {rows.count} rows have ended; the same command does what is left")
        summary.show()
        if mailnode and mailnode.unstored.lost:
            return show_not_stored(counted(mailnode.unstored.lost), mailnode.unstored.reason)
        raise
    summary.show()
    if mailnode.unstored.lost or summary.not_stored:
        return show_not_stored(f"what came of {summary.not_stored} rows", mailnode.unstored.reason)
    return 0 if summary.is_well else 1


async def _collect(
    mailnode: "Mailnode",
    summary: Summary,
    ends: "AsyncGenerator[RowEnd, None]",
    watch: "Callable[[int], None]",
    *,
    no_wait: bool,
) -> None:
    """Gather how rows end, and then how the mail does that they have queued."""
    try:
        async with aclosing(ends):
            async for end in ends:
                summary.add(end)
                watch(summary.ended)
        if not no_wait:
            async for delivery_id, report in mailnode.drained(summary.queued):
                summary.settle(delivery_id, report)
    except asyncio.CancelledError:
        if mailnode.answers_due:
            say(WAITING)
        raise
