"""One mail, now, without a flow: what `mailnode send` does. No delivery is written, nothing is tried twice."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mailnode.connections.service import Service
from mailnode.delivery.prepare import PreparedMail, prepare, sender_of
from mailnode.delivery.result import Result, result_of
from mailnode.delivery.route import Destination, OtherServer, route
from mailnode.environment import Environment, in_use
from mailnode.errors import SessionLost
from mailnode.message.email import Email
from mailnode.message.envelope import Message
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.outcome import Outcome, PartialDelivery
from mailnode.smtp.send_queue import SendRequest

Watch = Callable[[int, int], None]


def unwatched(_sent: int, _size: int) -> None:
    """Tell nobody how far a message is."""


@dataclass(frozen=True, slots=True)
class _Watched(Message):
    """A message; `watch` hears how many of its bytes have left."""

    watch: Watch = unwatched

    def blocks(self) -> Iterator[bytes]:
        sent = 0
        for block in Message.blocks(self):
            yield block
            sent += len(block)
            self.watch(sent, self.size)


def _nobody() -> None:
    """Tell nobody that an answer is waited for."""


async def send_once(
    email: Email,
    target: Service | OtherServer,
    environment: Environment,
    *,
    connection_name: str | None = None,
    partial_delivery: PartialDelivery = "allow",
    watch: Watch = unwatched,
    overstays: Callable[[], None] = _nobody,
) -> Result:
    """Send one email and tell what came of it; `watch` hears how many octets of how many have left.

    An email without `from_` takes the connection's. Who cancels this once the final dot is out gets the report all the
    same, when the server has answered; `overstays` is called then.

    Raises:
        MailnodeError: the mail can't be made, or no server was reached that judged it.
    """
    async with in_use(environment, connection_name) as connection:
        way = route(target, connection, ehlo_name=environment.ehlo_name, proxy=environment.smtp_proxy)
        email = replace(email, from_=email.from_ or sender_of(connection) or "")
        message = prepare(email, connection, environment.redirect_all_to)
        mail = PreparedMail(
            message=message,
            destination=Destination(target, way.connection),
            route=way,
            warnings=(*way.warnings, *message.warnings),
        )
        return await _send(mail, partial_delivery, watch, overstays)


async def _send(
    mail: PreparedMail, partial_delivery: PartialDelivery, watch: Watch, overstays: Callable[[], None]
) -> Result:
    delivery = mail.delivery("").tried_again()
    it = mail.message
    message = _Watched(it.envelope, it.fields, it.message_id, it.size, it.pieces, watch=watch)
    dot = asyncio.Event()
    async with SmtpClient.from_settings(mail.route.server) as client:
        request = SendRequest(message, partial_delivery=partial_delivery, before_dot=dot.set)
        sending = asyncio.create_task(client.hand_over(request))
        try:
            outcome = await _answered(sending, dot, overstays)
        except SessionLost as lost:
            return result_of(delivery.after_loss(lost), error=lost)
    return result_of(delivery.judged(outcome.recipients), outcome=outcome)


async def _answered(sending: asyncio.Task[Outcome], dot: asyncio.Event, overstays: Callable[[], None]) -> Outcome:
    """Wait for the end of a send; who leaves before the final dot ends it, who leaves later waits all the same."""
    try:
        return await asyncio.shield(sending)
    except asyncio.CancelledError:
        if not dot.is_set():
            sending.cancel()
            await asyncio.wait({sending})
            raise
        overstays()
        return await sending
