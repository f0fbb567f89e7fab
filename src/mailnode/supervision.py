"""Long-lived tasks: one that fails is logged and begun again, and whoever asks hears whether it lives."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from mailnode.errors import InternalError, MailnodeError, StoreError

# How long a task rests before it begins again: at first; at last, after a defect; and after what passes by itself.
FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
LONGEST_PASSING_WAIT = 2.0
# A task that has done its work for so long since it failed begins to count anew.
CALM_SECONDS = 60.0
_LAST_DOUBLING = 10
# What passes by itself: no file descriptors left, a database that is away.
PASSING: tuple[type[Exception], ...] = (OSError, StoreError)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Vitals:
    """How a long-lived task is: `since` and `looked_at` are Unix ms, None for never; `reason` says why it is not alive.

    `defects` counts the exceptions that nobody foresaw.
    """

    name: str
    is_alive: bool
    since: int | None
    looked_at: int | None
    reason: str
    defects: int


class Supervised:
    """One long-lived task, or thread, under supervision.

    It is alive from its beginning to its end, but not from a failure to the next time that it has `looked`, nor when
    it has not looked for `silent_after` seconds. The reasons that are given name no values: anybody may read them.
    """

    def __init__(self, name: str, *, silent_after: float | None = None) -> None:
        """Supervise a task that is called so in logs; it has not started."""
        self._name = name
        self._silent_after = silent_after
        self._since: int | None = None
        self._looked_at: int | None = None
        self._heard_at = 0.0
        self._failed_at = 0.0
        self._in_a_row = 0
        self._defects = 0
        self._trouble = "it has not started"
        self._logged = ""

    @property
    def vitals(self) -> Vitals:
        """Tell how it is now."""
        reason = self._trouble
        silence = time.monotonic() - self._heard_at
        if not reason and self._silent_after is not None and silence > self._silent_after:
            reason = f"it has not looked for {silence:.0f} s"
        return Vitals(self._name, not reason, self._since, self._looked_at, reason, self._defects)

    def begins(self) -> None:
        """Hear that it begins."""
        self._since = _unix_ms()
        self._heard_at = time.monotonic()
        self._trouble = ""

    def looked(self) -> None:
        """Hear that it has done its work once, and all is well."""
        self._looked_at = _unix_ms()
        self._heard_at = time.monotonic()
        self._trouble = self._logged = ""
        if self._heard_at - self._failed_at > CALM_SECONDS:
            self._in_a_row = 0

    def failed(self, error: BaseException, passing: tuple[type[Exception], ...] = PASSING) -> float:
        """Hear that it failed, log that, and tell how many seconds it is to rest before it begins again."""
        passes = isinstance(error, passing)
        self._failed_at = time.monotonic()
        self._in_a_row += 1
        longest = LONGEST_PASSING_WAIT if passes else LONGEST_WAIT
        wait = min(FIRST_WAIT * 2.0 ** min(self._in_a_row - 1, _LAST_DOUBLING), longest)
        if not passes:
            self._defects += 1
            _log.error("%s met a defect, and begins again in %g s", self._name, wait, exc_info=error)
        elif str(error) != self._logged:
            self._logged = str(error)
            _log.warning("%s can't go on now, and tries again: %s", self._name, error)
        what = "it can't go on now" if passes else "it met a defect"
        self._trouble = f"{what}: {type(error).__name__}"
        return wait

    async def keep(
        self,
        work: Callable[[], Awaitable[None]],
        stopped: asyncio.Event | None = None,
        *,
        passing: tuple[type[Exception], ...] = PASSING,
        most_defects: int | None = None,
    ) -> None:
        """Run `work` to its end; what it raises is logged, and it begins again after a growing wait.

        Of `passing` the traceback is not logged. Once `stopped` is set it does not begin again.

        Raises:
            InternalError: it has met `most_defects` in a row.
            MailnodeError: where `most_defects` are given, what the work has raised of that kind.
        """
        self.begins()
        try:
            while True:
                error = await _error_of(work)
                if error is None:
                    return
                if most_defects is not None and isinstance(error, MailnodeError):
                    raise error
                wait = self.failed(error, passing)
                if most_defects is not None and not isinstance(error, passing) and self._in_a_row >= most_defects:
                    raise InternalError.of(error) from error
                with suppress(TimeoutError):
                    await asyncio.wait_for((stopped or asyncio.Event()).wait(), wait)
                    return
        finally:
            self._trouble = self._trouble or "it has ended"


def is_defect(error: BaseException) -> bool:
    """Tell what nobody foresaw from our own errors, and from the end of a task that is cancelled.

    A cancellation that nobody has asked this task for is one: something that it waited for has gone.
    """
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and not task.cancelling()
    return isinstance(error, Exception) and not isinstance(error, MailnodeError)


async def _error_of(work: Callable[[], Awaitable[None]]) -> BaseException | None:
    """Run in a task of its own, so that whoever cancels that ends no more than one turn of the work."""

    async def run() -> None:
        await work()

    try:
        await asyncio.create_task(run())
    except asyncio.CancelledError as error:
        if not is_defect(error):
            raise
        return error
    except Exception as error:  # noqa: BLE001 -- it is logged, and counted
        return error
    return None


def _unix_ms() -> int:
    return int(time.time() * 1000)
