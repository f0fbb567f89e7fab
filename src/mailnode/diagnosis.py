"""Checks of a server with a connection: `mailnode verify` and `mailnode connections test`. No email is sent."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from mailnode.connections.connection import Connection
from mailnode.connections.service import Service, find_service
from mailnode.delivery.prepare import sender_of
from mailnode.delivery.route import OtherServer, Route, route
from mailnode.environment import Environment, open_connection
from mailnode.errors import UsageError
from mailnode.message.mailbox import parse_mailbox
from mailnode.smtp.doctor.diagnose import DOCTOR_DEADLINES, examine
from mailnode.smtp.doctor.finding import Diagnosis, Finding, OnFinding
from mailnode.smtp.server import ServerSettings, TlsOption


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnServer:
    """The server of a connection: its service's, or one of its hosts, which may be left out if there is only one."""

    host: str | None = None
    port: int | None = None
    tls_option: TlsOption | None = None
    ca: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnoser:
    """A planned check; `notes` are findings that are known before it."""

    server: ServerSettings
    connection: str
    sender: str | None
    recipients: tuple[str, ...]
    notes: tuple[Finding, ...] = ()

    async def run(self, on_finding: OnFinding) -> Diagnosis:
        """Check the server, and report each finding as it comes."""
        for note in self.notes:
            on_finding(note)
        diagnosis = await examine(self.server, sender=self.sender, recipients=self.recipients, on_finding=on_finding)
        return replace(diagnosis, findings=(*self.notes, *diagnosis.findings))


@asynccontextmanager
async def planned(
    target: Service | OtherServer | OwnServer,
    environment: Environment,
    *,
    connection_name: str | None = None,
    sender: str | None = None,
    recipients: Sequence[str] = (),
) -> AsyncIterator[Diagnoser]:
    """Plan a check, and keep its connection open.

    Raises:
        MailnodeError: the connection is unknown, or as `plan` does.
    """
    async with open_connection(environment, connection_name, afresh=True) as connection:
        yield plan(target, environment, connection, sender=sender, recipients=recipients)


def plan(
    target: Service | OtherServer | OwnServer,
    environment: Environment,
    connection: Connection | None,
    *,
    sender: str | None = None,
    recipients: Sequence[str] = (),
) -> Diagnoser:
    """Plan a check with an open connection; its sender is used where none is given.

    Raises:
        MailnodeError: the connection is not for this server or these recipients; an address is invalid.
    """
    if isinstance(target, OwnServer):
        assert connection
        target = _own(target, connection)
    chosen = route(target, connection, ehlo_name=environment.ehlo_name, proxy=environment.smtp_proxy)
    sender = sender or sender_of(connection)
    if recipients and sender is None:
        raise UsageError(
            "recipients can be tried only with a sender, and none is known",
            hint="give a sender, or set the one of the connection",
        )
    paths = tuple(parse_mailbox(recipient).addr_spec for recipient in recipients)
    redirected = (connection.redirect_all_to if connection else None) or environment.redirect_all_to
    if connection and not redirected:
        connection.check_recipients(paths)
    return Diagnoser(
        server=replace(chosen.server, deadlines=DOCTOR_DEADLINES),
        connection=chosen.connection,
        sender=parse_mailbox(sender).addr_spec if sender else None,
        recipients=(redirected,) if redirected and paths else paths,
        notes=tuple(_notes(chosen, redirected)),
    )


def _own(given: OwnServer, connection: Connection) -> Service | OtherServer:
    if connection.service:
        if given != OwnServer():
            raise UsageError(
                f"the connection {connection.name!r} is for {connection.service}, whose host, port and TLS are known",
                hint="leave out host, port, TLS option and CA file",
            )
        return find_service(connection.service)
    host = given.host
    if host is None:
        if len(connection.hosts) > 1:
            raise UsageError(
                f"the connection {connection.name!r} has several hosts: {', '.join(connection.hosts)}",
                hint="choose one of them",
            )
        host = connection.hosts[0]
    return OtherServer(host=host, port=given.port, tls_option=given.tls_option, ca=given.ca)


def _notes(chosen: Route, redirected: str | None) -> Iterator[Finding]:
    for warning in chosen.warnings:
        yield Finding("settings", "warning", warning)
    if redirected:
        yield Finding("settings", "warning", f"all email is redirected to {redirected}, and so is this test")
