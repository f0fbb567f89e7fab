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


class SlotWithdrawn(Exception):
    """The session whose last message this request was pipelined behind is not free in time; it needs another."""


@dataclass(slots=True, eq=False)
class SendRequest:
    """A message to hand over, with the hooks that a durable delivery needs.

    `on_session` is called when it has a session that is logged in. `before_content` is awaited once, when a recipient
    is accepted and no octet of content has left; `before_dot` is called when all but the final dot has left, or is
    about to leave with it. What either raises ends the session, and the server has accepted nothing. While more
    requests wait than there are sessions, those of one `queue_group` wait in line, and the groups take turns.

    `slot` is set while the request waits: its result is the session that already has this request's first commands,
    pipelined behind another message's final dot, or None for permission to use an idle session or to open one.
    """

    message: Message
    partial_delivery: PartialDelivery = "allow"
    on_session: Callable[[], None] | None = None
    before_content: BeforeContent | None = None
    before_dot: BeforeDot | None = None
    queue_group: Hashable = None
    slot: asyncio.Future[Any] | None = field(default=None, init=False)

    @property
    def is_waiting(self) -> bool:
        """Whether its sender still waits for a slot."""
        return self.slot is not None and not self.slot.done()


class FairQueue:
    """Requests in the order in which they get slots: first come, first served within a queue group, groups in turn.

    Requests whose sender no longer waits are skipped.
    """

    def __init__(self) -> None:
        self._groups: dict[Hashable, deque[SendRequest]] = {}

    def __len__(self) -> int:
        """Count the requests that still wait."""
        return sum(request.is_waiting for group in self._groups.values() for request in group)

    def __bool__(self) -> bool:
        """Whether any request may be in it; only `pop` sees whether its sender still waits."""
        return bool(self._groups)

    def push(self, request: SendRequest) -> None:
        """Put a request at the end of its queue group."""
        self._groups.setdefault(request.queue_group, deque()).append(request)

    def put_first(self, request: SendRequest) -> None:
        """Put a request that could not use its slot before all others."""
        group = self._groups.pop(request.queue_group, deque())
        group.appendleft(request)
        self._groups = {request.queue_group: group, **self._groups}

    def pop(self) -> SendRequest | None:
        """Take the next request whose sender still waits; its group goes behind the others."""
        while self._groups:
            name, group = next(iter(self._groups.items()))
            request = group.popleft()
            del self._groups[name]
            if group:
                self._groups[name] = group
            if request.is_waiting:
                return request
        return None
