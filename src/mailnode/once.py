"""One mail, now, without a flow: what `mailnode send` does. No delivery is written, nothing is tried twice."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mailnode.connections.connection import Connection
from mailnode.connections.service import Service
from mailnode.delivery.delivery import Delivery, Recipient
from mailnode.delivery.mail import make_mail, sender_of
from mailnode.delivery.report import Report, report_of
from mailnode.delivery.route import Clients, OtherServer, route
from mailnode.environment import Environment, open_connections
from mailnode.errors import SessionLost
from mailnode.message.email import Email
from mailnode.message.envelope import Envelope
from mailnode.smtp.content import Composed
from mailnode.smtp.transaction import PartialDelivery

Watch = Callable[[int, int], None]


def _unwatched(_gone: int, _size: int) -> None:
    """Nobody looks."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A message that tells how many of its octets have left."""

    message: Composed
    watch: Watch

    @property
    def envelope(self) -> Envelope:
        """Give the message's envelope."""
        return self.message.envelope

    @property
    def message_id(self) -> str:
        """Give the message's Message-ID."""
        return self.message.message_id

    @property
    def size(self) -> int:
        """Give the message's size in octets."""
        return self.message.size

    def blocks(self) -> Iterator[bytes]:
        """Give the octets anew."""
        gone = 0
        for block in self.message.blocks():
            yield block
            gone += len(block)
            self.watch(gone, self.size)


async def send_once(
    email: Email,
    target: Service | OtherServer,
    environment: Environment,
    *,
    connection_name: str | None = None,
    partial_delivery: PartialDelivery = "allow",
    watch: Watch = _unwatched,
) -> Report:
    """Send one email and tell what came of it; `watch` hears how many octets of how many have left.

    An email without `from_` takes the connection's.

    Raises:
        MailnodeError: the mail can't be made, or no server was reached that judged it.
    """
    connection = await _connection(environment, connection_name)
    way = route(target, connection, ehlo_name=environment.ehlo_name)
    email = replace(email, from_=email.from_ or sender_of(connection) or "")
    mail = make_mail(email, connection, environment.redirect_all_to)
    envelope = mail.message.envelope
    delivery = Delivery(
        id="",
        generation=1,
        connection=way.connection,
        host=way.server.host,
        reverse_path=envelope.reverse_path,
        message_id=mail.message.message_id,
        size=mail.message.size,
        recipients=tuple(Recipient(path, mail.fields[path]) for path in envelope.forward_paths),
        attempts=1,
        warnings=(*way.warnings, *mail.warnings),
    )
    clients = Clients()
    try:
        outcome = await clients.of(way).send(Watched(mail.message, watch), partial_delivery=partial_delivery)
    except SessionLost as lost:
        if not lost.unknown:
            raise
        return report_of(replace(delivery, maybe_accepted=True), error=lost)
    finally:
        await clients.close()
    return report_of(delivery.judged(outcome.recipients), outcome=outcome)


async def _connection(environment: Environment, name: str | None) -> Connection | None:
    if name is None:
        return None
    async with open_connections(environment) as (_, connections):
        return await connections.get(name)
