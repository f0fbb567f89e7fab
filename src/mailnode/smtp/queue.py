"""Who is next: first come, first served within a lane, and the lanes in turn."""

from collections import deque
from collections.abc import Hashable

from mailnode.smtp.passage import Passage


class FairQueue:
    """Passages that wait for their turn; those whose waiter has gone are passed over."""

    def __init__(self) -> None:
        self._lanes: dict[Hashable, deque[Passage]] = {}

    def __len__(self) -> int:
        """Count those who still wait."""
        return sum(passage.is_waiting for lane in self._lanes.values() for passage in lane)

    def __bool__(self) -> bool:
        """Whether anybody may be in it; who has gone is only seen by `pop`."""
        return bool(self._lanes)

    def push(self, passage: Passage) -> None:
        """Put a passage at the end of its lane."""
        self._lanes.setdefault(passage.lane, deque()).append(passage)

    def put_first(self, passage: Passage) -> None:
        """Put a passage that had its turn and could not use it before all others."""
        lane = self._lanes.pop(passage.lane, deque())
        lane.appendleft(passage)
        self._lanes = {passage.lane: lane, **self._lanes}

    def pop(self) -> Passage | None:
        """Take the next one whose waiter is still there; its lane goes behind the others."""
        while self._lanes:
            name, lane = next(iter(self._lanes.items()))
            passage = lane.popleft()
            del self._lanes[name]
            if lane:
                self._lanes[name] = lane
            if passage.is_waiting:
                return passage
        return None
