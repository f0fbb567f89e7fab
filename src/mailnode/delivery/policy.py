"""To whom email may go, by the connection and the environment, when it is composed and again when it is sent."""

from collections.abc import Iterable
from dataclasses import dataclass

from mailnode.connections.connection import Connection, ConnectionRevision
from mailnode.errors import DeliveryError, ErrorCode
from mailnode.message.header import text_field

ORIGINAL_RECIPIENTS = "X-Original-Recipients"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a connection allows, None for mail without one, and where a whole process redirects its mail."""

    connection: Connection | None = None
    redirect_all_to: str | None = None

    @property
    def target(self) -> str | None:
        """The mailbox that alone gets everything, if there is one: the connection's own, else the process's."""
        return (self.connection.redirect_all_to if self.connection else None) or self.redirect_all_to

    @property
    def connection_revision(self) -> ConnectionRevision | None:
        """Which revision of the connection this is."""
        return self.connection.identity if self.connection else None

    def check(self, addr_specs: Iterable[str]) -> None:
        """See to it that mail may go to all of these.

        Raises:
            ConnectionsError: the connection may not write to one of them.
        """
        if self.connection:
            self.connection.check_recipients(addr_specs)


class ConnectionEdited(DeliveryError):
    """The connection that a route was found with is another one by now: nothing was handed over by it."""


def connection_edited(revision: ConnectionRevision) -> ConnectionEdited:
    """Make the error of a mail that was on its way when its connection was changed."""
    return ConnectionEdited(
        f"the connection {revision.name!r} was changed while the email was being sent; nothing was sent",
        code=ErrorCode.CONNECTION_CONFLICT,
        phase="content",
        hint="send it again with the connection as it is now",
        transient=True,
    )


def redirection_warning(target: str) -> str:
    """Say where a mail went instead."""
    return f"redirected to {target}"


def original_recipients_field(addr_specs: Iterable[str]) -> bytes:
    """Write the header field that goes on top of a mail that is redirected when it is composed already."""
    return text_field(ORIGINAL_RECIPIENTS, ", ".join(addr_specs))
