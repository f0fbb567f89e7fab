"""Arguments that several commands take: JSON given in place or in a file, and a server."""

import functools
import json
import re
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import click

from mailnode.connections.service import Service, find_service
from mailnode.delivery.route import OtherServer
from mailnode.errors import ErrorCode, MailnodeError, UsageError
from mailnode.printable import quoted, shortened
from mailnode.smtp.server import TlsOption

Command = TypeVar("Command", bound=Callable[..., Any])


class NamesOptions(click.Command):
    """Names the options that an error is about, where the error has the keys of settings."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except MailnodeError as error:
            options = {option for parameter in self.params for option in parameter.opts}
            for one in (error, *error.others):
                _name_options(one, options)
            raise


def _name_options(error: MailnodeError, options: Collection[str]) -> None:
    name = re.split(r"[.\[]", error.key)[0]
    option = option_of(_OPTIONS.get(name, name))
    error.message, error.hint = in_options(error.message, options), in_options(error.hint, options)
    if option in options:
        if error.code == ErrorCode.MISSING_SETTING and error.message in {f"{name} is missing", f"{option} is missing"}:
            error.message, error.hint = "this option is required", f"give {option}"
        error.key = option
    if error.key == "--from" and error.code == ErrorCode.MISSING_SETTING:
        error.hint = "give --from, or a --connection that has a sender"


def option_of(key: str) -> str:
    """Give the option that is called like a key: `--tls-option` for `tlsOption`."""
    return "--" + re.sub("[A-Z]", lambda letter: f"-{letter[0].lower()}", key)


def in_options(text: str, options: Collection[str]) -> str:
    """Put options in place of the keys in a text; a key in small letters is a word like any other, and stays."""

    def named(key: re.Match[str]) -> str:
        option = option_of(key[0])
        return option if option in options else key[0]

    return _KEY.sub(named, text)


_KEY = re.compile(r"\b(?<!--)[a-z]+(?:[A-Z][a-z]+)+\b")
_OPTIONS = {"attachments": "attach", "events": "event", "hosts": "host", "rateLimit": "rate", "senders": "sender"}


def read_text(source: str) -> str:
    """Read a file, or stdin for `-`.

    Raises:
        UsageError: it does not exist, can't be read, or is not UTF-8.
    """
    try:
        return sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(
            f"{source_name(source)} can't be read: {why}", hint="check the path, and that you may read the file"
        ) from None


def source_name(source: str) -> str:
    """Name the source of a text for people."""
    return "stdin" if source == "-" else repr(source)


def json_object(text: str | None, name: str) -> dict[str, Any]:
    """Read a JSON object given as it is, or as `@FILE`.

    Raises:
        UsageError: it is not a JSON object; the message names the option.
    """
    if text is None:
        return {}
    try:
        value = json.loads(
            read_text(text[1:]) if text.startswith("@") else text,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique_keys,
        )
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{name} is not valid JSON: {error}",
            hint=f'quote it for the shell: {name} \'{{"email": "jane@example.org"}}\'',
        ) from None
    if not isinstance(value, dict):
        raise UsageError(f"{name} must be a JSON object, not {shortened(text)}", hint='write {"name": value, ...}')
    return value


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"duplicate key {quoted(key)}")
        found[key] = value
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def state_options(command: Command) -> Command:
    """Add --input and --context."""
    for name, what in (("context", "the context"), ("input", "the input")):
        text = f"{what.capitalize()} of the flow, as a JSON object or @FILE."
        command = click.option(f"--{name}", f"{name}_text", metavar="JSON|@FILE", help=text)(command)
    return command


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """The options that name a server; `ca` is the path of a PEM file."""

    service: str | None = None
    host: str | None = None
    port: int | None = None
    tls_option: TlsOption | None = None
    ca: str | None = None

    @property
    def ca_text(self) -> str | None:
        """The certificates to trust, as PEM text.

        Raises:
            UsageError: the file can't be read.
        """
        return read_text(self.ca) if self.ca else None

    def target(self) -> Service | OtherServer:
        """Find the server.

        Raises:
            UsageError: not exactly one of --service and --host is given, or options that go with the other one.
            ConnectionsError: there is no such service.
        """
        if (self.service is None) == (self.host is None):
            raise UsageError("give either --service or --host", hint="`mailnode services` lists the services")
        if self.host is not None:
            return OtherServer(host=self.host, port=self.port, tls_option=self.tls_option, ca=self.ca_text)
        if self.port or self.tls_option or self.ca:
            raise UsageError("--port, --tls-option and --ca go with --host", hint="leave them out with --service")
        assert self.service
        return find_service(self.service)


def server_options(command: Command) -> Command:
    """Add --service, --host, --port, --tls-option and --ca, given to the command as `server`; and --connection."""
    service = click.option("--service", metavar="NAME", help="A known email service; `mailnode services` lists them.")
    host = click.option("--host", metavar="HOST", help="The server, if it is not a listed service.")
    connection = click.option("--connection", metavar="NAME", help="The stored connection to use for the login.")
    return service(host(_address_options(connection(_with_server(command)))))


def own_server_options(command: Command) -> Command:
    """Add the options that choose a server of a connection, given to the command as `server`."""
    host = click.option("--host", metavar="HOST", help="Which of the connection's hosts, if it has several.")
    return host(_address_options(_with_server(command)))


def _address_options(command: Command) -> Command:
    port = click.option(
        "--port", type=click.IntRange(1, 65535), metavar="PORT", help="The port. [default: from the TLS option]"
    )
    tls_option = click.option(
        "--tls-option",
        type=click.Choice(get_args(TlsOption)),
        help="Encryption: from the start (tls), by STARTTLS, or none. [default: from the port]",
    )
    ca = click.option(
        "--ca",
        type=click.Path(exists=True, dir_okay=False),
        help="A PEM file of certificates to trust instead of the system's.",
    )
    return port(tls_option(ca(command)))


def _with_server(command: Command) -> Command:
    @functools.wraps(command)
    def called(**options: Any) -> Any:
        server = {name: options.pop(name) for name in _SERVER if name in options}
        return command(server=ServerOptions(**server), **options)

    return cast("Command", called)


_SERVER = tuple(field.name for field in fields(ServerOptions))
