"""`mailnode connections`. Secrets come from a file, stdin or a prompt, never from the command line."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import click

from mailnode.cli.arguments import NamesOptions, ServerOptions, option_of, own_server_options, read_text, source_name
from mailnode.cli.authorize import command as authorize
from mailnode.cli.output import answered, confirm, counted, say, show_json, show_table
from mailnode.connections.repository import ConnectionRepository, PublicConnection
from mailnode.errors import MailnodeError, UsageError

T = TypeVar("T")

# The types, and the secret that each asks for; the key of a service account comes from a file.
_SECRET = {
    "basic": "password",
    "oauth2": "clientSecret",
    "oauth2ClientCredentials": "clientSecret",
    "oauth2ServiceAccount": "",
}
_WORDS = {"password": "Password", "clientSecret": "Client secret"}
_OAUTH2 = ("oauth2", "oauth2ClientCredentials", "oauth2ServiceAccount")
# The types that an option is for, if not all.
_FOR = {
    "username": ("basic",),
    "user": _OAUTH2,
    "clientId": _OAUTH2[:2],
    "tenantId": _OAUTH2[:2],
    "scope": _OAUTH2,
    "accessUrl": _OAUTH2,
    "authorizeUrl": _OAUTH2[:1],
    "deviceUrl": _OAUTH2[:1],
    "serviceClient": _OAUTH2[2:],
    "privateKey": _OAUTH2[2:],
}
_STATES = {"ready": "ready", "needsConsent": "needs consent", "unreadable": "damaged"}


@click.group("connections")
def command() -> None:
    """Create, show, change and test connections: the logins that email is sent with."""


class _Create(NamesOptions):
    """Speaks of options, unless the fields came as JSON, where they have their own names."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        if ctx.params.get("source"):
            return click.Command.invoke(self, ctx)
        try:
            return super().invoke(ctx)
        except MailnodeError as error:
            for one in (error, *error.others):
                one.message, one.hint = _OF_OPTIONS.get(one.message, (one.message, one.hint))
            raise


# What the errors of fields say, where keys that are words of their own, or have no option, stand in them.
_OF_OPTIONS = {
    "neither service nor hosts is given": (
        "neither --service nor --host is given",
        "give --service, or --host for a server that is not a listed service",
    ),
    "both service and hosts are given": ("both --service and --host are given", "give one of them"),
    "there is neither a token nor a --client-id to get one with": (
        "there is no --client-id to get tokens with",
        "give --client-id and authorize the connection; tokens that you have are given with --from-json",
    ),
    "clientSecret is missing": (
        "no client secret was given",
        "type it, pipe it in as one line, or give all fields with --from-json",
    ),
}


@command.command("create", cls=_Create)
@click.argument("name")
@click.option(
    "--type", "kind", type=click.Choice(list(_SECRET)), default="basic", show_default=True, help="How it logs in."
)
@click.option("--from-json", "source", metavar="FILE|-", help="All fields as a JSON object, from a file or stdin.")
@click.option("--service", metavar="NAME", help="The email service that its secrets may be sent to.")
@click.option(
    "--host", "hosts", multiple=True, metavar="HOST", help="A host that its secrets may be sent to; may be repeated."
)
@click.option("--from", "from", metavar="MAILBOX", help="The default sender.")
@click.option("--username", metavar="NAME", help="The user name of the login (basic).")
@click.option("--user", metavar="ADDRESS", help="The mailbox that email is sent from (OAuth2).")
@click.option("--client-id", "clientId", metavar="ID", help="The client ID of the application.")
@click.option("--tenant-id", "tenantId", metavar="ID", help="The Microsoft Entra tenant.")
@click.option("--scope", metavar="TEXT", help="The scope to request. [default: that of the provider]")
@click.option("--access-url", "accessUrl", metavar="URL", help="The token endpoint of a provider that is not known.")
@click.option("--authorize-url", "authorizeUrl", metavar="URL", help="The authorization URL of such a provider.")
@click.option("--device-url", "deviceUrl", metavar="URL", help="The device authorization URL of such a provider.")
@click.option("--service-client", "serviceClient", metavar="EMAIL", help="The email address of the service account.")
@click.option(
    "--private-key", "key_file", metavar="FILE|-", help="The key of the service account: PEM, or Google's JSON file."
)
def create(
    name: str, kind: str, source: str | None, hosts: tuple[str, ...], key_file: str | None, **options: str | None
) -> None:
    """Create a connection; it asks for the secret, unless --from-json gives all fields."""
    given = {field: value for field, value in options.items() if value is not None}
    _check_options(kind, [*given, *(["privateKey"] if key_file else [])])
    fields = {**_fields(source), **({"hosts": list(hosts)} if hosts else {}), **_key_fields(key_file), **given}
    if source is None and (secret := _SECRET[kind]) and (kind == "basic" or "clientId" in fields):
        fields |= _ask_for(secret, is_optional=kind == "oauth2")

    async def work(repository: ConnectionRepository) -> PublicConnection:
        await repository.create(name, kind, fields)
        return await repository.show(name)

    connection = _with_connections(work)
    say(f"connection {name} created")
    if connection.get("state") == "needsConsent":
        say(f"  next: run `mailnode connections authorize {name}` to give consent")


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the connections."""
    connection = _with_connections(lambda repository: repository.list())
    if as_json:
        show_json(connection)
        return
    rows = [
        (
            one["name"],
            one["type"],
            one.get("service") or ", ".join(one.get("hosts", ())),
            one.get("username") or one.get("user", ""),
            _state(one),
        )
        for one in connection
    ]
    show_table(
        ("Connection", "Type", "For", "User", "State"),
        rows,
        empty="no connections yet; create one with `mailnode connections create NAME`",
    )


def _state(connection: PublicConnection) -> str:
    """Say how it is with a connection; one whose last test failed is not ready."""
    state, tested = connection.get("state", ""), connection.get("lastTest")
    if tested and state not in {"needsConsent", "unreadable"}:
        return "tested" if tested["ok"] else "test failed"
    return _STATES.get(state, "")


@command.command("show")
@click.argument("name")
def show(name: str) -> None:
    """Show a connection as JSON, without the values of its secrets."""
    show_json(_with_connections(lambda repository: repository.show(name)))


@command.command("update")
@click.argument("name")
@click.option(
    "--from-json",
    "source",
    metavar="FILE|-",
    required=True,
    help="The fields to change, as a JSON object; null removes a field.",
)
def update(name: str, source: str) -> None:
    """Change fields of a connection; the next email uses them."""
    _with_connections(lambda repository: repository.update(name, _fields(source)))
    say(f"connection {name} updated")


@command.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Don't ask for confirmation.")
def delete(name: str, yes: bool) -> None:
    """Delete a connection and its secrets."""
    if not yes:
        confirm(f"Delete the connection {name}?")
    _with_connections(lambda repository: repository.delete(name))
    say(f"connection {name} deleted")


@command.command("test", cls=NamesOptions)
@click.argument("name")
@own_server_options
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def test(name: str, server: ServerOptions, as_json: bool) -> int:
    """Log in with a connection and check its server, like `mailnode verify`. No email is sent."""
    from mailnode.cli.servers import check, own_server

    return check(own_server(server), name, None, (), as_json=as_json)


@command.command("rekey")
def rekey() -> None:
    """Encrypt all secrets with a new key; the old key is no longer needed afterwards.

    With MAILNODE_SECRET_KEY=new,old the first key is the new one; otherwise the home's key file gets a new key.
    """
    from mailnode.connections.secrets.database_key import rekey as change_key
    from mailnode.environment import Environment, open_database

    environment = Environment.read()
    database = open_database(environment)
    try:
        count = asyncio.run(change_key(database, environment.home, environment.secret_key))
    finally:
        database.close()
    where = (
        "from now on MAILNODE_SECRET_KEY needs only its first key" if environment.secret_key else "it is in secret.key"
    )
    say(f"the secrets of {counted(count, 'connection')} are encrypted with the new key; {where}")


command.add_command(authorize)


def _check_options(kind: str, given: Iterable[str]) -> None:
    for field in given:
        if field not in _FOR or kind in _FOR[field]:
            continue
        option = option_of(field)
        instead = {"username": "give --user", "user": "give --username"}.get(field, f"leave {option} out")
        types = " or ".join(_FOR[field])
        raise UsageError(
            f"{option} goes with --type {types}, not with {kind}", hint=f"{instead}, or choose another --type"
        )


def _ask_for(secret: str, *, is_optional: bool) -> dict[str, str]:
    """Ask for a secret: hidden at a terminal, else the next line of stdin."""
    words = _WORDS[secret]
    what, hint = f"no {words.lower()} was given", "type it, pipe it in as one line, or give all fields with --from-json"
    if sys.stdin.isatty():
        wanted = f"{words} (leave empty if there is none)" if is_optional else words
        default = "" if is_optional else None
        with answered(what, hint):
            text = click.prompt(wanted, default=default, show_default=False, hide_input=True, err=True)
    else:
        text = sys.stdin.readline().rstrip("\r\n")
    if not text and not is_optional:
        raise UsageError(what, hint=hint)
    return {secret: text} if text else {}


def _key_fields(source: str | None) -> dict[str, str]:
    """Read the key of a service account; Google's file also names the account."""
    if source is None:
        return {}
    text = read_text(source)
    if not text.lstrip().startswith("{"):
        return {"privateKey": text}
    try:
        file = json.loads(text)
        return {"privateKey": file["private_key"], "serviceClient": file["client_email"]}
    except (ValueError, RecursionError, KeyError):
        # Its contents are not shown: there is a key in it.
        hint = "give the complete key file that was downloaded when the key was created, or the key alone as PEM"
        raise UsageError(f"{source_name(source)} is not the key file of a service account", hint=hint) from None


def _fields(source: str | None) -> dict[str, Any]:
    if source is None:
        return {}
    try:
        fields = json.loads(read_text(source))
    except (ValueError, RecursionError) as error:
        hint = 'write {"username": ..., "password": ...}'
        raise UsageError(f"{source_name(source)} is not valid JSON: {error}", hint=hint) from None
    if not isinstance(fields, dict):
        raise UsageError(
            f"{source_name(source)} must contain a JSON object", hint='write {"username": ..., "password": ...}'
        )
    return fields


def _with_connections(work: Callable[[ConnectionRepository], Awaitable[T]]) -> T:
    from mailnode.environment import Environment, open_connections

    async def main() -> T:
        async with open_connections(Environment.read()) as opened:
            return await work(opened.connections)

    return asyncio.run(main())
