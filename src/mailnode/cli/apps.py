"""`mailnode apps`: the programs that hand in email by SMTP. Their passwords are made here, and shown once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mailnode.cli.arguments import NamesOptions, ServerOptions, own_server_options
from mailnode.cli.output import confirm, say, show_json, show_table, time_of

if TYPE_CHECKING:
    from mailnode.submission.apps import Apps, NewPassword

T = TypeVar("T")
Command = TypeVar("Command", bound=Callable[..., Any])


@click.group("apps")
def command() -> None:
    """Create, show, change and delete apps: programs that send email through `mailnode serve` by SMTP."""


def _fields_options(command: Command) -> Command:
    """Add the options for the fields of an app."""
    options = (
        click.option(
            "--sender",
            "senders",
            multiple=True,
            metavar="ADDRESS|@DOMAIN|<>",
            help="From whom it may send; may be repeated. [default: the address of the connection]",
        ),
        click.option("--rate", "rateLimit", metavar="N/TIME", help="How many messages it may hand in, such as 60/min."),
        click.option(
            "--notify",
            metavar="ADDRESS|sender|none",
            help="Who is told of email that could not be sent. [default: its sender]",
        ),
        click.option(
            "--duplicates-check/--no-duplicates-check",
            "duplicatesCheck",
            default=None,
            help="Whether the same message handed in again within a day is sent once. [default: yes]",
        ),
        click.option("--unix-user", "unixUser", metavar="NAME", help="The user of this machine whose email it sends."),
    )
    for option in reversed(options):
        command = option(command)
    return own_server_options(command)


@command.command("create", cls=NamesOptions)
@click.argument("name")
@click.option("--connection", metavar="NAME", required=True, help="The stored connection that its email is sent with.")
@_fields_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create(name: str, as_json: bool, server: ServerOptions, **fields: Any) -> None:
    """Create an app, and print its login and password. The password is not shown again."""
    made = _with_apps(lambda apps: apps.create(name, _given(fields, server)))
    _show_login(made, as_json=as_json)
    say(f"app {name} created")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the apps."""
    found = _with_apps(lambda apps: apps.list())
    if as_json:
        show_json(found)
        return
    rows = [
        (
            one["name"],
            one["connection"],
            ", ".join(one["senders"]),
            one.get("rateLimit", ""),
            time_of(one["lastUsedAt"]) if one["lastUsedAt"] else "never",
        )
        for one in found
    ]
    empty = "no apps yet; create one with `mailnode apps create NAME --connection CONNECTION`"
    show_table(("App", "Connection", "Senders", "Rate", "Last used"), rows, empty=empty)


@command.command("show")
@click.argument("name")
def show(name: str) -> None:
    """Show an app as JSON, without its password."""
    show_json(_with_apps(lambda apps: apps.show(name)))


@command.command("update", cls=NamesOptions)
@click.argument("name")
@click.option("--connection", metavar="NAME", help="The stored connection that its email is sent with.")
@_fields_options
@click.option("--no-rate", is_flag=True, help="Let it hand in as many messages as it likes.")
@click.option("--no-unix-user", is_flag=True, help="Let no user of this machine send its email without a password.")
def update(name: str, no_rate: bool, no_unix_user: bool, server: ServerOptions, **fields: Any) -> None:
    """Change an app; its next message is judged by it."""
    removed = {"rateLimit": no_rate, "unixUser": no_unix_user}
    given = {**_given(fields, server), **{key: None for key, is_removed in removed.items() if is_removed}}
    _with_apps(lambda apps: apps.update(name, given))
    say(f"app {name} updated")


@command.command("rotate")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def rotate(name: str, as_json: bool) -> None:
    """Give an app a new password, and print it; the old one no longer works. It is not shown again."""
    _show_login(_with_apps(lambda apps: apps.rotate(name)), as_json=as_json)


@command.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
def delete(name: str, yes: bool) -> None:
    """Delete an app; its login no longer works. What it has handed in is sent all the same."""
    if not yes:
        confirm(f"Delete the app {name}?")
    _with_apps(lambda apps: apps.delete(name))
    say(f"app {name} deleted")


def _show_login(made: "NewPassword", *, as_json: bool) -> None:
    if as_json:
        show_json(made._asdict())
    else:
        click.echo(f"login     {made.login}\npassword  {made.password}")


def _given(fields: dict[str, Any], server: ServerOptions) -> dict[str, Any]:
    """Give the fields whose options were given."""
    place = {"host": server.host, "port": server.port, "tlsOption": server.tls_option, "ca": server.ca_text}
    every = {**fields, **place, "senders": list(fields["senders"]) or None}
    return {key: value for key, value in every.items() if value is not None}


def _with_apps(work: "Callable[[Apps], Awaitable[T]]") -> T:
    from mailnode.environment import Environment, open_connections
    from mailnode.submission.apps import Apps

    async def main() -> T:
        async with open_connections(Environment.read()) as opened:
            return await work(Apps(opened.database))

    return asyncio.run(main())
