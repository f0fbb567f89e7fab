"""`mailnode deliveries`: the emails of flows, and what became of them."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mailnode.cli.delivery_filters import do_to_many, filter_of, filtered, is_filtered
from mailnode.cli.output import clean, confirm, say, show_json, show_table, time_of
from mailnode.delivery.delivery import label

if TYPE_CHECKING:
    from mailnode.app import Mailnode
    from mailnode.delivery.details import DeliveryDetails, DeliveryRecipient
    from mailnode.delivery.queries import DeliveryQueries

T = TypeVar("T")

_SHORT_ID = 8
_ROUTES = {"flow": ", as its flow file says now", "asQueued": ", as it was queued"}
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("deliveries")
def command() -> None:
    """List, show, retry and cancel deliveries: the emails that flows send."""


@command.command("list")
@filtered
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    metavar="N",
    help="How many to list at most.",
)
@_json
def list_(limit: int, as_json: bool, **filters: Any) -> None:
    """List deliveries, newest first."""
    found = _with_queries(lambda queries: queries.find(filter_of(filters, limit=limit)))
    if as_json:
        show_json(found)
        return
    rows = [
        (
            one["deliveryId"][:_SHORT_ID],
            time_of(one["createdAt"]),
            label(one["state"]),
            _to(one["to"]),
            one["subject"],
            one["error"] or "",
        )
        for one in found
    ]
    empty = "no delivery matches" if is_filtered(filters) else "no deliveries yet"
    show_table(("Delivery", "Created", "State", "To", "Subject", "Error"), rows, empty=empty)


@command.command("show")
@click.argument("delivery", metavar="ID|MESSAGE-ID")
@_json
def show(delivery: str, as_json: bool) -> None:
    """Show a delivery with its recipients, the server's replies and all attempts."""
    found = _with_queries(lambda queries: queries.show(delivery))
    if as_json:
        show_json(found)
        return
    for word, text in _facts(found):
        click.echo(clean(f"{word:<12}{text}"))
    click.echo()
    recipients = [(one["address"], one["field"], label(one["status"]), _reply(one)) for one in found["recipients"]]
    show_table(("Recipient", "Field", "Status", "Reply"), recipients, empty="no recipients")
    if found["attempts"]:
        click.echo()
        show_table(("Attempt", "Started", "Duration", "Phase", "Outcome"), _tries(found), empty="")
    for one in found["attempts"]:
        if one["dialogue"]:
            click.echo(f"\nTranscript of attempt {one['number']}:")
            click.echo("\n".join(f"  {clean(line)}" for line in one["dialogue"].splitlines()))


@command.command("retry")
@click.argument("deliveries", metavar="[ID|MESSAGE-ID]...", nargs=-1)
@filtered
@click.option("--as-queued", is_flag=True, help="Use the server and connection that it was queued with.")
@click.option("--yes", is_flag=True, help="Don't ask, even if an email may have been accepted before.")
def retry(deliveries: tuple[str, ...], as_queued: bool, yes: bool, **filters: Any) -> int:
    """Put a delivery, or many, back into the queue, for `mailnode worker` or the next run.

    The email stays the same; server, connection, ehloName and retryHours are taken from the flow file as it is now.
    Recipients that a server has accepted do not get it again. It asks before sending what may have been accepted.

    With options such as --state and --flow all that match are meant, of those that were not sent and not cancelled
    (--state cancelled means these too). It asks first, and says how many; without --yes those that may have been
    accepted stay as they are.
    """
    from mailnode.delivery.admin import InDoubt

    if len(deliveries) != 1 or is_filtered(filters):
        return do_to_many("retry", deliveries, filters, yes=yes, is_sure=yes, as_queued=as_queued)
    (delivery,) = deliveries
    try:
        found = _retried(delivery, as_queued=as_queued, is_sure=yes)
    except InDoubt as error:
        if not sys.stdin.isatty():
            error.hint = f"{error.hint}: use --yes"
            raise
        confirm(f"{error}. Send it again?")
        found = _retried(delivery, as_queued=as_queued, is_sure=True)
    assert found["retry"]
    if found["retry"]["why"]:
        say(f"using the server and connection that it was queued with: {found['retry']['why']}")
    route = _ROUTES.get(found["retry"]["route"], "")
    say(f"{found['deliveryId']} is queued for {_server(found)}{route}; `mailnode worker` sends it")
    return 0


def _retried(delivery: str, *, as_queued: bool, is_sure: bool) -> "DeliveryDetails":
    async def work(mailnode: "Mailnode") -> "DeliveryDetails":
        return await mailnode.deliveries.show(
            await mailnode.deliveries.retry(delivery, as_queued=as_queued, is_sure=is_sure)
        )

    return _with_mailnode(work)


@command.command("cancel")
@click.argument("deliveries", metavar="[ID|MESSAGE-ID]...", nargs=-1)
@filtered
@click.option("--yes", is_flag=True, help="Don't ask before cancelling many.")
def cancel(deliveries: tuple[str, ...], yes: bool, **filters: Any) -> int:
    """Take a delivery, or many, out of the queue; it is not sent.

    With options such as --state and --flow all that match and are still to be sent are meant; it asks first.
    """
    if len(deliveries) != 1 or is_filtered(filters):
        return do_to_many("cancel", deliveries, filters, yes=yes)
    (delivery,) = deliveries
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
            f"`mailnode deliveries retry {found['deliveryId'][:_SHORT_ID]}` sends it as its flow file says now",
        )
    for warning in found["result"]["warnings"] if found["result"] else ():
        yield "warning", warning
    yield "message", f"{found['messageId']}, {found['messageSize']} bytes"
    if found["subject"]:
        yield "subject", found["subject"]
    yield "from", found["from"] or "<>"
    yield "server", _server(found)
    if found["retry"] and found["retry"]["why"]:
        yield "retry", f"with the server and connection that it was queued with: {found['retry']['why']}"
    yield "created", time_of(found["createdAt"])
    if found["app"]:
        again = found["duplicates"]
        yield "app", found["app"] + (f", handed in again {again} times" if again else "")
    if found["run"]:
        yield "run", f"{found['run']}, node {found['node']}"
    if found["key"] and found["key"] != f"{found['run']}/{found['node']}":
        yield "key", found["key"]


def _server(found: "DeliveryDetails") -> str:
    return f"{found['host']}:{found['port']}" + (f", {found['connection']}" if found["connection"] else "")


def _what_next(found: "DeliveryDetails") -> str:
    if found["state"] == "interrupted":
        return ": start `mailnode worker`, or run the flow again with the same run id, to send it"
    if found["state"] == "held":
        return ": `mailnode deliveries retry` sends it again, `mailnode deliveries cancel` ends it"
    if found["state"] != "queued":
        return ""
    assert found["dueAt"] is not None
    why = f"; {found['error']}" if found["error"] else ""
    return f": next attempt at {time_of(found['dueAt'])}, retried until {time_of(found['expiresAt'])}{why}"


def _tries(found: "DeliveryDetails") -> Iterator[tuple[str, ...]]:
    for one in found["attempts"]:
        took = f"{one['endedAt'] - one['startedAt']} ms" if one["endedAt"] else ""
        yield str(one["number"]), time_of(one["startedAt"]), took, one["phase"] or "", one["message"] or "accepted"


def _reply(one: "DeliveryRecipient") -> str:
    return " ".join(str(word) for word in (one["replyCode"], one["enhancedStatusCode"], one["replyText"]) if word)


def _to(addresses: list[str]) -> str:
    more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
    return f"{addresses[0]}{more}" if addresses else ""


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
