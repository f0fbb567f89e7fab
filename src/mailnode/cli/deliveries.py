"""`mailnode deliveries`: what has become of the mails that flows have sent."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

import click

from mailnode.cli.output import clean, say, show_json, show_table
from mailnode.delivery.delivery import SHOWN_STATES, label
from mailnode.store.clock import utc

if TYPE_CHECKING:
    from mailnode.app import Mailnode
    from mailnode.delivery.delivery import ShownState
    from mailnode.delivery.details import DeliveryDetails, DeliveryRecipient
    from mailnode.delivery.queries import DeliveryQueries

T = TypeVar("T")

_SHORT_ID = 8
_WAYS = {"flow": ", as its flow says now", "asQueued": ", as it was queued"}
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("deliveries")
def command() -> None:
    """See what has become of the mails that flows have sent."""


@command.command("list")
@click.option("--state", "states", multiple=True, type=click.Choice(SHOWN_STATES), help="Only these; may be repeated.")
@click.option("--connection", help="Only those sent with this connection.")
@click.option("--to", "recipient", metavar="ADDRESS", help="Only those to this address, or one that holds this text.")
@click.option("--run", metavar="ID", help="Only those of this run.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="How many, at the most.")
@_json
def list_(
    states: "tuple[ShownState, ...]",
    connection: str | None,
    recipient: str | None,
    run: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List deliveries, the latest first."""
    found = _with_queries(
        lambda queries: queries.list(states=states, connection=connection, recipient=recipient, run=run, limit=limit)
    )
    if as_json:
        show_json(found)
        return
    rows = [
        (
            one["deliveryId"][:_SHORT_ID],
            _time(one["createdAt"]),
            label(one["state"]),
            _to(one["to"]),
            one["error"] or "",
        )
        for one in found
    ]
    empty = "no delivery matches" if states or connection or recipient or run else "no delivery is there yet"
    show_table(("Delivery", "Started", "State", "To", "What went wrong"), rows, empty=empty)


@command.command("show")
@click.argument("delivery", metavar="ID|MESSAGE-ID")
@_json
def show(delivery: str, as_json: bool) -> None:
    """Show one delivery: its recipients with the server's words, and each attempt."""
    found = _with_queries(lambda queries: queries.show(delivery))
    if as_json:
        show_json(found)
        return
    for word, text in _facts(found):
        click.echo(clean(f"{word:<12}{text}"))
    click.echo()
    recipients = [(one["address"], one["field"], label(one["status"]), _reply(one)) for one in found["recipients"]]
    show_table(("Recipient", "Field", "Status", "Reply"), recipients, empty="it has no recipient")
    if found["attempts"]:
        click.echo()
        show_table(("Attempt", "Started", "Took", "Phase", "What came of it"), _tries(found), empty="")
    for one in found["attempts"]:
        if one["dialogue"]:
            click.echo(f"\nAttempt {one['number']}, what was said:")
            click.echo("\n".join(f"  {clean(line)}" for line in one["dialogue"].splitlines()))


@command.command("retry")
@click.argument("delivery", metavar="ID|MESSAGE-ID")
@click.option("--as-queued", is_flag=True, help="Use the server and connection it was queued with.")
@click.option("--yes", is_flag=True, help="Do not ask, though the mail may have been accepted before.")
def retry(delivery: str, as_queued: bool, yes: bool) -> int:
    """Put a delivery into the queue once more, for `mailnode worker` or the next run.

    The mail stays what it was. Server, connection, ehloName and retryHours are those that its flow file says now.
    Whom a server has accepted it for does not get it again. One that may have been accepted is sent only if you say so.
    """
    from mailnode.delivery.admin import InDoubt

    try:
        found = _retried(delivery, as_queued=as_queued, is_sure=yes)
    except InDoubt as error:
        if not sys.stdin.isatty():
            raise
        click.confirm(f"{error}. Send it again?", abort=True, err=True)
        found = _retried(delivery, as_queued=as_queued, is_sure=True)
    assert found["retry"]
    if found["retry"]["why"]:
        say(f"it uses the server and connection it had: {found['retry']['why']}")
    way = _WAYS.get(found["retry"]["route"], "")
    say(f"{found['deliveryId']} is in the queue for {_server(found)}{way}; `mailnode worker` sends it")
    return 0


def _retried(delivery: str, *, as_queued: bool, is_sure: bool) -> "DeliveryDetails":
    async def work(mailnode: "Mailnode") -> "DeliveryDetails":
        return await mailnode.deliveries.show(
            await mailnode.deliveries.retry(delivery, as_queued=as_queued, is_sure=is_sure)
        )

    return _with_mailnode(work)


@command.command("cancel")
@click.argument("delivery", metavar="ID|MESSAGE-ID")
def cancel(delivery: str) -> int:
    """Take a delivery out of the queue, so that it is not sent."""
    say(f"{_with_mailnode(lambda mailnode: mailnode.deliveries.cancel(delivery))} is cancelled")
    return 0


def _facts(found: "DeliveryDetails") -> Iterator[tuple[str, str]]:
    yield "delivery", found["deliveryId"]
    yield "state", label(found["state"]) + _what_next(found)
    if found["state"] != "sent" and found["hint"]:
        yield "hint", found["hint"]
    if found["state"] == "queued" and found["error"] and found["origin"]:
        yield (
            "fixed it?",
            f"`mailnode deliveries retry {found['deliveryId'][:_SHORT_ID]}` sends it as its flow says now",
        )
    for warning in found["result"]["warnings"] if found["result"] else ():
        yield "warning", warning
    yield "message", f"{found['messageId']}, {found['messageSize']} bytes"
    yield "from", found["from"] or "<>"
    yield "by", _server(found)
    if found["retry"] and found["retry"]["why"]:
        yield "retry", f"by the server and connection it had: {found['retry']['why']}"
    yield "created", _time(found["createdAt"])
    if found["run"]:
        yield "run", f"{found['run']}, node {found['node']}"
    if found["key"] and found["key"] != f"{found['run']}/{found['node']}":
        yield "key", found["key"]


def _server(found: "DeliveryDetails") -> str:
    return f"{found['host']}:{found['port']}" + (f", {found['connection']}" if found["connection"] else "")


def _what_next(found: "DeliveryDetails") -> str:
    if found["state"] == "interrupted":
        return ": run its run again to have it sent, or start `mailnode worker`"
    if found["state"] == "held":
        return ": `mailnode deliveries retry` sends it again, `cancel` does not"
    if found["state"] != "queued":
        return ""
    assert found["dueAt"] is not None
    why = f"; {found['error']}" if found["error"] else ""
    return f": tried from {_time(found['dueAt'])} to {_time(found['expiresAt'])}{why}"


def _tries(found: "DeliveryDetails") -> Iterator[tuple[str, ...]]:
    for one in found["attempts"]:
        took = f"{one['endedAt'] - one['startedAt']} ms" if one["endedAt"] else ""
        yield str(one["number"]), _time(one["startedAt"]), took, one["phase"] or "", one["message"] or "accepted"


def _reply(one: "DeliveryRecipient") -> str:
    return " ".join(str(word) for word in (one["replyCode"], one["enhancedStatusCode"], one["replyText"]) if word)


def _to(addresses: list[str]) -> str:
    more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
    return f"{addresses[0]}{more}" if addresses else ""


def _time(unix_ms: int) -> str:
    return f"{utc(unix_ms):%Y-%m-%d %H:%M:%S} UTC"


def _with_mailnode(work: "Callable[[Mailnode], Awaitable[T]]") -> T:
    from mailnode.app import Mailnode

    async def main() -> T:
        async with Mailnode.open() as mailnode:
            return await work(mailnode)

    return asyncio.run(main())


def _with_queries(work: "Callable[[DeliveryQueries], Awaitable[T]]") -> T:
    from mailnode.delivery.queries import DeliveryQueries
    from mailnode.environment import Environment, open_connections

    async def main() -> T:
        async with open_connections(Environment.read()) as opened:
            return await work(DeliveryQueries(opened.database, opened.process))

    return asyncio.run(main())
