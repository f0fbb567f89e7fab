"""One message's way through a session: what is handed over, under which wishes, and who waits for its turn."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from mailnode.smtp.content import Composed
from mailnode.smtp.outcome import PartialDelivery

BeforeContent = Callable[[], Awaitable[None]]
BeforeDot = Callable[[], None]


class LetOff(Exception):
    """The message before this one takes its time; its session is no good to ride on."""


@dataclass(slots=True, eq=False)
class SendRequest:
    """A message that wants to be handed over.

    `on_session` is called when it has a session that is logged in. `before_content` is awaited once, when a recipient
    is accepted and no octet of content has left; `before_dot` is called when all but the final dot has left, or is
    about to leave with it. What either raises ends the session, and the server has accepted nothing. While more
    requests wait than there are sessions, those of one `queue_group` wait in line, and the groups take turns.

    `turn` is set while the request waits for a session: it brings the session whose last message took this one's
    commands along, or None for leave to use an idle one or to open one.
    """

    message: Composed
    partial_delivery: PartialDelivery = "allow"
    on_session: Callable[[], None] | None = None
    before_content: BeforeContent | None = None
    before_dot: BeforeDot | None = None
    queue_group: Hashable = None
    turn: asyncio.Future[Any] | None = field(default=None, init=False)

    @property
    def is_waiting(self) -> bool:
        """Whether somebody still waits for the turn."""
        return self.turn is not None and not self.turn.done()
