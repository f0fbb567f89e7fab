"""`mailnode run --inputs`: one run for each row of a file."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailnode.cli.garbage import look_regularly
from mailnode.cli.output import FAILED, counted, counting, say, show_error, show_json, show_not_stored, tell_route
from mailnode.cli.signals import WAITING
from mailnode.delivery.result import NOT_STORED, Result, ResultError, is_unstored
from mailnode.flow.rows import RowsFile

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from mailnode.app import Mailnode
    from mailnode.delivery.queries import DeliveryQueries
    from mailnode.flow.rows import RowResult
    from mailnode.flow.run import NodeResult, Run

# More errors would hide what they have in common.
_TOLD = 10


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
                look_regularly()
                mailnode.on_route_trouble(tell_route)
                ends = mailnode.run_rows(flow, rows, input=input_, context=context, prefix=prefix)
                try:
                    async with nullcontext() if no_wait else mailnode.working(runs=False):
                        await _collect(mailnode, summary, ends, watch, no_wait=no_wait)
                except asyncio.CancelledError:
                    await summary.catch_up(mailnode.deliveries)
                    raise
    except asyncio.CancelledError:
        say(f"{summary.ended} of {rows.count} rows are done; run the same command again for the rest")
        summary.show()
        if mailnode and mailnode.unstored.lost:
            return show_not_stored(counted(mailnode.unstored.lost, "outcome"), mailnode.unstored.reason)
        raise
    summary.show()
    if mailnode.unstored.lost or summary.not_stored:
        return show_not_stored(f"the outcome of {summary.not_stored} rows", mailnode.unstored.reason)
    return 0 if summary.is_well else 1


async def _collect(
    mailnode: "Mailnode",
    summary: "Summary",
    ends: "AsyncGenerator[RowResult, None]",
    watch: "Callable[[int], None]",
    *,
    no_wait: bool,
) -> None:
    """Collect how the runs of rows end, and then how their queued email does."""
    try:
        async with aclosing(ends):
            async for end in ends:
                summary.add(end)
                watch(summary.ended)
        if not no_wait:
            async for delivery_id, result in mailnode.drained(summary.queued):
                summary.settle(delivery_id, result)
    except asyncio.CancelledError:
        if mailnode.report.answers_due:
            say(WAITING)
        raise


class Summary:
    """Counts how the runs of the rows ended, and their emails by status."""

    def __init__(self, rows: RowsFile) -> None:
        """Begin before the first row."""
        self._rows = rows
        self._repeated = 0
        self._halted: set[int] = set()
        self._failed: set[int] = set()
        self._told: list[dict[str, Any]] = []
        self._queued: dict[str, tuple[int, str]] = {}
        self._mails: Counter[str] = Counter()
        self._not_stored: set[int] = set()
        self.ended = 0

    @property
    def not_stored(self) -> int:
        """How many rows have an end, or an outcome, that could not be stored."""
        return len(self._not_stored)

    @property
    def is_well(self) -> bool:
        """Whether the runs of all rows are done and nothing failed."""
        return self.ended == self._rows.count and not self._halted and not self._failed

    @property
    def queued(self) -> list[str]:
        """The ids of deliveries that have no outcome yet."""
        return list(self._queued)

    def add(self, end: "RowResult") -> None:
        """Count one row."""
        self.ended += 1
        if end.run is None or end.run.status != "done":
            self._halted.add(end.number)
        if end.run is None:
            self._tell(end.number, end.run_id, str(end.error), end.error.hint if end.error else "")
            return
        self._repeated += end.run.is_repeat or _was_all_sent_before(end.run)
        if not end.run.is_stored:
            self._not_stored.add(end.number)
        self._count_mails(end.number, end.run)
        if failures := list(_failures(end.run)):
            self._fail(end.number, end.run_id, *failures[0])
        elif end.number in self._halted:
            self._tell(end.number, end.run_id, "the run halted", "")

    def _count_mails(self, row: int, run: "Run") -> None:
        for node in run.nodes:
            delivery_id, status = _mail_of(node)
            if delivery_id and status == "queued":
                self._queued[delivery_id] = (row, run.id)
            elif delivery_id:
                self._mails[status] += 1

    def settle(self, delivery_id: str, result: Result | None) -> None:
        """Count the outcome of a queued email."""
        row, run_id = self._queued.pop(delivery_id)
        if result is None:
            return
        self._mails[result["status"]] += 1
        if is_unstored(result):
            self._not_stored.add(row)
        if result["status"] in FAILED:
            self._fail(row, run_id, *_words(result["status"], result["error"]))

    async def catch_up(self, queries: "DeliveryQueries") -> None:
        """Count the outcomes that are known by now."""
        for delivery_id, result in (await queries.outcomes(self.queued)).items():
            self.settle(delivery_id, result)

    def _fail(self, row: int, run_id: str, words: str, hint: str) -> None:
        if row not in self._failed:
            self._failed.add(row)
            self._tell(row, run_id, words, hint)

    def _tell(self, row: int, run_id: str, words: str, hint: str) -> None:
        if len(self._told) < _TOLD:
            self._told.append({"row": row, "run": run_id, "error": words})
            show_error(f"row {row}: {words}", hint)

    def show(self) -> None:
        """Print it as JSON, with the first failures only."""
        failed = self._failed - self._halted
        if (more := len(self._halted | failed) - len(self._told)) > 0:
            say(f"and {more} more rows failed")
        mails = self._mails + Counter({"queued": len(self._queued)})
        show_json(
            {
                "file": str(self._rows.path),
                "rows": self._rows.count,
                "done": self.ended - len(self._halted | failed),
                "doneBefore": self._repeated,
                "doneWithFailures": len(failed),
                "halted": len(self._halted),
                "left": self._rows.count - self.ended,
                "failed": self._told,
                **({NOT_STORED: self.not_stored} if self.not_stored else {}),
                "mails": dict(mails),
            }
        )


def _was_all_sent_before(run: "Run") -> bool:
    """Whether all email of a run was sent before, by a run that has been deleted since."""
    results = [node.result for node in run.nodes if _mail_of(node)[0]]
    return bool(results) and all(result.get("duplicate") for result in results)


def _mail_of(node: "NodeResult") -> tuple[str, str]:
    result = node.result if isinstance(node.result, dict) else {}
    return result.get("deliveryId", ""), result.get("status", "")


def _failures(run: "Run") -> Iterator[tuple[str, str]]:
    """Give the failures in a run so far, each with its remedy."""
    for node in run.nodes:
        delivery_id, status = _mail_of(node)
        # The first result of a node may be outdated: its email has an outcome of its own.
        if not (status in FAILED if delivery_id else node.status == "failed"):
            continue
        mail_error = node.result.get("error") if isinstance(node.result, dict) else None
        yield _words(status or "failed", node.error or mail_error)


def _words(status: str, error: ResultError | None) -> tuple[str, str]:
    if error is None:
        return status, ""
    return error["message"] if status == "failed" else f"{status}: {error['message']}", error["hint"]
