"""A delivery in the hands of this process: its content, its route, for how long, and whether it is tried again."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mailnode.delivery.delivery import Delivery, Terms
from mailnode.delivery.policy import original_recipients_field
from mailnode.delivery.recovery import RunEnd
from mailnode.delivery.result import Result
from mailnode.delivery.route import Destination, Route
from mailnode.errors import ErrorCode, LoginFailed, MailnodeError, Phase, SessionLost, SmtpError, StoreError
from mailnode.message.envelope import Envelope, Message
from mailnode.smtp.client import SmtpClient

# Gives the route to a destination as it is now, and the client that sends by it.
Renew = Callable[[Destination], Awaitable[tuple[Route, SmtpClient]]]
# Gives how the run ends with this result of its mail, if it does; called once the result is known.
EndRun = Callable[[Result], RunEnd | None]
_HOUR = 3600
_UNREACHED: frozenset[Phase] = frozenset({"connect", "tls", "greeting"})


class OutOfTime(SmtpError):
    """The time for a delivery is over."""


@dataclass(frozen=True, slots=True)
class DeliveryJob:
    """A delivery, its content, and the route that it takes for the next `seconds`; `renew` looks the route up again.

    With `keep` the waits between its attempts are waited out, because a flow waits for the end; else it goes back to
    the queue. `is_probe` tells that its route has failed so far, `is_last` that its time is over but for one attempt.
    Until `time_until` (`time.monotonic`) it may be sent without asking the rate limit for a time, because it has one.
    `end_run` is for a run that waits for it.
    """

    delivery: Delivery
    message: Message
    client: SmtpClient
    route: Route
    seconds: float
    keep: bool = True
    is_probe: bool = False
    is_last: bool = False
    time_until: float = -math.inf
    renew: Renew | None = None
    end_run: EndRun | None = None


def message_now(delivery: Delivery, message: Message) -> Message:
    """Give a message as it is sent now: to who is open, and if it is redirected with a field that names who it was for.

    That field goes on top, where a signature of the message does not cover it.
    """
    open_ = {recipient.address: recipient.field for recipient in delivery.recipients if recipient.is_open}
    envelope = Envelope(delivery.reverse_path, tuple(open_))
    instead_of = [recipient.address for recipient in delivery.redirected_from if recipient.is_open]
    head = original_recipients_field(instead_of) if instead_of else b""
    pieces = (head, *message.pieces) if head else message.pieces
    return Message(envelope, open_, message.message_id, len(head) + message.size, pieces)


def may_try_again(delivery: Delivery, error: MailnodeError | None, *, is_awaited: bool) -> bool:
    """Tell whether another attempt may follow the one that ended so; `is_awaited` by a flow."""
    if not delivery.open_addresses:
        return False
    if isinstance(error, StoreError):  # no server's doing, and nothing has left
        return error.transient
    if delivery.terms.tries is not None and delivery.tries >= delivery.terms.tries:
        return False
    if isinstance(error, SessionLost) and error.unknown:
        return delivery.terms.on_unknown == "resend"
    # A resolver that is cut off from the world knows no name at all: what is queued waits, as for a port.
    if error and error.code == ErrorCode.UNKNOWN_HOST and not is_awaited:
        return True
    if isinstance(error, LoginFailed) and not error.was_tried:
        return not is_awaited
    return error is None or error.transient


def too_late(
    terms: Terms, phase: Phase, last_message: str, cut_off: SmtpError | None = None, hint: str = ""
) -> OutOfTime:
    """Say that a delivery was not accepted in its time: why the last try failed, or what it waited for (`cut_off`).

    `hint` is the remedy for what the last try met, if it has one.
    """
    seconds = terms.seconds
    time = f"{seconds:g} s" if seconds < _HOUR else f"{seconds / _HOUR:g} h"
    last = f"; the last attempt: {last_message}" if last_message else ""
    setting = "retryHours" if terms.queued else "timeoutSeconds"
    hint = hint or f"raise {setting}, or ask the server's operator why it is slow"
    if cut_off is not None:
        last = f": {cut_off.message}"
        hint = cut_off.hint if cut_off.phase in _UNREACHED else hint
    over = OutOfTime(
        f"not accepted within {time}{last}",
        code=ErrorCode.TIMEOUT,
        phase=cut_off.phase if cut_off else phase,
        hint=hint,
        transient=True,
    )
    over.dialogue = cut_off.dialogue if cut_off else ""
    return over


def rate_used_up(route: Route, phase: Phase) -> SmtpError:
    """Say that the rate limit of a connection gives no time soon enough."""
    return SmtpError(
        f"the rate limit of the connection {route.connection!r}, {route.rate_limit}, is used up",
        code=ErrorCode.RATE_LIMITED,
        phase=phase,
        hint="set asynchronous so that the email waits its turn, or raise the connection's rateLimit",
        transient=True,
    )
