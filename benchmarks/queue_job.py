"""What a queue is asked to do; it crosses the border of a process as JSON."""

import json
import sys
from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True, kw_only=True)
class QueueJob:
    """So many messages are put into a queue by one process and sent by another one, over so many sessions at the most.

    `warm_up` messages go before; then whoever puts waits for a line of its input, and when all is put for the end of
    it. `broker` is the port of Redis, 0 for a database. `concurrency` is how many jobs BullMQ has under way.
    """

    port: int
    broker: int = 0
    sessions: int = 10
    concurrency: int = 20
    messages: int = 3000
    warm_up: int = 600

    def dumps(self) -> str:
        """Give it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Self:
        """Read it."""
        return cls(**json.loads(text))


def wait() -> None:
    """Wait until whoever asked says more, or nothing more."""
    sys.stdin.readline()
