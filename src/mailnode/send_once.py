"""Sending one email without a flow, as `mailnode send` does: no delivery is stored, and nothing is retried."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mailnode.connections.service import Service
from mailnode.delivery.prepare import PreparedMail, prepare_numbered, sender_of
from mailnode.delivery.result import Result, result_of
from mailnode.delivery.route import Destination, OtherServer, route
from mailnode.environment import Environment, open_connection
from mailnode.errors import SessionLost
from mailnode.message.email import Email
from mailnode.message.envelope import Message
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.outcome import Outcome, PartialDelivery
from mailnode.smtp.send_queue import SendRequest

Watch = Callable[[int, int], None]


def unwatched(_sent: int, _size: int) -> None:
    """Ignore the progress."""


@dataclass(frozen=True, slots=True)
class _Watched(Message):
    """A message that reports to `watch` how many of its bytes were sent."""

    watch: Watch = unwatched

    def blocks(self) -> Iterator[bytes]:
        sent = 0
        for block in Message.blocks(self):
            yield block
            sent += len(block)
            self.watch(sent, self.size)


def _ignore() -> None:
    """Ignore that an answer is waited for."""


async def send_once(
    email: Email,
    target: Service | OtherServer,
    environment: Environment,
    *,
    connection_name: str | None = None,
    partial_delivery: PartialDelivery = "allow",
    watch: Watch = unwatched,
    on_waiting: Callable[[], None] = _ignore,
) -> Result:
    """Send one email and give its result; `watch` is called with the bytes sent and the size of the message.

    An email without `from_` takes the connection's. A cancellation after the final dot waits for the server's answer:
    `on_waiting` is called then, and the result is given all the same.

    Raises:
        MailnodeError: the message can't be made, or no server was reached that gave a verdict on it.
    """
    async with open_connection(environment, connection_name) as connection:
        chosen = route(target, connection, ehlo_name=environment.ehlo_name, proxy=environment.smtp_proxy)
        email = replace(email, from_=email.from_ or sender_of(connection) or "")
        message, numbered = prepare_numbered(email, connection, environment.redirect_all_to)
        mail = PreparedMail(
            message=message,
            destination=Destination(target, chosen.connection),
            route=chosen,
            warnings=(*chosen.warnings, *message.warnings),
            numbered=numbered,
        )
        return await _send(mail, partial_delivery, watch, on_waiting)


async def _send(
    mail: PreparedMail, partial_delivery: PartialDelivery, watch: Watch, on_waiting: Callable[[], None]
) -> Result:
    delivery = mail.delivery("").with_new_attempt()
    it = mail.message
    message = _Watched(it.envelope, it.fields, it.message_id, it.size, it.pieces, watch=watch)
    dot = asyncio.Event()
    async with SmtpClient.from_settings(mail.route.server) as client:
        request = SendRequest(message, partial_delivery=partial_delivery, before_dot=dot.set)
        sending = asyncio.create_task(client.hand_over(request))
        try:
            outcome = await _answered(sending, dot, on_waiting)
        except SessionLost as lost:
            return result_of(delivery.after_loss(lost), error=lost)
    return result_of(delivery.with_verdicts(outcome.recipients), outcome=outcome)


async def _answered(sending: asyncio.Task[Outcome], dot: asyncio.Event, on_waiting: Callable[[], None]) -> Outcome:
    """Wait for the end of a send; a cancellation before the final dot ends it, a later one waits all the same."""
    try:
        return await asyncio.shield(sending)
    except asyncio.CancelledError:
        if not dot.is_set():
            sending.cancel()
            await asyncio.wait({sending})
            raise
        on_waiting()
        return await sending
