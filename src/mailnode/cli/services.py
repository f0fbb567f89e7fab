"""`mailnode services`: the email services that are known by name."""

import click

from mailnode.cli.output import say, show_json, show_table
from mailnode.connections.service import Service, find_service, services


@click.command("services")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str | None, as_json: bool) -> None:
    """List the email services, or show one with what it wants of its users."""
    chosen = [find_service(name)] if name else list(services())
    if as_json:
        show_json([_to_json(service) for service in chosen])
        return
    show_table(("Service", "Host", "Ports", "Also known as"), [_row(service) for service in chosen], empty="none")
    for word in (chosen[0].note, chosen[0].dead) if name else ():
        if word:
            say(word)


def _row(service: Service) -> tuple[str, str, str, str]:
    ports = ", ".join(f"{mode} {port}" for mode, port in service.ports.items())
    return service.name, service.host, ports, ", ".join((*service.aliases, *service.domains))


def _to_json(service: Service) -> dict[str, object]:
    return {
        "name": service.name,
        "aliases": list(service.aliases),
        "domains": list(service.domains),
        "host": service.host,
        "ports": dict(service.ports),
        "note": service.note,
        "dead": service.dead,
    }
