"""How much a worker takes at once: hands for servers that work, and beside them one try for each that has not yet."""

import resource
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from mailnode.delivery.circuit_breaker import is_failing
from mailnode.delivery.delivery import Delivery

# How many deliveries are under way at once to servers that work; to one more than its sessions, so that none waits.
HANDS = 128
LANE_HANDS = 64
# So many are claimed together, as long as there is work meanwhile: a claim costs a commit.
BATCH = 32
# How many other servers are tried at once, and how many of them may have failed the last time.
NEWCOMERS = 256
PROBES = 128
# Of the file descriptors that a process may have, the part for newcomers: many systems give no more than 256.
_NEWCOMERS_PART = 4
# What is under way lies in memory, each kind counted by itself; a single larger one is claimed alone.
MOST_OCTETS = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Hands:
    """How many deliveries a worker can take.

    In all `free`, of `octets`, and of each server that works as many as `rooms` has for it. All others are newcomers:
    each gets one, unless it has it (`trying`); so many `newcomers` in all, of `newcomer_octets`, and of them so many
    `probes` of those that fail. `troubled` are the lanes that this worker has found failing, `only` names the one lane
    that is asked for.
    """

    free: int
    octets: int
    rooms: Mapping[str, int]
    newcomers: int = NEWCOMERS
    newcomer_octets: int = MOST_OCTETS
    probes: int = PROBES
    trying: AbstractSet[str] = frozenset()
    troubled: Collection[str] = ()
    only: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be taken."""
        return self.free < 1 and self.newcomers < 1


class Capacity:
    """What one worker has under way, and what more it can take.

    A server gets one delivery at first, and twice as many with each one that goes well; trouble puts it back to one.
    Those with one don't count against the hands: however many take a connection and stay silent, whoever works finds a
    hand. Nobody knows which of those that have not worked yet will, so there is room for many.
    """

    def __init__(self) -> None:
        """Have nothing under way, and know no server."""
        self._windows: dict[str, int] = {}
        self._under_way: Counter[str] = Counter()
        self._octets: Counter[str] = Counter()
        self._probes = 0

    @property
    def total(self) -> int:
        """How many deliveries are under way."""
        return self._under_way.total()

    @property
    def lanes(self) -> list[str]:
        """The lanes that have something under way."""
        return [*self._under_way]

    def of(self, lane: str) -> int:
        """Tell how many of a lane are under way."""
        return self._under_way[lane]

    def room(self, lane: str) -> int:
        """Tell how many more of a lane may be taken; none while that would be a small part of what it bears."""
        window = self._windows.get(lane, 1)
        room = window - self._under_way[lane]
        return room if room >= min(BATCH, window / 2) else 0

    def hands(self, only: str | None = None, troubled: Collection[str] = ()) -> Hands:
        """Tell what can be taken now."""
        trying = {lane for lane in self._under_way if lane not in self._windows}
        at_work = self._under_way.total() - sum(self._under_way[lane] for lane in trying)
        newcomer_octets = sum(self._octets[lane] for lane in trying)
        return Hands(
            HANDS - at_work,
            MOST_OCTETS - (self._octets.total() - newcomer_octets),
            {lane: self.room(lane) for lane in self._windows},
            newcomers=_newcomers() - len(trying),
            newcomer_octets=MOST_OCTETS - newcomer_octets,
            probes=PROBES - self._probes,
            trying=trying,
            troubled=troubled,
            only=only,
        )

    def begin(self, delivery: Delivery, *, is_probe: bool) -> None:
        """Count a delivery in."""
        self._under_way[delivery.lane] += 1
        self._octets[delivery.lane] += delivery.size
        self._probes += is_probe

    def end(self, delivery: Delivery, *, is_probe: bool) -> None:
        """Count it out."""
        lane = delivery.lane
        self._octets[lane] -= delivery.size
        self._under_way[lane] -= 1
        self._probes -= is_probe
        if not self._under_way[lane]:
            del self._under_way[lane], self._octets[lane]

    def works(self, lane: str) -> None:
        """Hear that one of a lane went well."""
        self._windows[lane] = min(self._windows.get(lane, 1) * 2, LANE_HANDS)

    def fails(self, lane: str) -> None:
        """Hear that a lane does not work, or no more."""
        self._windows.pop(lane, None)


def deal(ready: Sequence[Row[Any]], hands: Hands, free: int) -> Counter[str]:
    """Deal `free` hands out to the lanes that work, one each time around; newcomers get one each, the failing last."""
    shares: Counter[str] = Counter()
    open_lanes = [lane.name for lane in ready if hands.rooms.get(lane.name, 0) > 0]
    while free > 0 and open_lanes:
        for name in open_lanes[:free]:
            shares[name] += 1
        free -= len(open_lanes)
        open_lanes = [name for name in open_lanes if shares[name] < hands.rooms[name]]
    newcomers = [lane for lane in ready if lane.name not in hands.rooms and lane.name not in hands.trying]
    fresh = [lane for lane in newcomers if not is_failing(lane)]
    failing = [lane for lane in newcomers if is_failing(lane)][: max(hands.probes, 0)]
    for lane in [*fresh, *failing][: max(hands.newcomers, 0)]:
        shares[lane.name] = 1
    return shares


def _newcomers() -> int:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return NEWCOMERS if most == resource.RLIM_INFINITY else min(NEWCOMERS, most // _NEWCOMERS_PART)
