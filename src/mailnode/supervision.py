"""Long-lived tasks: one that fails is logged and restarted, and its status can be asked for."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from mailnode.errors import InternalError, MailnodeError, StoreError

# Seconds before a task restarts: at first; at most, after an unexpected error; at most, after a temporary one.
FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
LONGEST_TEMPORARY_WAIT = 2.0
# After so many seconds without a failure its failures are counted from zero again.
CALM_SECONDS = 60.0
_LAST_DOUBLING = 10
# Errors that pass by themselves: no file descriptors left, a database that is down.
TEMPORARY: tuple[type[Exception], ...] = (OSError, StoreError)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TaskStatus:
    """The status of a long-lived task: `since` and `succeeded_at` are Unix ms, None for never.

    `reason` says why it is not alive, "" when it is; `defects` counts its unexpected errors.
    """

    name: str
    is_alive: bool
    since: int | None
    succeeded_at: int | None
    reason: str
    defects: int


class Supervised:
    """One long-lived task, or thread, under supervision.

    It is alive from its start to its end, except between a failure and the next success, or when it has reported no
    success for `stalled_after` seconds. Reasons contain no values, since anybody may read them.
    """

    def __init__(self, name: str, *, stalled_after: float | None = None) -> None:
        """Supervise a task with this name in logs, which has not started yet."""
        self._name = name
        self._stalled_after = stalled_after
        self._since: int | None = None
        self._succeeded_at: int | None = None
        self._reported_at = 0.0
        self._failed_at = 0.0
        self._in_a_row = 0
        self._defects = 0
        self._trouble = "it has not started"
        self._logged = ""

    @property
    def status(self) -> TaskStatus:
        """Its status now."""
        reason = self._trouble
        idle = time.monotonic() - self._reported_at
        if not reason and self._stalled_after is not None and idle > self._stalled_after:
            reason = f"it has done nothing for {idle:.0f} s"
        return TaskStatus(self._name, not reason, self._since, self._succeeded_at, reason, self._defects)

    def report_start(self) -> None:
        """Record that it starts."""
        self._since = _unix_ms()
        self._reported_at = time.monotonic()
        self._trouble = ""

    def report_success(self) -> None:
        """Record that it has done its work once without an error."""
        self._succeeded_at = _unix_ms()
        self._reported_at = time.monotonic()
        self._trouble = self._logged = ""
        if self._reported_at - self._failed_at > CALM_SECONDS:
            self._in_a_row = 0

    def report_failure(self, error: BaseException, temporary: tuple[type[Exception], ...] = TEMPORARY) -> float:
        """Record and log a failure, and give the seconds to wait before the restart."""
        is_temporary = isinstance(error, temporary)
        wait = self._next_wait(LONGEST_TEMPORARY_WAIT if is_temporary else LONGEST_WAIT)
        if not is_temporary:
            self._defects += 1
            _log.error("unexpected error in %s, which restarts in %g s", self._name, wait, exc_info=error)
        elif str(error) != self._logged:
            self._logged = str(error)
            _log.warning("%s can't continue now, and retries: %s", self._name, error)
        what = "it can't continue now" if is_temporary else "it failed unexpectedly"
        self._trouble = f"{what}: {type(error).__name__}"
        return wait

    def report_end(self, how: str) -> float:
        """Record and log that its process has ended though nobody stopped it; give the seconds before the restart."""
        wait = self._next_wait(LONGEST_WAIT)
        self._defects += 1
        self._trouble = f"its process {how}"
        _log.error("%s: its process %s; it restarts in %g s", self._name, how, wait)
        return wait

    def _next_wait(self, longest: float) -> float:
        self._failed_at = time.monotonic()
        self._in_a_row += 1
        return min(FIRST_WAIT * 2.0 ** min(self._in_a_row - 1, _LAST_DOUBLING), longest)

    async def run(
        self,
        work: Callable[[], Awaitable[None]],
        stopped: asyncio.Event | None = None,
        *,
        temporary: tuple[type[Exception], ...] = TEMPORARY,
        most_defects: int | None = None,
    ) -> None:
        """Run `work` to its end; what it raises is logged, and it restarts after a growing wait.

        The tracebacks of `temporary` errors are not logged. Once `stopped` is set it does not restart.

        Raises:
            InternalError: `most_defects` unexpected errors came in a row.
            MailnodeError: with `most_defects`, any MailnodeError that the work raises.
        """
        self.report_start()
        try:
            while True:
                error = await _error_of(work)
                if error is None:
                    return
                if most_defects is not None and isinstance(error, MailnodeError):
                    raise error
                wait = self.report_failure(error, temporary)
                if most_defects is not None and not isinstance(error, temporary) and self._in_a_row >= most_defects:
                    raise InternalError.of(error) from error
                with suppress(TimeoutError):
                    await asyncio.wait_for((stopped or asyncio.Event()).wait(), wait)
                    return
        finally:
            self._trouble = self._trouble or "it has ended"


def is_defect(error: BaseException) -> bool:
    """Whether an exception was not expected: neither an error of ours nor the cancellation of this task.

    A cancellation that was not requested of this task is unexpected: what it waited for was cancelled.
    """
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return task is not None and not task.cancelling()
    return isinstance(error, Exception) and not isinstance(error, MailnodeError)


async def _error_of(work: Callable[[], Awaitable[None]]) -> BaseException | None:
    """Run in a task of its own, so that cancelling that task ends only one run of the work."""

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
