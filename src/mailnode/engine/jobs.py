"""procrastinate's jobs where the database may go away: errors of its tasks are not awaited, so they raise none."""

import asyncio
import logging
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

import procrastinate
import psycopg
from procrastinate.exceptions import ProcrastinateException
from procrastinate.manager import JobManager

from mailnode.delivery.enqueued import CHANNEL
from mailnode.supervision import TEMPORARY

if TYPE_CHECKING:
    from procrastinate.jobs import Job, Status

# How long to wait before listening for new jobs again when the connection broke.
LISTEN_AGAIN_SECONDS = 1.0
TROUBLES: tuple[type[Exception], ...] = (*TEMPORARY, ProcrastinateException, psycopg.Error)
_END = "DELETE FROM procrastinate_jobs WHERE id = ANY(%(ids)s)"
_log = logging.getLogger(__name__)


class _Worded(logging.Handler):
    """Logs in one line what procrastinate and its pool log with tracebacks, each error once."""

    _said = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it as ours."""
        self.say(record.exc_info[1] if record.exc_info else None, record.getMessage())

    def say(self, error: BaseException | None, otherwise: str = "") -> None:
        """Log what is at the bottom of an error, or where there is none what is said otherwise."""
        while error is not None and (error.__cause__ or error.__context__) is not None:
            error = error.__cause__ or error.__context__
        words = str(error or otherwise).strip().partition("\n")[0]
        if words != self._said:
            self._said = words
            _log.warning("waking workers through the database fails: %s", words)


_worded = _Worded(logging.WARNING)


def word_what_others_log() -> None:
    """Have what procrastinate and its pool log appear in our log alone, in one line each."""
    for name in ("procrastinate", "psycopg.pool"):
        logger = logging.getLogger(name)
        if _worded not in logger.handlers:
            logger.addHandler(_worded)
            logger.propagate = False


class HearingConnector(procrastinate.PsycopgConnector):
    """A connector that also hears of what programs have committed: `enqueued` is set then."""

    def __init__(self, **options: Any) -> None:
        """Connect as its options say."""
        super().__init__(**options)
        self.enqueued = asyncio.Event()

    async def listen_notify(self, on_notification: Any, channels: Iterable[str]) -> None:
        """Listen for jobs, and for this."""

        async def heard(*, channel: str, payload: str) -> None:
            if channel == CHANNEL:
                self.enqueued.set()
            else:
                await on_notification(channel=channel, payload=payload)

        await super().listen_notify(on_notification=heard, channels=[*channels, CHANNEL])


class Jobs(JobManager):
    """The jobs; what can't be done now with one that is over is left to the sweeper, in `over`, by its id.

    Once `is_away` the database is asked nothing more.
    """

    def __init__(self, connector: procrastinate.PsycopgConnector, over: set[int]) -> None:
        """Work by a connector; `over` outlives it."""
        super().__init__(connector)
        self._over = over
        self.is_away = False

    async def end(self, ids: Collection[int]) -> None:
        """End jobs, whether they exist or not; raises what tells that the database is away."""
        await self.connector.execute_query_async(_END, ids=[*ids])

    async def finish_job(self, job: "Job", status: "Status", delete_job: bool) -> None:  # noqa: ARG002 -- as it is called
        """End a job, which is only a wake-up, whatever came of it; or leave that to the sweeper."""
        assert job.id
        try:
            if not self.is_away:
                await self.end([job.id])
                return
        except Exception as error:  # noqa: BLE001 -- it is logged
            _worded.say(error)
        self._over.add(job.id)

    async def update_heartbeat(self, worker_id: int) -> None:
        """Record that a worker is alive; if that fails, the next time."""
        try:
            await super().update_heartbeat(worker_id)
        except TROUBLES as error:
            _worded.say(error)

    async def listen_for_jobs(self, *, on_notification: Any, queues: Iterable[str] | None = None) -> None:
        """Listen for new jobs, again whenever that ends; a job that was missed meanwhile is found by polling."""
        while True:
            try:
                await super().listen_for_jobs(on_notification=on_notification, queues=queues)
            except TROUBLES as error:
                _worded.say(error)
            await asyncio.sleep(LISTEN_AGAIN_SECONDS)

    async def unregister_worker(self, worker_id: int) -> None:
        """Unregister a worker; where that fails it is found to be silent later."""
        try:
            if not self.is_away:
                await super().unregister_worker(worker_id)
        except TROUBLES as error:
            _worded.say(error)
