"""What every engine can do: say that something is due, and have a postman carry it."""

from typing import Protocol

from mailnode.delivery.outbox import Engine
from mailnode.delivery.postman import Postman


class WorkingEngine(Engine, Protocol):
    """Wakes workers, and this process if it is one."""

    async def work(self, postman: Postman, *, drain: bool = False) -> None:
        """Carry what is due until the postman is stopped; with `drain` until nothing is due."""
