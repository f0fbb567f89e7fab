"""Arguments that several commands take: JSON given in place or in a file, and a server."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mailnode.connections.service import Service, find_service
from mailnode.delivery.route import OtherServer
from mailnode.errors import UsageError
from mailnode.smtp.server import TlsOption

Command = TypeVar("Command", bound=Callable[..., Any])


def read_text(source: str) -> str:
    """Read a file, or stdin for `-`.

    Raises:
        UsageError: it is not there, can't be read, or is no UTF-8.
    """
    try:
        return sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"{named(source)} can't be read: {why}", hint="give a text file that you may read") from None


def named(source: str) -> str:
    """Say where a text comes from, as a person would."""
    return "stdin" if source == "-" else repr(source)


def json_object(text: str | None, name: str) -> dict[str, Any]:
    """Read a JSON object given as it is, or as `@FILE`.

    Raises:
        UsageError: it is no JSON object; the message names the option.
    """
    if text is None:
        return {}
    try:
        value = json.loads(
            read_text(text[1:]) if text.startswith("@") else text,
            parse_constant=_refuse_constant,
            object_pairs_hook=_once_each,
        )
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{name} is no JSON: {error}", hint=f'quote it for the shell: {name} \'{{"email": "jane@example.org"}}\''
        ) from None
    if not isinstance(value, dict):
        raise UsageError(f"{name} must be a JSON object, not {text:.40}", hint='write {"name": value, ...}')
    return value


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:60]!r} stands in it twice")
        found[key] = value
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def state_options(command: Command) -> Command:
    """Add --input and --context."""
    for name, what in (("context", "the context"), ("input", "the input")):
        text = f"{what.capitalize()} that the flow begins with."
        command = click.option(f"--{name}", f"{name}_text", metavar="JSON|@FILE", help=text)(command)
    return command


def server_options(command: Command) -> Command:
    """Add --service, --host, --port, --tls-option and --connection."""
    options = (
        click.option("--service", help="An email service by name (see `mailnode services`)."),
        click.option("--host", help="A server that is no listed service."),
        click.option("--port", type=click.IntRange(1, 65535), help="Its port; by default that of the TLS option."),
        click.option("--tls-option", type=click.Choice(["tls", "starttls", "none"]), help="How it is made private."),
        click.option(
            "--ca", type=click.Path(exists=True, dir_okay=False), help="PEM file to trust instead of the system's."
        ),
        click.option("--connection", metavar="NAME", help="The stored connection to log in with."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def target_of(
    service: str | None, host: str | None, port: int | None, tls_option: TlsOption | None, ca: str | None
) -> Service | OtherServer:
    """Make a target of the server options.

    Raises:
        UsageError: neither a service nor a host is given, or both, or what goes with the other one.
        ConnectionsError: there is no such service.
    """
    if (service is None) == (host is None):
        raise UsageError("give --service or --host, one of them", hint="`mailnode services` lists the services")
    if host is not None:
        return OtherServer(host=host, port=port, tls_option=tls_option, ca=read_text(ca) if ca else None)
    if port or tls_option or ca:
        raise UsageError("--port, --tls-option and --ca go with --host", hint="a service knows its own port and TLS")
    assert service
    return find_service(service)
