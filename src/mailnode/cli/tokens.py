"""`mailnode tokens` and `mailnode audit`: who may ask the HTTP API for what, and who has asked."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import click

from mailnode.cli.output import confirm, say, show_json, show_table, time_of

if TYPE_CHECKING:
    from mailnode.store.database import Database

T = TypeVar("T")


@click.group("tokens")
def command() -> None:
    """Create, list and delete tokens: with one a program asks the HTTP API of `mailnode serve`."""


@command.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(["run", "read", "edit", "admin"]),
    multiple=True,
    required=True,
    help="What it may do; may be repeated. run: run flows, send deliveries again. read: read everything but secrets."
    " edit: that, and change flows and layouts. admin: everything.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create(name: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Create a token, and print it. It is not shown again."""
    from mailnode.access.tokens import ApiTokens

    token = _with_database(lambda database: ApiTokens(database).create(name, scopes))
    if as_json:
        show_json({"name": name, "token": token})
    else:
        click.echo(token)
        say(f"token {name} created; it is not shown again")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the tokens by their names, and what each may do."""
    from mailnode.access.tokens import ApiTokens

    found = _with_database(lambda database: ApiTokens(database).list())
    if as_json:
        show_json(found)
        return
    rows = [
        (
            one["name"],
            ", ".join(one["scopes"]),
            time_of(one["createdAt"]),
            time_of(one["lastUsedAt"]) if one["lastUsedAt"] else "never",
        )
        for one in found
    ]
    empty = "no tokens yet; create one with `mailnode tokens create NAME --scope run`"
    show_table(("Token", "Scopes", "Created", "Last used"), rows, empty=empty)


@command.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
def delete(name: str, yes: bool) -> None:
    """Delete a token; from now on it opens nothing."""
    from mailnode.access.tokens import ApiTokens

    if not yes:
        confirm(f"Delete the token {name}?")
    _with_database(lambda database: ApiTokens(database).delete(name))
    say(f"token {name} deleted")


@click.command("audit")
@click.option("--token", metavar="NAME", help="Only requests with this token.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def audit(token: str | None, limit: int, as_json: bool) -> None:
    """List who has asked the HTTP API for what, the newest first."""
    from mailnode.access.audit import AuditLog

    found = _with_database(lambda database: AuditLog(database).list(token=token, limit=limit))
    if as_json:
        show_json(found)
        return
    rows = [
        (
            time_of(one["at"]),
            str(one["token"] or _CALLERS.get(one["caller"], "")),
            one["client"],
            one["method"],
            one["path"],
            str(one["status"]),
        )
        for one in found
    ]
    show_table(("Time", "Who", "From", "Method", "Path", "Status"), rows, empty="nobody has asked yet")


_CALLERS = {"serveToken": "(token of serve)", "browser": "(browser)", "unknown": "(wrong token)"}


def _with_database(work: "Callable[[Database], Awaitable[T]]") -> T:
    from mailnode.environment import Environment, open_connections

    async def main() -> T:
        async with open_connections(Environment.read()) as opened:
            return await work(opened.database)

    return asyncio.run(main())
