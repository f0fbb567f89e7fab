"""Retrying what a database can't do now: temporary errors are waited out."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import chain, repeat
from typing import TypeVar

from mailnode.errors import CommitUnknown, StoreError

T = TypeVar("T")

# How long a database that does not work is waited for.
RETRY_SECONDS = 60.0
WAITS_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)


def _never() -> bool:
    return False


def waits() -> Iterator[float]:
    """Give the waits between tries (seconds), without end."""
    return chain(WAITS_SECONDS, repeat(WAITS_SECONDS[-1]))


async def retry_transient(
    ask: Callable[[], Awaitable[T]], *, seconds: float | None = None, is_over: Callable[[], bool] = _never
) -> T:
    """Call `ask`, again with growing waits while it raises a StoreError that is transient.

    Raises:
        StoreError: it still can't after `seconds` (RETRY_SECONDS by default), or `is_over`; or it never will.
    """
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + (RETRY_SECONDS if seconds is None else seconds)
    for wait in waits():
        try:
            return await ask()
        except StoreError as error:
            if not error.transient or is_over() or loop.time() >= ends_at:
                raise
        await asyncio.sleep(min(wait, max(ends_at - loop.time(), 0.0)))
    raise AssertionError("there is always another wait")


async def retry_begin(begin: Callable[[], Awaitable[T]], *, seconds: float | None = None) -> T:
    """Begin something in the database, with retries as `retry_transient`, except where it may have begun already.

    Raises:
        StoreError: as `retry_transient`.
    """

    async def ask() -> T | CommitUnknown:
        try:
            return await begin()
        except CommitUnknown as error:
            return error

    begun = await retry_transient(ask, seconds=seconds)
    if isinstance(begun, CommitUnknown):
        raise begun
    return begun
