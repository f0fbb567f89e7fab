"""`mailnode run`: run a flow and print the run as JSON."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

from mailnode.cli.arguments import json_object, state_options
from mailnode.cli.garbage import look_regularly
from mailnode.cli.output import counted, say, show_error, show_json, show_not_stored, tell_route, waiting
from mailnode.cli.signals import WAITING, run_stoppable
from mailnode.delivery.result import ResultError
from mailnode.errors import UsageError
from mailnode.flow.run import NodeResult, Run

if TYPE_CHECKING:
    from mailnode.app import Mailnode


@click.command("run")
@click.argument("flow", type=click.Path())
@state_options
@click.option(
    "--run-id", metavar="ID", help="The run's id: the same id again prints the first run and sends nothing twice."
)
@click.option(
    "--inputs",
    metavar="FILE",
    help="Run the flow once for each row of a .csv or .jsonl file; its fields are added to --input.",
)
@click.option("--no-wait", is_flag=True, help="Leave asynchronous email to `mailnode worker` or the next run.")
@click.option(
    "--queue", is_flag=True, help="Store the run for `mailnode worker` or `mailnode serve`, and do not run it."
)
def command(
    flow: str,
    input_text: str | None,
    context_text: str | None,
    run_id: str | None,
    inputs: str | None,
    no_wait: bool,
    queue: bool,
) -> int:
    """Run a flow, wait for its email, and print the run as JSON.

    With --inputs it prints a summary. The same command again runs the rows that are left: their run ids begin with
    --run-id, or with the file's digest. With --queue it prints the run's id once the run is stored, and a worker or
    `serve` runs it.

    Exit status: 0 done, even if an email failed whose node did not halt the flow (stopOnError false), 1 halted,
    2 wrong usage, flow or settings, 4 the outcome could not be stored.
    """
    input_, context = json_object(input_text, "--input"), json_object(context_text, "--context")

    if queue:
        if inputs is not None or no_wait:
            raise UsageError("--queue goes with neither --inputs nor --no-wait", hint="leave the other one out")
        return run_stoppable(_queue(flow, input_, context, run_id))
    if inputs is not None:
        from mailnode.cli.bulk import run_rows

        return run_stoppable(run_rows(flow, inputs, input_, context, run_id, no_wait=no_wait))

    async def run(mailnode: "Mailnode", change: Callable[[str], None]) -> "Run":
        run = await mailnode.run(flow, input=input_, context=context, run_id=run_id)
        return run if no_wait else await _settle(mailnode, run, change)

    return run_stoppable(_run_once(flow, run))


async def _queue(flow: str, input_: dict[str, Any], context: dict[str, Any], run_id: str | None) -> int:
    from mailnode.app import Mailnode

    async with Mailnode.open() as mailnode:
        accepted = await mailnode.queue_run(flow, input=input_, context=context, run_id=run_id)
    show_json(accepted.to_json())
    return 0


async def _run_once(flow: str, run_in: "Callable[[Mailnode, Callable[[str], None]], Awaitable[Run]]") -> int:
    from mailnode.app import Mailnode

    unstored = None
    try:
        with waiting(f"running {flow}") as change:
            async with Mailnode.open() as mailnode:
                unstored = mailnode.unstored
                try:
                    run = await run_in(mailnode, change)
                except asyncio.CancelledError:
                    if mailnode.report.answers_due:
                        say(WAITING)
                    raise
    except asyncio.CancelledError:
        if unstored and unstored.lost:
            return show_not_stored(counted(unstored.lost, "outcome"), unstored.reason)
        raise
    show_json(run.to_json())
    for node in run.nodes:
        for error in _errors(node):
            where = "" if f"node {node.id}" in error["message"] else f"node {node.id}: "
            show_error(where + error["message"], error["hint"], error["code"])
    if unstored.lost or not run.is_stored:
        return show_not_stored(f"the outcome of run {run.id}", unstored.reason)
    return 1 if run.status == "halted" else 0


async def _settle(mailnode: "Mailnode", run: "Run", change: Callable[[str], None]) -> "Run":
    def watch(left: int) -> None:
        change(f"waiting for {counted(left, 'email')}; Ctrl-C leaves the rest to `mailnode worker`")

    if not run.pending:
        return run
    mailnode.on_route_trouble(tell_route)
    look_regularly()
    try:
        async with mailnode.working(runs=False):
            return await mailnode.settled(run, watch)
    except asyncio.CancelledError:
        say(
            "email that was not sent yet stays in the queue for `mailnode worker` or the next run;"
            f" see `mailnode deliveries list --run {run.id}`"
        )
        raise


def _errors(node: NodeResult) -> list[ResultError]:
    """Give the errors of a node: its own, and that of the email it tried to send."""
    mail_error = (node.result or {}).get("error") if isinstance(node.result, dict) else None
    return [error for error in (node.error, mail_error) if error]
