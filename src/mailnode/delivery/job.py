"""What is to be done with a delivery: its content, its route, how long; and how it leaves."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mailnode.delivery.delivery import Delivery
from mailnode.delivery.outbound import Outbound
from mailnode.delivery.policy import original_recipients_field
from mailnode.delivery.route import Destination, Route
from mailnode.message.envelope import Envelope
from mailnode.smtp.client import SmtpClient
from mailnode.smtp.content import Composed

# Gives the route to a destination as it is now, and who sends by it.
Renew = Callable[[Destination], Awaitable[tuple[Route, SmtpClient]]]


@dataclass(frozen=True, slots=True)
class DeliveryJob:
    """A delivery, its content, and the way it goes for the next `seconds`; `renew` finds that anew.

    With `keep` the waits between its attempts are waited out, because somebody waits for the end; else it goes back to
    the queue. `is_probe` tells that its lane has failed so far, `is_last` that its time is over but for one try. Until
    `time_until` (the loop's time) it may be sent without asking for a time of the rate limit, because it has one.
    """

    delivery: Delivery
    message: Composed
    client: SmtpClient
    route: Route
    seconds: float
    keep: bool = True
    is_probe: bool = False
    is_last: bool = False
    time_until: float = -math.inf
    renew: Renew | None = None


def outbound_of(delivery: Delivery, message: Composed) -> Outbound:
    """Give a message as it leaves now: to who is open, and of one that is redirected under whom it was for."""
    envelope = Envelope(delivery.reverse_path, delivery.open_addresses)
    instead_of = [recipient.address for recipient in delivery.redirected_from if recipient.is_open]
    head = original_recipients_field(instead_of) if instead_of else b""
    return Outbound(envelope, message, head=head)
