"""What a server was waited for when somebody lost patience: it travels as the cause of the cancellation."""

import asyncio

from mailnode.errors import SmtpError


def awaited(error: BaseException) -> SmtpError | None:
    """Give what the wait was for that a timeout, or a cancellation, has ended; None where it was for no server."""
    seen: BaseException | None = error
    while isinstance(seen, TimeoutError | asyncio.CancelledError):
        seen = seen.__cause__ or seen.__context__
    return seen if isinstance(seen, SmtpError) else None
