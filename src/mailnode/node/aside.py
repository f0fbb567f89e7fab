"""Work that may take long, done beside the event loop."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_LONG_CHARACTERS = 50_000


async def aside(work: Callable[[], T], characters: int) -> T:
    """Do some work on so many characters: in a thread if they are many, else at once; what it raises comes out here."""
    return await asyncio.to_thread(work) if characters > _LONG_CHARACTERS else work()
