"""`mailnode services` and `mailnode verify`: the email services known by name, and a check of one server."""

import asyncio
from collections.abc import Iterator

import click

from mailnode.cli.arguments import NamesOptions, ServerOptions, in_options, server_options
from mailnode.cli.output import clean, say, show_json, show_table, stepwise
from mailnode.connections.service import Service, find_service
from mailnode.connections.service import services as known_services
from mailnode.delivery.route import OtherServer
from mailnode.diagnosis import OwnServer, planned
from mailnode.environment import Environment
from mailnode.errors import UsageError
from mailnode.smtp.doctor.finding import Diagnosis, Finding

_TLS_OPTION = ("--tls-option",)


@click.command("verify", cls=NamesOptions)
@server_options
@click.option("--from", "sender", metavar="ADDRESS", help="The sender to try. [default: the connection's]")
@click.option("--to", "recipients", multiple=True, metavar="ADDRESS", help="A recipient to try; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def verify(
    server: ServerOptions,
    connection: str | None,
    sender: str | None,
    recipients: tuple[str, ...],
    as_json: bool,
) -> int:
    """Check a server step by step, and say what is wrong and how to fix it. No email is sent.

    With --connection alone the connection's own server is checked.

    Exit status: 0 no problems, 1 a step failed, 2 wrong usage or settings.
    """
    target: Service | OtherServer | OwnServer
    if server.service or server.host:
        target = server.target()
    elif connection:
        target = own_server(server)
    else:
        hint = "`mailnode services` lists the services"
        raise UsageError("give --service, --host or --connection", hint=hint)
    return check(target, connection, sender, recipients, as_json=as_json)


def own_server(server: ServerOptions) -> OwnServer:
    """Name one of a connection's own servers."""
    return OwnServer(host=server.host, port=server.port, tls_option=server.tls_option, ca=server.ca_text)


def check(
    target: Service | OtherServer | OwnServer,
    connection: str | None,
    sender: str | None,
    recipients: tuple[str, ...],
    *,
    as_json: bool,
) -> int:
    """Check the server, print each finding as it comes, and give the exit status."""

    async def check_server() -> Diagnosis:
        async with planned(
            target, Environment.read(), connection_name=connection, sender=sender, recipients=recipients
        ) as diagnoser:
            if as_json:
                return await diagnoser.run(lambda _finding: None)
            whose = f", connection {diagnoser.connection}" if diagnoser.connection else ""
            click.echo(f"{diagnoser.server.address}, TLS option {diagnoser.server.tls_option}{whose}\n")
            with stepwise("checking") as show:
                return await diagnoser.run(lambda finding: show(*_row(finding)))

    diagnosis = asyncio.run(check_server())
    if as_json:
        show_json(diagnosis.to_json())
    else:
        click.echo("\n" + "\n".join(map(clean, _summary(diagnosis))))
    return 0 if diagnosis.ok else 1


def _row(finding: Finding) -> tuple[str, str, str, str, str]:
    time = "" if finding.status == "skipped" else f"{finding.ms:.0f} ms"
    found, hint = (in_options(text, _TLS_OPTION) for text in (finding.found, finding.hint))
    return finding.status, finding.step, time, found, hint


def _summary(diagnosis: Diagnosis) -> Iterator[str]:
    settings = diagnosis.settings
    found = f"--host {settings.host} --port {settings.port} --tls-option {settings.tls_option}" if settings else ""
    if diagnosis.ok:
        yield f"no problems: {found}"
        return
    failed = ", ".join(dict.fromkeys(finding.step for finding in diagnosis.failed))
    yield f"failed: {failed}; no email was sent"
    if found:
        yield f"settings that would work: {found}"


@click.command("services")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def services(name: str | None, as_json: bool) -> None:
    """List the known email services, or show one and what it requires."""
    chosen = [find_service(name)] if name else list(known_services())
    if as_json:
        show_json([_service_json(service) for service in chosen])
        return
    show_table(
        ("Service", "Host", "Ports", "Also known as"), [_service_row(service) for service in chosen], empty="none"
    )
    for word in (chosen[0].note, chosen[0].dead) if name else ():
        if word:
            say(word)


def _service_row(service: Service) -> tuple[str, str, str, str]:
    ports = ", ".join(f"{mode} {port}" for mode, port in service.ports.items())
    return service.name, service.host, ports, ", ".join((*service.aliases, *service.domains))


def _service_json(service: Service) -> dict[str, object]:
    return {
        "name": service.name,
        "aliases": list(service.aliases),
        "domains": list(service.domains),
        "host": service.host,
        "ports": dict(service.ports),
        "note": service.note,
        "dead": service.dead,
    }
