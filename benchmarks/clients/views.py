"""What is looked at in a database that was filled (see fill): for each line of input, the name of a view, its tally.

python -m benchmarks.clients.views COUNT PID    of the environment's database; PID, if not 0, is PostgreSQL's
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

from benchmarks.clients.fill import KEPT_DAYS, KEPT_KEYS_DAYS, RARE_STATE, address_of, id_of, run_of
from benchmarks.growth import DAYS
from benchmarks.job import Tally
from benchmarks.process import cpu_seconds
from mailnode.app import Mailnode

SECONDS = 0.2

View = Callable[[], Awaitable[object]]


def views(mailnode: Mailnode, count: int) -> dict[str, View]:
    """Give each view by its name."""
    deliveries, runs, one = mailnode.deliveries, mailnode.runs, count // 2 + 1
    return {
        "list": deliveries.list,
        "list by recipient": lambda: deliveries.list(recipient=address_of(one)),
        "list by state": lambda: deliveries.list(states=(RARE_STATE,)),
        "list by run": lambda: deliveries.list(run=run_of(one)),
        "show by id": lambda: deliveries.show(id_of(one)),
        "show by the beginning of an id": lambda: deliveries.show(id_of(one)[:8]),
        "show by Message-ID": lambda: deliveries.show(f"<{id_of(one)}@example.com>"),
        "history of a day": lambda: deliveries.history(24),
        f"history of {DAYS} days": lambda: deliveries.history(24 * DAYS),
        "list of runs": runs.list,
        "list of runs by status": lambda: runs.list(statuses=("halted",)),
        "sweep": lambda: mailnode.deliveries.sweep(KEPT_DAYS, KEPT_KEYS_DAYS),
    }


async def measured(view: View, keeper: int) -> Tally:
    """Look once for nothing, then again and again; CPU is that of this process, its threads and PostgreSQL."""

    def used() -> float:
        return time.process_time() + (cpu_seconds(keeper) if keeper else 0)

    await view()
    wall, cpu, looks = time.perf_counter(), used(), 0
    while looks == 0 or time.perf_counter() - wall < SECONDS:
        await view()
        looks += 1
    return Tally(looks, time.perf_counter() - wall, used() - cpu)


async def main(count: int, keeper: int) -> None:
    """Look at what is asked for until the input ends."""
    async with Mailnode.open() as mailnode:
        known = views(mailnode, count)
        _say(list(known))
        while name := (await asyncio.to_thread(sys.stdin.readline)).strip():
            _say(await measured(known[name], keeper))


def _say(said: object) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
