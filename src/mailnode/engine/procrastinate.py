"""The engine for many machines: a job of procrastinate, in PostgreSQL, wakes a worker for a lane.

A job is only a wake-up: what there is to do stands in the tables of deliveries, and a job that finds nothing is normal.
"""

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

import procrastinate
import psycopg
from procrastinate.exceptions import ProcrastinateException
from procrastinate.schema import SchemaManager
from sqlalchemy import URL, Connection, text

from mailnode.delivery.capacity import HANDS, NEWCOMERS
from mailnode.delivery.postman import Postman
from mailnode.engine.engine import MOST_DEFECTS
from mailnode.store.insist import insist
from mailnode.store.postgres import TCP
from mailnode.supervision import PASSING

if TYPE_CHECKING:
    from procrastinate.jobs import Job

QUEUE = "mailnode"
TASK = "drain"
# How often a worker looks for what is due and has no job, and for jobs whose worker is silent.
SWEEP_SECONDS = 1.0
STALLED_SECONDS = 20
# How many lanes a worker drains at once: each of them has something under way.
_LANES = HANDS + NEWCOMERS
# How long the database may take to tell of stalled jobs, and the jobs to end, before it counts as silent.
_SILENT_SECONDS = 10.0
_log = logging.getLogger(__name__)
_PASSING: tuple[type[Exception], ...] = (*PASSING, ProcrastinateException, psycopg.Error)

# One job a lane waits at the most. Touching the one that is there keeps a worker from taking it before this transaction
# is committed; it would find nothing, and what is written here would have no job.
_DEFER = text(
    "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, args)"
    " VALUES (:queue, :task, :lane, jsonb_build_object('lane', CAST(:lane AS text)))"
    " ON CONFLICT (queueing_lock) WHERE status = 'todo' DO UPDATE SET args = excluded.args"
)


class _Worded(logging.Handler):
    """Says in one line what procrastinate and its pool log with tracebacks, each trouble once."""

    _said = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Log it as ours."""
        error = record.exc_info[1] if record.exc_info else None
        while error is not None and (error.__cause__ or error.__context__) is not None:
            error = error.__cause__ or error.__context__
        words = str(error or record.getMessage()).strip().partition("\n")[0]
        if words != self._said:
            self._said = words
            _log.warning("the queue's wake-ups have trouble with the database: %s", words)


def _word_what_others_log() -> None:
    for name in ("procrastinate", "psycopg.pool"):
        logger = logging.getLogger(name)
        if not any(isinstance(handler, _Worded) for handler in logger.handlers):
            logger.addHandler(_Worded(logging.WARNING))
            logger.propagate = False


class ProcrastinateEngine:
    """Wakes workers on any number of machines."""

    def __init__(self, url: URL) -> None:
        """Work on the database at a URL, the one that deliveries are in."""
        noticing = {name: str(value) for name, value in TCP.items() if name not in url.query}
        noticing_url = url.set(drivername="postgresql").update_query_dict(noticing)
        self._conninfo = noticing_url.render_as_string(hide_password=False)

    def due(self, db: Connection, lane: str) -> None:
        """Defer a wake-up in this very transaction; for what is due later the sweeper defers another one then."""
        db.execute(_DEFER, {"queue": QUEUE, "task": TASK, "lane": lane})

    async def work(self, postman: Postman, *, drain: bool = False) -> None:
        """Carry what is due until the postman is stopped; with `drain` until nothing is due."""
        postman.start()
        _word_what_others_log()
        work = partial(self._drain if drain else self._work, postman)
        most = MOST_DEFECTS if drain else None
        await postman.supervised.keep(work, postman.stopped, passing=_PASSING, most_defects=most)

    async def _drain(self, postman: Postman) -> None:
        await insist(postman.recover)
        await postman.drain()

    async def _work(self, postman: Postman) -> None:
        while not postman.is_stopped:
            await self._serve(postman)

    async def _serve(self, postman: Postman) -> None:
        """Work off jobs until the postman is stopped; raises what procrastinate does when the database is gone."""
        app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=self._conninfo, min_size=1))

        @app.task(name=TASK, queue=QUEUE)
        async def wake(lane: str) -> None:
            try:
                await postman.drain(lane)
            except Exception as error:  # noqa: BLE001 -- it is logged, and what is due has another job soon
                postman.supervised.failed(error, _PASSING)

        async with app.open_async():
            jobs = asyncio.create_task(
                app.run_worker_async(
                    queues=[QUEUE],
                    concurrency=_LANES,
                    install_signal_handlers=False,
                    fetch_job_polling_interval=SWEEP_SECONDS,
                    delete_jobs="always",
                    update_heartbeat_interval=STALLED_SECONDS / 4,
                    stalled_worker_timeout=STALLED_SECONDS,
                )
            )
            try:
                while not postman.is_stopped and not jobs.done():
                    await self._sweep(app, postman)
                    await asyncio.wait({jobs}, timeout=SWEEP_SECONDS)
                if jobs.done() and not postman.is_stopped:
                    jobs.result()
            finally:
                jobs.cancel()
                await asyncio.wait({jobs}, timeout=_SILENT_SECONDS)

    async def _sweep(self, app: procrastinate.App, postman: Postman) -> None:
        """Wake for what the dead left and for what is due and has no job; give stalled jobs back."""
        try:
            await postman.recover()
            await postman.wake()
            async with asyncio.timeout(_SILENT_SECONDS):
                stalled = await app.job_manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=STALLED_SECONDS)
                for job in stalled:
                    await self._give_up(app, job)
            postman.supervised.looked()
        except TimeoutError:  # its connections are of no use any more: it begins again with others
            raise
        except _PASSING as error:
            postman.supervised.failed(error, _PASSING)

    async def _give_up(self, app: procrastinate.App, job: "Job") -> None:
        """End the job of a silent worker; what it was to do is due, so it has another one by now."""
        await app.job_manager.finish_job(job, status=procrastinate.jobs.Status.FAILED, delete_job=True)


def make_schema(db: Connection) -> None:
    """Make procrastinate's tables and functions, if they are not there."""
    if db.execute(text("SELECT to_regclass('procrastinate_jobs')")).scalar() is None:
        db.exec_driver_sql(SchemaManager.get_schema(), execution_options={"no_parameters": True})
