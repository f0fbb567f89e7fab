"""Outcomes that are not in the database yet: kept in memory until they are stored."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from mailnode.errors import StoreClosed, StoreError
from mailnode.store import retry

T = TypeVar("T")
Write = Callable[[], Awaitable[T]]

# A database that takes outcomes again has them within five seconds.
_LONGEST_WAIT_SECONDS = 2.0
# An outcome counts as waiting when the database has not taken it for so long, refusing it or not answering.
_SLOW_SECONDS = 3.0
# Failures with less than this (seconds) between them are one trouble.
_APART = 5.0
_log = logging.getLogger(__name__)


class Unstored:
    """Outcomes that a database refuses so far, or has no answer to; they are tried again and again.

    The callers are told when the database has refused for `seconds`; all that wait have these together, so that a run
    of many emails ends in time. `count` tells how many wait: they have been refused, or have had no answer for 3 s.
    `lost` counts those that were given up: nothing in the database tells what came of them.
    """

    def __init__(self) -> None:
        """Keep nothing yet."""
        self.seconds = retry.RETRY_SECONDS
        self.lost = 0
        self.count = 0
        self._refused = 0
        self._refusal = StoreError("the database does not answer", transient=True)
        self._since = 0.0
        self._failed_at = -math.inf
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closing = asyncio.Event()

    @property
    def reason(self) -> str:
        """What the database said last when it refused."""
        return self._refusal.message

    async def keep(self, write: Write[T], late: Callable[[StoreError], object], over: asyncio.Event) -> T:
        """Store an outcome, however often the database refuses; `late` is called if it takes longer than `seconds`.

        Once `over` is set it is tried a last time, because the trouble may have passed since the last try.

        Raises:
            StoreError: it is not stored, because `over` was set; or the database is closed.
        """
        try:
            return await self._until_stored(write, late, over, is_tried_last=True)
        except (StoreError, asyncio.CancelledError):
            self.lost += 1
            raise

    async def try_for_a_while(self, write: Write[T]) -> T:
        """Store what can be missed; later it would be wrong.

        Raises:
            StoreError: it is not stored within `seconds`.
        """
        over = asyncio.Event()
        return await self._until_stored(write, lambda _: over.set(), over)

    async def keep_beside(self, write: Write[T]) -> T:
        """Store an outcome; when the caller no longer waits, it is tried on until `close`.

        Raises:
            StoreError: it is not stored within `seconds`.
        """
        late: asyncio.Future[StoreError] = asyncio.get_running_loop().create_future()
        task = asyncio.ensure_future(self.keep(write, late.set_result, self._is_closing))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        ends: set[asyncio.Future[Any]] = {task, late}
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise late.result()

    async def close(self) -> None:
        """Give up what no caller waits for any more."""
        self._is_closing.set()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _until_stored(
        self, write: Write[T], late: Callable[[StoreError], object], over: asyncio.Event, *, is_tried_last: bool = False
    ) -> T:
        loop = asyncio.get_running_loop()
        began = loop.time()
        timer = loop.call_at(began + self.seconds, self._tell_late, late)
        waiting = _Waiting(self)
        is_refused = False
        try:
            for wait in retry.waits():
                is_last = over.is_set() or not is_tried_last
                try:
                    stored = await write()
                except StoreClosed:
                    raise
                except StoreError as error:
                    self._fails(error, began)
                    waiting.begins()
                    if not is_refused:
                        is_refused = True
                        self._refused += 1
                        if loop.time() < timer.when():  # else `late` was called
                            timer.cancel()
                            timer = loop.call_at(self._since + self.seconds, self._tell_late, late)
                    if await _is_set(over, min(wait, _LONGEST_WAIT_SECONDS)) and is_last:
                        raise
                else:
                    self._failed_at = -math.inf
                    return stored
            raise AssertionError("there is always another wait")
        finally:
            timer.cancel()
            waiting.ends()
            if is_refused:
                self._ends()

    def _tell_late(self, late: Callable[[StoreError], object]) -> None:
        late(self._refusal)

    def _fails(self, error: StoreError, began: float) -> None:
        if self._refused == 0 and began - self._failed_at > _APART:
            self._since = began
            _log.error("outcomes can't be stored and are kept in memory: %s", error)
        self._refusal = error
        self._failed_at = asyncio.get_running_loop().time()

    def _ends(self) -> None:
        self._refused -= 1
        if self._refused == 0 and self._failed_at == -math.inf:
            _log.warning("outcomes can be stored again")


class _Waiting:
    """One outcome, counted from the moment when it is said to wait, or has been under way for too long."""

    def __init__(self, unstored: Unstored) -> None:
        self._unstored = unstored
        self._is_counted = False
        self._timer = asyncio.get_running_loop().call_later(_SLOW_SECONDS, self.begins)

    def begins(self) -> None:
        self._unstored.count += not self._is_counted
        self._is_counted = True

    def ends(self) -> None:
        self._timer.cancel()
        self._unstored.count -= self._is_counted


async def _is_set(event: asyncio.Event, within_seconds: float) -> bool:
    with suppress(TimeoutError):
        return await asyncio.wait_for(event.wait(), within_seconds)
    return False
