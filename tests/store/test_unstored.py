"""What a database refuses is tried again soon enough for whoever looks."""

import asyncio

from mailnode.errors import StoreError
from mailnode.store import retry, unstored
from mailnode.store.unstored import Unstored

# What `/health` promises after the end of a trouble.
WELL_WITHIN_SECONDS = 5.0


async def test_no_wait_between_two_tries_is_longer_than_health_may_take_to_be_well(monkeypatch):
    assert unstored._LONGEST_WAIT_SECONDS < WELL_WITHIN_SECONDS
    monkeypatch.setattr(unstored, "_LONGEST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(retry, "WAITS_SECONDS", (3600.0,))
    kept, counts = Unstored(), []

    async def write():
        counts.append(kept.count)
        if len(counts) <= 3:
            raise StoreError("the disk is full", transient=True)
        return "stored"

    assert await kept.keep(write, lambda _: None, asyncio.Event()) == "stored"
    assert counts == [0, 1, 1, 1]
    assert (kept.count, kept.lost) == (0, 0)
