"""What a client is asked to do and what it answers; both cross the border of a process as JSON."""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple


@dataclass(frozen=True, kw_only=True)
class Job:
    """Messages as many as go out in some seconds, or so many; composing is part of each.

    `ca` is a PEM file, and then it is TLS. `attachment` is a file that each message takes along. `port` 0 asks for
    composing alone. `warm_up` are seconds of the same work before, over the same sessions.
    """

    port: int = 0
    sessions: int = 1
    seconds: float = 1.0
    warm_up: float = 0.7
    at_most: int | None = None
    ca: str | None = None
    attachment: str | None = None
    loop: Literal["uvloop", "asyncio"] = "uvloop"

    def dumps(self) -> str:
        """Give it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def of_this_process(cls) -> "Job":
        """Read it from the first argument."""
        return cls(**json.loads(sys.argv[1]))


class Tally(NamedTuple):
    """What the job took: messages that were accepted, seconds by the clock, seconds of CPU, user and system."""

    messages: int
    wall: float
    cpu: float


class Numbers(Iterator[int]):
    """The numbers of the messages to come, until time is up; several workers take from one."""

    def __init__(self, seconds: float, at_most: int | None = None) -> None:
        self._end = time.perf_counter() + seconds
        self._last = sys.maxsize if at_most is None else at_most
        self.given = 0

    def __next__(self) -> int:
        """Give the next one."""
        if self.given >= self._last or time.perf_counter() >= self._end:
            raise StopIteration
        self.given += 1
        return self.given


def timed(job: Job, work: Callable[[Numbers], None]) -> Tally:
    """Warm up, then work for the time of the job."""
    work(Numbers(job.warm_up))
    numbers = Numbers(job.seconds, job.at_most)
    wall, cpu = time.perf_counter(), time.process_time()
    work(numbers)
    return Tally(numbers.given, time.perf_counter() - wall, time.process_time() - cpu)


async def timed_async(
    job: Job, work: Callable[[Numbers], Awaitable[None]], used: Callable[[], float] = time.process_time
) -> Tally:
    """Do the same in an event loop; `used` tells seconds of CPU."""
    await work(Numbers(job.warm_up))
    numbers = Numbers(job.seconds, job.at_most)
    wall, cpu = time.perf_counter(), used()
    await work(numbers)
    return Tally(numbers.given, time.perf_counter() - wall, used() - cpu)


async def some_at_once(
    job: Job, one: Callable[[int], Awaitable[bool]], used: Callable[[], float] = time.process_time
) -> Tally:
    """Do it for number after number, as many at once as there are sessions."""

    async def some(numbers: Numbers) -> None:
        for number in numbers:
            if not await one(number):
                raise SystemExit(f"mail {number} was not accepted")

    async def work(numbers: Numbers) -> None:
        await asyncio.gather(*(some(numbers) for _ in range(job.sessions)))

    return await timed_async(job, work, used)


def run(job: Job, work: Callable[[Job], Awaitable[Tally]]) -> Tally:
    """Run work in the event loop that the job names."""

    async def main() -> Tally:
        return await work(job)

    if job.loop == "asyncio":
        return asyncio.run(main())
    import uvloop

    return uvloop.run(main())


def report(tally: Tally) -> None:
    """Print what the job took, for the process that asked."""
    print(json.dumps(tally._asdict()))
