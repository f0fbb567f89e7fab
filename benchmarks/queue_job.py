"""What a queue is asked to do; it crosses the border of a process as JSON."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, kw_only=True)
class QueueJob:
    """Messages are put into a queue by one process and sent by another one, over so many sessions at the most.

    `warm_up` messages go before, their numbers from `first` on; then whoever puts them waits for a line of its input,
    puts `messages` more for each line, and ends with the input. `broker` is the port of Redis, 0 for a database.
    `concurrency` is how many jobs BullMQ has under way.
    """

    port: int
    broker: int = 0
    sessions: int = 10
    concurrency: int = 20
    messages: int = 3000
    warm_up: int = 600
    first: int = 0

    def dumps(self) -> str:
        """Give it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Self:
        """Read it."""
        return cls(**json.loads(text))

    def turns(self) -> Iterator[tuple[int, int]]:
        """Give the first number and how many, of the warm-up, then for each line of the input. What is put is said."""
        yield self.first, self.warm_up
        _say_put()
        for turn, _ in enumerate(sys.stdin):
            yield self.first + self.warm_up + turn * self.messages, self.messages
            _say_put()


def _say_put() -> None:
    sys.stdout.write("put\n")
    sys.stdout.flush()
