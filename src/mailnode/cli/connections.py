"""`mailnode connections`: named and encrypted. Secrets come from a file, stdin or a prompt, never from argv."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

import click

from mailnode.cli.arguments import named, read_text
from mailnode.cli.output import say, show_json, show_table
from mailnode.connections.book import ConnectionBook
from mailnode.errors import UsageError

T = TypeVar("T")


@click.group("connections")
def command() -> None:
    """Create, show and change the connections that mail is sent with."""


@command.command("create")
@click.argument("name")
@click.option("--type", "kind", type=click.Choice(["basic"]), default="basic", show_default=True)
@click.option("--from-json", "source", metavar="FILE|-", help="All fields as a JSON object, from a file or stdin.")
@click.option("--service", help="The service its secrets may go to.")
@click.option("--host", "hosts", multiple=True, help="A host its secrets may go to; may be repeated.")
@click.option("--username", help="The login.")
@click.option("--from", "sender", help="The sender of its mail.")
def create(
    name: str,
    kind: str,
    source: str | None,
    service: str | None,
    hosts: tuple[str, ...],
    username: str | None,
    sender: str | None,
) -> None:
    """Create a connection; the password is asked for, or comes with --from-json."""
    given = {"service": service, "hosts": list(hosts) or None, "username": username, "from": sender}
    fields = {**_fields(source), **{key: value for key, value in given.items() if value is not None}}
    if source is None:
        fields["password"] = click.prompt("Password", hide_input=sys.stdin.isatty(), err=True)
    _with_book(lambda book: book.create(name, kind, fields))
    say(f"connection {name} created")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the connections."""
    shown = _with_book(lambda book: book.list())
    if as_json:
        show_json(shown)
        return
    rows = [
        (one["name"], one["type"], one.get("service") or ", ".join(one.get("hosts", ())), one.get("username", ""))
        for one in shown
    ]
    show_table(
        ("Connection", "Type", "For", "Username"),
        rows,
        empty="there is no connection yet; make one with `mailnode connections create NAME`",
    )


@command.command("show")
@click.argument("name")
def show(name: str) -> None:
    """Show a connection as JSON; of its secrets only which are set."""
    show_json(_with_book(lambda book: book.show(name)))


@command.command("update")
@click.argument("name")
@click.option("--from-json", "source", metavar="FILE|-", required=True, help="The fields to change; null removes one.")
def update(name: str, source: str) -> None:
    """Change fields of a connection; the next mail uses them."""
    _with_book(lambda book: book.update(name, _fields(source)))
    say(f"connection {name} updated")


@command.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(name: str, yes: bool) -> None:
    """Delete a connection and its secrets."""
    if not yes:
        click.confirm(f"Delete the connection {name}?", abort=True, err=True)
    _with_book(lambda book: book.delete(name))
    say(f"connection {name} deleted")


@command.command("test")
@click.argument("name")
@click.option("--host", help="Which of its hosts, if it has several.")
@click.option("--port", type=click.IntRange(1, 65535), help="The port; by default that of the TLS option.")
@click.option("--tls-option", type=click.Choice(["tls", "starttls", "none"]), help="How it is made private.")
@click.option("--ca", type=click.Path(exists=True, dir_okay=False), help="PEM file to trust instead of the system's.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def test(
    name: str,
    host: str | None,
    port: int | None,
    tls_option: Literal["tls", "starttls", "none"] | None,
    ca: str | None,
    as_json: bool,
) -> int:
    """Log in with a connection and look at its server, as `mailnode verify` does; no mail is sent."""
    from mailnode.cli.verify import check, own_server

    return check(own_server(host, port, tls_option, ca), name, None, (), as_json=as_json)


def _fields(source: str | None) -> dict[str, Any]:
    if source is None:
        return {}
    try:
        fields = json.loads(read_text(source))
    except (ValueError, RecursionError) as error:
        hint = 'write {"username": ..., "password": ...}'
        raise UsageError(f"{named(source)} is no JSON: {error}", hint=hint) from None
    if not isinstance(fields, dict):
        raise UsageError(f"{named(source)} must hold a JSON object", hint='write {"username": ..., "password": ...}')
    return fields


def _with_book(work: Callable[[ConnectionBook], Awaitable[T]]) -> T:
    from mailnode.environment import Environment, open_connections

    async def main() -> T:
        async with open_connections(Environment.read()) as (_, book, _):
            return await work(book)

    return asyncio.run(main())
