"""Requests to send a message, and the queue in which they wait for a session."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from mailnode.errors import SessionLost
from mailnode.message.envelope import Message
from mailnode.smtp.outcome import PartialDelivery

BeforeContent = Callable[[], Awaitable[None]]
BeforeDot = Callable[[], None]


class StaleSession(SessionLost):
    """No content was handed over, and another session, or a slower pace, may do better."""


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

    message: Message
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


class FairQueue:
    """Passages that wait for their turn; those whose waiter has gone are passed over."""

    def __init__(self) -> None:
        self._lanes: dict[Hashable, deque[SendRequest]] = {}

    def __len__(self) -> int:
        """Count those who still wait."""
        return sum(request.is_waiting for lane in self._lanes.values() for request in lane)

    def __bool__(self) -> bool:
        """Whether anybody may be in it; who has gone is only seen by `pop`."""
        return bool(self._lanes)

    def push(self, request: SendRequest) -> None:
        """Put a request at the end of its lane."""
        self._lanes.setdefault(request.queue_group, deque()).append(request)

    def put_first(self, request: SendRequest) -> None:
        """Put a request that had its turn and could not use it before all others."""
        lane = self._lanes.pop(request.queue_group, deque())
        lane.appendleft(request)
        self._lanes = {request.queue_group: lane, **self._lanes}

    def pop(self) -> SendRequest | None:
        """Take the next one whose waiter is still there; its lane goes behind the others."""
        while self._lanes:
            name, lane = next(iter(self._lanes.items()))
            request = lane.popleft()
            del self._lanes[name]
            if lane:
                self._lanes[name] = lane
            if request.is_waiting:
                return request
        return None
