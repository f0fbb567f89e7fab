"""`mailnode verify`, and `mailnode connections test`: the doctor at a server, with what it finds step by step."""

import asyncio
from collections.abc import Iterator
from typing import Literal

import click

from mailnode.cli.arguments import read_text, server_options, target_of
from mailnode.cli.output import clean, show_json, stepwise
from mailnode.connections.service import Service
from mailnode.delivery.route import OtherServer
from mailnode.diagnosis import OwnServer, planned
from mailnode.environment import Environment
from mailnode.errors import UsageError
from mailnode.smtp.doctor.finding import Diagnosis, Finding


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
    if not (connection or service or host):
        raise UsageError(
            "give --service, --host or --connection, to say what to look at",
            hint="`mailnode services` lists the services",
        )
    if not service and not host:
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

    async def look() -> Diagnosis:
        async with planned(
            target, Environment.read(), connection_name=connection, sender=sender, recipients=recipients
        ) as checkup:
            if as_json:
                return await checkup.run(lambda _finding: None)
            whose = f", connection {checkup.connection}" if checkup.connection else ""
            click.echo(f"{checkup.server.address}, tlsOption {checkup.server.tls_option}{whose}\n")
            with stepwise("looking") as show:
                return await checkup.run(lambda finding: show(*_row(finding)))

    diagnosis = asyncio.run(look())
    if as_json:
        show_json(diagnosis.to_json())
    else:
        click.echo("\n" + "\n".join(map(clean, _summary(diagnosis))))
    return 0 if diagnosis.ok else 1


def _row(finding: Finding) -> tuple[str, str, str, str, str]:
    time = "" if finding.status == "skipped" else f"{finding.ms:.0f} ms"
    return finding.status, finding.step, time, finding.found, finding.hint


def _summary(diagnosis: Diagnosis) -> Iterator[str]:
    settings = diagnosis.settings
    found = f"host {settings.host}, port {settings.port}, tlsOption {settings.tls_option}" if settings else ""
    if diagnosis.ok:
        yield f"all is well: {found}"
        return
    failed = ", ".join(dict.fromkeys(finding.step for finding in diagnosis.failed))
    yield f"failed: {failed}; no mail was sent"
    if found:
        yield f"settings that would work: {found}"
