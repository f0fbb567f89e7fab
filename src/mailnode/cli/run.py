"""`mailnode run`: run a flow and print what came of it."""

import asyncio

import click

from mailnode.cli.arguments import json_object, state_options
from mailnode.cli.output import say, show_error, show_json, waiting
from mailnode.delivery.report import ReportedError
from mailnode.flow.run import NodeReport


@click.command("run")
@click.argument("flow", type=click.Path())
@state_options
@click.option("--run-id", metavar="ID", help="The same id again tells what happened and sends nothing twice.")
def command(flow: str, input_text: str | None, context_text: str | None, run_id: str | None) -> int:
    """Run a flow; print the run as JSON.

    Exit status: 0 when it ran to its end, 1 when it halted, 2 when flow, settings or arguments are wrong.
    """
    from mailnode.app import Mailnode

    input_, context = json_object(input_text, "--input"), json_object(context_text, "--context")

    async def work() -> int:
        with waiting(f"running {flow}"):
            async with Mailnode.open() as mailnode:
                try:
                    run = await mailnode.run(flow, input=input_, context=context, run_id=run_id)
                except asyncio.CancelledError:
                    if mailnode.answers_due:
                        say(
                            "waiting for the server's answer to a mail that is handed over; Ctrl-C again leaves at once"
                        )
                    raise
        show_json(run.to_json())
        for node in run.nodes:
            for error in _errors(node):
                where = "" if f"node {node.id}" in error["message"] else f"node {node.id}: "
                show_error(where + error["message"], error["hint"])
        return 1 if run.status == "halted" else 0

    return asyncio.run(work())


def _errors(node: NodeReport) -> list[ReportedError]:
    """Find what a person should read of a node: its own error, or that of the mail it tried to send."""
    told = (node.result or {}).get("error") if isinstance(node.result, dict) else None
    return [error for error in (node.error, told) if error]
