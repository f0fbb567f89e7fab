"""`mailnode webhooks`: where the outcomes of deliveries are posted to."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import click

from mailnode.cli.arguments import NamesOptions
from mailnode.cli.delivery_filters import TIMES, unix_ms_of
from mailnode.cli.output import clean, confirm, counted, say, show_error, show_json, show_table
from mailnode.errors import UsageError

if TYPE_CHECKING:
    from mailnode.events.repository import Webhooks

T = TypeVar("T")


@click.group("webhooks")
def command() -> None:
    """Post the outcome of each delivery to a URL, signed by the Standard Webhooks convention."""


@command.command("create", cls=NamesOptions)
@click.argument("name")
@click.option("--url", required=True, help="Where outcomes are posted to: https, or a host of MAILNODE_WEBHOOK_ALLOW.")
@click.option(
    "--event",
    "events",
    multiple=True,
    metavar="OUTCOME",
    help="Post only this outcome: sent, partial, failed, unknown, held or cancelled; may be repeated. [default: all]",
)
def create(name: str, url: str, events: tuple[str, ...]) -> None:
    """Create a webhook and print its secret, which is not shown again.

    It gets what ends from now on. A worker or `mailnode serve` posts it.
    """
    secret = _with_webhooks(lambda webhooks: webhooks.create(name, url, events))
    say(f"webhook {name} created; this is its secret, which is shown only now:")
    click.echo(secret)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the webhooks."""
    webhooks = _with_webhooks(lambda webhooks: webhooks.list())
    if as_json:
        show_json(webhooks)
        return
    rows = [(one["name"], one["url"], one["state"], str(one["waiting"]), str(one["failed"])) for one in webhooks]
    empty = "no webhooks yet; create one with `mailnode webhooks create NAME --url URL`"
    show_table(("Webhook", "URL", "State", "Waiting", "Failed"), rows, empty=empty)


@command.command("show")
@click.argument("name")
def show(name: str) -> None:
    """Show a webhook as JSON, with its latest events and what came of each; its secret is not shown."""
    show_json(_with_webhooks(lambda webhooks: webhooks.show(name)))


@command.command("test")
@click.argument("name")
def test(name: str) -> int:
    """Post a test event now, and tell what the receiver answers.

    Exit status: 0 it was taken, 1 it was not.
    """
    answer = _with_webhooks(lambda webhooks: webhooks.test(name))
    if answer.trouble:
        show_error(f"webhook {name}: {answer.trouble}", answer.hint)
        return 1
    click.echo(clean(f"webhook {name}: the receiver answered {answer.status_code}"))
    return 0


@command.command("replay")
@click.argument("name")
@click.argument("events", nargs=-1, metavar="[EVENT]...")
@click.option("--since", type=TIMES, metavar="TIME", help="All that happened at this day or time (UTC) or later.")
def replay(name: str, events: tuple[str, ...], since: datetime | None) -> None:
    """Post events again: those with these ids, or of the deliveries with these ids.

    Without any it is those that were given up, and those that wait for their next try.
    """
    if events and since:
        raise UsageError("events and --since exclude each other", hint="give only one of them")
    count = _with_webhooks(lambda webhooks: webhooks.replay(name, events=events, since=unix_ms_of(since)))
    say(f"{counted(count, 'event')} of the webhook {name} will be posted again")


@command.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
def delete(name: str, yes: bool) -> None:
    """Delete a webhook, with the events that wait for it."""
    if not yes:
        confirm(f"Delete the webhook {name}, with the events that wait for it?")
    _with_webhooks(lambda webhooks: webhooks.delete(name))
    say(f"webhook {name} deleted")


def _with_webhooks(work: "Callable[[Webhooks], Awaitable[T]]") -> T:
    from mailnode.app import Mailnode

    async def main() -> T:
        async with Mailnode.open() as mailnode:
            return await work(mailnode.webhooks)

    return asyncio.run(main())
