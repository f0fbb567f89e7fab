"""How much a worker sends at once: as much as its servers bear, and one delivery each on routes that are untried."""

import resource
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from mailnode.delivery.circuit_breaker import is_tripped
from mailnode.delivery.delivery import Delivery

# How many deliveries are under way at once on routes that work; on each more than its sessions, so that none waits.
MAX_DELIVERIES = 128
MAX_PER_ROUTE = 64
# So many are claimed together as long as there is other work: a claim costs a commit.
CLAIM_BATCH = 32
# How many routes are asked at once for what is due: hand-overs and outcomes must not wait behind thousands of them.
ASKED_AT_ONCE = 8
# How many untried routes have a delivery under way at once, and how many of them may have failed the last time.
MAX_UNTRIED = 256
MAX_PROBES = 128
# Of the file descriptors that a process may have, the part for untried routes: many systems give no more than 256.
_UNTRIED_PART = 4
# What is under way is held in memory, for each kind of route on its own; a single larger message is claimed alone.
MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class FreeCapacity:
    """How many more deliveries a worker can take now.

    On routes that work it takes `deliveries` in all, of `size` bytes, and on each as many as `per_route` says. All
    other routes are untried: each takes one, unless it is in `busy_untried`; so many `untried` in all, of
    `untried_size` bytes, and of them so many `probes` of routes that are tripped. `tripped` are the routes that this
    worker has found failing; `only` names the one route that is asked for.
    """

    deliveries: int
    size: int
    per_route: Mapping[str, int]
    untried: int = MAX_UNTRIED
    untried_size: int = MAX_BYTES
    probes: int = MAX_PROBES
    busy_untried: AbstractSet[str] = frozenset()
    tripped: Collection[str] = ()
    only: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be taken."""
        if self.only is not None:
            return (self.deliveries if self.only in self.per_route else self.untried) < 1
        return self.deliveries < 1 and self.untried < 1

    def has_place(self, route_key: str) -> bool:
        """Whether a route bears one more, if there is room for it."""
        if route_key in self.per_route:
            return self.per_route[route_key] > 0
        return route_key not in self.busy_untried


class Capacity:
    """What one worker has under way, by route key, and what more it can take.

    A route takes one delivery at first, and twice as many with each one that goes well; a failure puts it back to one.
    Those with one don't count against the deliveries in all: however many servers accept a connection and stay silent,
    the others are served. Nobody knows which of the untried routes will work, so there is room for many.
    """

    def __init__(self) -> None:
        """Have nothing under way, and know no route."""
        self._windows: dict[str, int] = {}
        self._under_way: Counter[str] = Counter()
        self._sizes: Counter[str] = Counter()
        self._probes = 0

    @property
    def total(self) -> int:
        """How many deliveries are under way."""
        return self._under_way.total()

    @property
    def route_keys(self) -> list[str]:
        """The routes that have something under way."""
        return [*self._under_way]

    def under_way(self, route_key: str) -> int:
        """Tell how many deliveries of a route are under way."""
        return self._under_way[route_key]

    def room(self, route_key: str) -> int:
        """Tell how many more of a route may be taken; none while that would be a small part of what it bears."""
        window = self._windows.get(route_key, 1)
        room = window - self._under_way[route_key]
        return room if room >= min(CLAIM_BATCH, window / 2) else 0

    def free(
        self,
        only: str | None = None,
        tripped: Collection[str] = (),
        left_to_others: AbstractSet[str] = frozenset(),
    ) -> FreeCapacity:
        """Tell what can be taken now; nothing of the routes that are left to other processes."""
        known = self._windows.keys() if only is None else self._windows.keys() & {only}
        untried = {key for key in self._under_way if key not in self._windows}
        proven = self._under_way.total() - sum(self._under_way[key] for key in untried)
        untried_size = sum(self._sizes[key] for key in untried)
        return FreeCapacity(
            MAX_DELIVERIES - proven,
            MAX_BYTES - (self._sizes.total() - untried_size),
            {key: self.room(key) for key in known if key not in left_to_others},
            untried=_max_untried() - len(untried),
            untried_size=MAX_BYTES - untried_size,
            probes=MAX_PROBES - self._probes,
            busy_untried=untried | left_to_others,
            tripped=tripped,
            only=only,
        )

    def begin(self, delivery: Delivery, *, is_probe: bool) -> None:
        """Count a delivery in."""
        self._under_way[delivery.route_key] += 1
        self._sizes[delivery.route_key] += delivery.size
        self._probes += is_probe

    def end(self, delivery: Delivery, *, is_probe: bool) -> None:
        """Count it out."""
        key = delivery.route_key
        self._sizes[key] -= delivery.size
        self._under_way[key] -= 1
        self._probes -= is_probe
        if not self._under_way[key]:
            del self._under_way[key], self._sizes[key]

    def note_success(self, route_key: str) -> None:
        """Let a route take more: a delivery of it went well."""
        self._windows[route_key] = min(self._windows.get(route_key, 1) * 2, MAX_PER_ROUTE)

    def note_failure(self, route_key: str) -> None:
        """Count a route as untried: it does not work, or no longer."""
        self._windows.pop(route_key, None)


def share_out(ready: Sequence[Row[Any]], free: FreeCapacity, most: int) -> Counter[str]:
    """Share `most` deliveries out among the routes that work, in turns; untried ones get one each, tripped last."""
    shares: Counter[str] = Counter()
    open_keys = [row.name for row in ready if row.name in free.per_route and free.has_place(row.name)]
    while most > 0 and open_keys:
        for key in open_keys[:most]:
            shares[key] += 1
        most -= len(open_keys)
        open_keys = [key for key in open_keys if shares[key] < free.per_route[key]]
    untried = [row for row in ready if row.name not in free.per_route and free.has_place(row.name)]
    fresh = [row for row in untried if not is_tripped(row)]
    tripped = [row for row in untried if is_tripped(row)][: max(free.probes, 0)]
    for row in [*fresh, *tripped][: max(free.untried, 0)]:
        shares[row.name] = 1
    return shares


def _max_untried() -> int:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MAX_UNTRIED if most == resource.RLIM_INFINITY else min(MAX_UNTRIED, most // _UNTRIED_PART)
