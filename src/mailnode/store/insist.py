"""Writing down what has happened already: a database that is busy for a while must not make it untrue."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain, repeat
from typing import TypeVar

from mailnode.errors import StoreError

T = TypeVar("T")

WAITS_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)


async def insist(write: Callable[[], Awaitable[T]], *, for_ever: bool = False) -> T:
    """Write, and again with growing waits while the database only says that it can't now.

    Raises:
        StoreError: it still can't, which is not given up `for_ever`; or never will.
    """
    for seconds in chain(WAITS_SECONDS, repeat(WAITS_SECONDS[-1]) if for_ever else ()):
        try:
            return await write()
        except StoreError as error:
            if not error.transient:
                raise
        await asyncio.sleep(seconds)
    return await write()
