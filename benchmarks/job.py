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


async def timed_async(job: Job, work: Callable[[Numbers], Awaitable[None]]) -> Tally:
    """Do the same in an event loop."""
    await work(Numbers(job.warm_up))
    numbers = Numbers(job.seconds, job.at_most)
    wall, cpu = time.perf_counter(), time.process_time()
    await work(numbers)
    return Tally(numbers.given, time.perf_counter() - wall, time.process_time() - cpu)


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
