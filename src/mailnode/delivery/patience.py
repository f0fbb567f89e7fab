"""How long a delivery is tried: whether another attempt may follow, and what is said where there is no time for it."""

from mailnode.delivery.delivery import Delivery, Terms
from mailnode.delivery.route import Route
from mailnode.errors import ErrorCode, LoginFailed, MailnodeError, Phase, SessionLost, SmtpError, StoreError

_HOUR = 3600
_UNREACHED: frozenset[Phase] = frozenset({"connect", "tls", "greeting"})


class OutOfPatience(SmtpError):
    """The time for a delivery is over."""


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
    terms: Terms, phase: Phase, last_words: str, cut_off: SmtpError | None = None, hint: str = ""
) -> OutOfPatience:
    """Say that a delivery was not accepted in its time: why the last try failed, or what it waited for (`cut_off`).

    `hint` is the remedy for what the last try met, if it has one.
    """
    seconds = terms.seconds
    time = f"{seconds:g} s" if seconds < _HOUR else f"{seconds / _HOUR:g} h"
    last = f"; the last try: {last_words}" if last_words else ""
    setting = "retryHours" if terms.queued else "timeoutSeconds"
    hint = hint or f"raise {setting}, or ask the server's operator why it is slow"
    if cut_off is not None:
        last = f": {cut_off.message}"
        hint = cut_off.hint if cut_off.phase in _UNREACHED else hint
    over = OutOfPatience(
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
        hint="set asynchronous, so that the mail waits for its turn, or raise the connection's rateLimit",
        transient=True,
    )
