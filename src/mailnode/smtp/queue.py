"""Who is next: first come, first served within a lane, and the lanes in turn."""

from collections import deque
from collections.abc import Hashable

from mailnode.smtp.send_request import SendRequest


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
