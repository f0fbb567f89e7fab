"""`mailnode verify`, and `mailnode connections test`: the doctor at a server, with what it finds step by step."""

import asyncio
from collections.abc import Callable
from typing import Literal

import click

from mailnode.checkup import OwnServer, plan
from mailnode.cli.arguments import read_text, server_options, target_of
from mailnode.cli.output import clean, show_json, waiting
from mailnode.connections.service import Service
from mailnode.delivery.route import OtherServer
from mailnode.environment import Environment
from mailnode.smtp.finding import Diagnosis, Finding

_MARKS = {"ok": "✓", "warning": "!", "failed": "✗", "skipped": "-"}


@click.command("verify")
@server_options
@click.option("--from", "sender", metavar="ADDRESS", help="The sender to try; by default the connection's.")
@click.option("--to", "recipients", multiple=True, metavar="ADDRESS", help="A recipient to try; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(
    service: str | None,
    host: str | None,
    port: int | None,
    tls_option: Literal["tls", "starttls", "none"] | None,
    ca: str | None,
    connection: str | None,
    sender: str | None,
    recipients: tuple[str, ...],
    as_json: bool,
) -> int:
    """Look at a server step by step, say what is wrong and what to do about it; no mail is sent.

    A connection alone is looked at with its own server. Exit status: 0 all is well, 1 a step failed, 2 bad usage or
    settings.
    """
    target: Service | OtherServer | OwnServer
    if connection and not service and not host:
        target = own_server(None, port, tls_option, ca)
    else:
        target = target_of(service, host, port, tls_option, ca)
    return check(target, connection, sender, recipients, as_json=as_json)


def own_server(
    host: str | None, port: int | None, tls_option: Literal["tls", "starttls", "none"] | None, ca: str | None
) -> OwnServer:
    """Make a target of the options that say which of a connection's servers is meant."""
    return OwnServer(host=host, port=port, tls_option=tls_option, ca=read_text(ca) if ca else None)


def check(
    target: Service | OtherServer | OwnServer,
    connection: str | None,
    sender: str | None,
    recipients: tuple[str, ...],
    *,
    as_json: bool,
) -> int:
    """Look, print what is found as it is found, and give the exit status."""

    async def look(hear: Callable[[Finding], None]) -> Diagnosis:
        planned = await plan(
            target, Environment.read(), connection_name=connection, sender=sender, recipients=recipients
        )
        return await planned.run(hear)

    if as_json:
        diagnosis = asyncio.run(look(lambda _finding: None))
        show_json(diagnosis.to_json())
        return 0 if diagnosis.ok else 1
    with waiting("looking"):
        diagnosis = asyncio.run(look(_show))
    _sum_up(diagnosis)
    return 0 if diagnosis.ok else 1


def _show(finding: Finding) -> None:
    click.echo(clean(f"{_MARKS[finding.status]} {finding.step:<9} {finding.found}  ({finding.ms:.0f} ms)"))
    if finding.hint and finding.status != "ok":
        click.echo(clean(f"            hint: {finding.hint}"))


def _sum_up(diagnosis: Diagnosis) -> None:
    settings = diagnosis.settings
    found = f"{settings.host}, port {settings.port}, tlsOption {settings.tls_option}" if settings else ""
    if diagnosis.ok:
        click.echo(f"\nall is well: {clean(found)}")
    elif settings:
        click.echo(f"\nsettings that would work: {clean(found)}")
    else:
        click.echo("\nno settings were found that would work")
