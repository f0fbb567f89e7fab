"""`mailnode run --inputs`: one run for each row of a file."""

import asyncio
from contextlib import aclosing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mailnode.cli.output import counting, say, show_error, show_json
from mailnode.flow.rows import RowsFile

if TYPE_CHECKING:
    from mailnode.flow.bulk import RowEnd

# More of them would hide what they have in common.
_TOLD = 20


async def run_rows(
    flow: str, inputs: str, input_: dict[str, Any], context: dict[str, Any], prefix: str | None, *, no_wait: bool
) -> int:
    """Run a flow for each row, print a summary, and give the exit status."""
    from mailnode.app import Mailnode

    rows = RowsFile.check(Path(inputs))
    summary = Summary(rows)
    prefix = rows.digest if prefix is None else prefix
    with counting(f"running {flow}", rows.count) as watch:
        async with Mailnode.open() as mailnode, nullcontext() if no_wait else mailnode.working():
            try:
                async with aclosing(
                    mailnode.run_rows(flow, rows, input=input_, context=context, prefix=prefix)
                ) as ends:
                    async for end in ends:
                        summary.add(end)
                        watch(summary.ended)
                summary.mails = dict(await (mailnode.ledger.states if no_wait else mailnode.drained)(f"{prefix}-"))
            except asyncio.CancelledError:
                say(f"{summary.ended} of {rows.count} rows have ended; the same command does what is left")
                raise
    summary.show()
    return 0 if summary.is_done else 1


class Summary:
    """What has become of the rows so far; `mails` counts their mails by state."""

    def __init__(self, rows: RowsFile) -> None:
        """Begin before the first row."""
        self._rows = rows
        self._repeated = 0
        self._done = 0
        self._failed: list[dict[str, Any]] = []
        self.ended = 0
        self.mails: dict[str, int] = {}

    @property
    def is_done(self) -> bool:
        """Whether every row's run came to its end."""
        return self._done == self._rows.count

    def add(self, end: "RowEnd") -> None:
        """Count one row."""
        self.ended += 1
        if end.run and end.run.status == "done":
            self._done += 1
            self._repeated += end.run.is_repeat
        elif len(self._failed) < _TOLD:
            words, hint = _why(end)
            self._failed.append({"row": end.number, "run": end.run_id, "error": words})
            show_error(f"row {end.number}: {words}", hint)

    def show(self) -> None:
        """Print it as JSON; only the first of those that failed are in it."""
        show_json(
            {
                "file": str(self._rows.path),
                "rows": self._rows.count,
                "done": self._done,
                "doneBefore": self._repeated,
                "halted": self._rows.count - self._done,
                "failed": self._failed,
                "mails": self.mails,
            }
        )


def _why(end: "RowEnd") -> tuple[str, str]:
    if end.error:
        return str(end.error), end.error.hint
    for node in end.run.nodes if end.run else ():
        told = node.result.get("error") if isinstance(node.result, dict) else None
        if (error := node.error or told) and node.status == "failed":
            return error["message"], error["hint"]
    return "the run halted", ""
