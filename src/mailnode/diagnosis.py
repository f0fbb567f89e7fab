"""Checks of a server with a connection: `mailnode verify` and `mailnode connections test`. No email is sent."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from mailnode.connections.connection import Connection
from mailnode.connections.service import Service, find_service
from mailnode.delivery.prepare import sender_of
from mailnode.delivery.route import OtherServer, Route, route
from mailnode.environment import Environment, open_connections
from mailnode.errors import MailnodeError, UsageError
from mailnode.message.mailbox import parse_mailbox
from mailnode.smtp.doctor.diagnose import DOCTOR_DEADLINES, examine
from mailnode.smtp.doctor.finding import Diagnosis, Finding, OnFinding
from mailnode.smtp.server import ServerSettings, TlsOption

if TYPE_CHECKING:
    from mailnode.connections.repository import ConnectionRepository


class Keep(Protocol):
    """Keeps what the test of a connection found; no `failed_step` is success."""

    async def __call__(self, *, failed_step: str | None = None, found: str = "", hint: str = "") -> None:
        """Keep it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnServer:
    """The server of a connection: its service's, or one of its hosts, which may be left out if there is only one."""

    host: str | None = None
    port: int | None = None
    tls_option: TlsOption | None = None
    ca: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnoser:
    """A planned check; `notes` are findings that are known before it, and `keep` keeps what was found."""

    server: ServerSettings
    connection: str
    sender: str | None
    recipients: tuple[str, ...]
    notes: tuple[Finding, ...] = ()
    keep: "Keep | None" = None

    async def run(self, on_finding: OnFinding) -> Diagnosis:
        """Check the server, and report each finding as it comes.

        Raises:
            MailnodeError: the check can't go on.
        """
        try:
            diagnosis = await self._look(on_finding)
        except MailnodeError as error:
            if self.keep:
                await self.keep(failed_step=error.phase, found=error.message, hint=error.hint)
            raise
        if self.keep and diagnosis.ok:
            await self.keep()
        elif self.keep:
            first = diagnosis.failed[0]
            await self.keep(failed_step=first.step, found=first.found, hint=first.hint)
        return diagnosis

    async def _look(self, on_finding: OnFinding) -> Diagnosis:
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
    """Plan a check, and keep its connection open; what is found at a connection's own server is kept with it.

    Raises:
        MailnodeError: the connection is unknown, or as `plan` does.
    """
    if connection_name is None:
        yield plan(target, environment, None, sender=sender, recipients=recipients)
        return
    async with open_connections(environment) as opened:
        # A token is requested at once, even if the last request failed a moment ago.
        await opened.connections.forget_failure(connection_name)
        connection = await opened.connections.get(connection_name)
        chosen = plan(target, environment, connection, sender=sender, recipients=recipients)
        yield kept(chosen, connection, opened.connections) if isinstance(target, OwnServer) else chosen


def kept(diagnoser: Diagnoser, connection: Connection, repository: "ConnectionRepository") -> Diagnoser:
    """Have what is found at a connection's own server kept with it."""
    return replace(diagnoser, keep=partial(repository.keep_test, connection.identity))


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
