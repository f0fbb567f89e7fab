"""The engine for many machines: a job of procrastinate, in PostgreSQL, wakes a worker for a route.

A job is only a wake-up: what there is to do stands in the tables of deliveries, and a job that finds nothing is normal.
"""

import asyncio
import math
import random
import time
from bisect import bisect_right
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import procrastinate
from procrastinate.exceptions import ConnectorException
from procrastinate.schema import SchemaManager
from sqlalchemy import URL, Connection, text

from mailnode.delivery.capacity import MAX_DELIVERIES, MAX_UNTRIED
from mailnode.delivery.queue_worker import MOST_DEFECTS, QueueWorker
from mailnode.engine.jobs import TROUBLES, HearingConnector, Jobs, word_what_others_log
from mailnode.store.postgres import TCP
from mailnode.store.retry import retry_transient

QUEUE = "mailnode"
TASK = "drain"
# How often a worker looks for what is due and has no job, and for jobs whose worker is silent.
SWEEP_SECONDS = 1.0
STALLED_SECONDS = 20
# What programs commit within this time is looked for together.
HEAR_SECONDS = 0.05
# How many routes a worker drains at once: each of them has something under way.
_ROUTES = MAX_DELIVERIES + MAX_UNTRIED
# How long the database may take to accept a connection or to list stalled jobs, and the jobs to end, before it counts
# as silent.
_SILENT_SECONDS = 10.0

# At most one job of a route waits. The one that is there is locked, which keeps a worker from taking it before this
# transaction is committed: it would find nothing, and what is written here would have no job. It is not written anew:
# thousands of routes that are looked at each second would leave as many dead rows each second.
_DEFER = text(
    "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, args)"
    " VALUES (:queue, :task, :lane, jsonb_build_object('lane', CAST(:lane AS text)))"
    " ON CONFLICT (queueing_lock) WHERE status = 'todo' DO UPDATE SET args = excluded.args WHERE false"
)
# The look at all that is due does without: what it sees was due before.
_DEFER_MANY = text(
    "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, args)"
    " SELECT :queue, :task, lane, jsonb_build_object('lane', lane) FROM unnest(CAST(:lanes AS text[])) AS lane"
    " ON CONFLICT (queueing_lock) WHERE status = 'todo' DO NOTHING"
)
# Compared here: the server, whose statistics know little of rows that come and go, would compare each with each.
_HAVE_JOBS = text("SELECT queueing_lock FROM procrastinate_jobs WHERE status = 'todo' AND queue_name = :queue")
_WAITING = text(
    "SELECT pg_try_advisory_xact_lock(:lock),"
    " (SELECT count(*) FROM (SELECT FROM procrastinate_jobs WHERE status = 'todo' AND queue_name = :queue LIMIT :most)"
    " AS waiting)"
)
# The look adds no more where so many jobs wait. Ten thousand, which routes with a backlog would have, take the database
# long to write and to choose from. But who queues email adds as ever, so that some room is left for the others.
_MOST_WAITING, _LEAST_ROOM, _LEAST_SECONDS = 1_000, 100, 5.0
# Of all that may lock something here this is the look (the letters "wake all").
_LOOK_LOCK = 0x77616B6520616C6C


class _Turn(NamedTuple):
    """Where looks go on: after the last route that got a job, and when one was made though many waited."""

    last: str | None = None
    forced_at: float = -math.inf


class _Look:
    """A look at all that is due; `turn` is for the next one. A transaction that runs again begins where it did."""

    def __init__(self, turn: _Turn) -> None:
        """Go on where the look before has ended, at first with any route, so that two workers begin with others."""
        self._begun = self.turn = turn

    def room(self, db: Connection) -> int:
        """Tell for how many more routes jobs may wait."""
        self.turn = self._begun
        asked = {"lock": _LOOK_LOCK, "queue": QUEUE, "most": _MOST_WAITING}
        is_ours, waiting = db.execute(_WAITING, asked).one()
        if not is_ours:  # another worker looks
            return 0
        if waiting < _MOST_WAITING:
            return int(_MOST_WAITING - waiting)
        now = time.monotonic()
        if now < self._begun.forced_at + _LEAST_SECONDS:
            return 0
        self.turn = self._begun._replace(forced_at=now)
        return _LEAST_ROOM

    def wake_many(self, db: Connection, route_keys: Sequence[str], room: int) -> None:
        """Defer a wake-up for as many of these routes as there is room for, of those that have none waiting."""
        have_jobs = set(db.execute(_HAVE_JOBS, {"queue": QUEUE}).scalars())
        without = [key for key in route_keys if key not in have_jobs]
        if not without:
            return
        last = self._begun.last
        begin = random.randrange(len(without)) if last is None else bisect_right(without, last)  # noqa: S311 -- it guards nothing
        chosen = [*without[begin:], *without[:begin]][:room]
        # In one order everywhere: who wakes for the same route twice waits for the other's commit.
        db.execute(_DEFER_MANY, {"queue": QUEUE, "task": TASK, "lanes": sorted(chosen)})
        self.turn = self.turn._replace(last=chosen[-1])


class ProcrastinateEngine:
    """Wakes workers on any number of machines."""

    def __init__(self, url: URL) -> None:
        """Work on the database at a URL, the one that deliveries are in."""
        noticing = {name: str(value) for name, value in TCP.items() if name not in url.query}
        noticing_url = url.set(drivername="postgresql").update_query_dict(noticing)
        self._conninfo = noticing_url.render_as_string(hide_password=False)
        self._over: set[int] = set()
        self._turn = _Turn()
        self._drains: set[asyncio.Task[None]] = set()

    def wake(self, db: Connection, route_key: str) -> None:
        """Defer a wake-up in this very transaction; for what is due later the sweeper defers another one then."""
        db.execute(_DEFER, {"queue": QUEUE, "task": TASK, "lane": route_key})

    async def look(self, queue_worker: QueueWorker) -> None:
        """Wake for what is due and has no job; raises as `QueueWorker.recover`."""
        look = _Look(self._turn)
        await queue_worker.wake(look)
        self._turn = look.turn

    async def work(self, queue_worker: QueueWorker, *, drain: bool = False) -> None:
        """Carry what is due until the queue worker is stopped; with `drain` until nothing is due."""
        queue_worker.start()
        word_what_others_log()
        work = partial(self._drain if drain else self._work, queue_worker)
        most = MOST_DEFECTS if drain else None
        try:
            await queue_worker.supervised.run(work, queue_worker.stopped, temporary=TROUBLES, most_defects=most)
        finally:
            if self._drains:
                await asyncio.wait(self._drains, timeout=_SILENT_SECONDS)

    async def _drain(self, queue_worker: QueueWorker) -> None:
        await retry_transient(queue_worker.recover)
        await queue_worker.drain()

    async def _work(self, queue_worker: QueueWorker) -> None:
        """Work off jobs until the queue worker is stopped; raises what says that the database is gone."""
        await (
            queue_worker.recover()
        )  # a pool is slow to see that the database is back: there is none before it answers us
        connector = HearingConnector(conninfo=self._conninfo, min_size=1)
        app = procrastinate.App(connector=connector)
        app.job_manager = jobs = Jobs(connector, self._over)

        @app.task(name=TASK, queue=QUEUE)
        async def wake(lane: str) -> None:  # as jobs that are stored name the route
            rests = asyncio.Event()
            self._draining(queue_worker, lane, rests)
            await rests.wait()

        try:
            async with asyncio.timeout(_SILENT_SECONDS):
                await app.open_async()
            await self._serve(app, jobs, queue_worker, connector.enqueued)
        finally:
            await app.close_async()

    def _draining(self, queue_worker: QueueWorker, route_key: str, rests: asyncio.Event) -> None:
        """Have a route drained beside the job, which lasts until `rests`.

        That is so when the route waits for its rate limit alone, since jobs under way are counted and others wait for
        them. It may also be over before, when its worker loses the database.
        """

        async def drain() -> None:
            try:
                await queue_worker.drain(route_key, rests)
            except Exception as error:  # noqa: BLE001 -- it is logged, and what is due has another job soon
                queue_worker.supervised.report_failure(error, TROUBLES)

        task = asyncio.create_task(drain())
        self._drains.add(task)
        task.add_done_callback(self._drains.discard)
        task.add_done_callback(lambda _: rests.set())

    async def _serve(
        self, app: procrastinate.App, jobs: Jobs, queue_worker: QueueWorker, enqueued: asyncio.Event
    ) -> None:
        working = asyncio.create_task(
            app.run_worker_async(
                queues=[QUEUE],
                concurrency=_ROUTES,
                install_signal_handlers=False,
                fetch_job_polling_interval=SWEEP_SECONDS,
                delete_jobs="always",
                update_heartbeat_interval=STALLED_SECONDS / 4,
                stalled_worker_timeout=STALLED_SECONDS,
                shutdown_graceful_timeout=0,
            )
        )
        working.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            while not queue_worker.is_stopped and not working.done():
                await self._sweep(jobs, queue_worker)
                await self._rest(working, queue_worker, enqueued)
            if not queue_worker.is_stopped:
                working.result()
                raise ConnectorException("procrastinate's worker ended by itself")
        except TROUBLES:
            jobs.is_away = True
            raise
        finally:
            working.cancel()
            await asyncio.wait({working}, timeout=_SILENT_SECONDS)

    async def _rest(self, working: asyncio.Task[None], queue_worker: QueueWorker, enqueued: asyncio.Event) -> None:
        """Wait until the next sweep; meanwhile wake for what programs write in transactions of their own."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + SWEEP_SECONDS
        while (left := ends_at - loop.time()) > 0 and not working.done() and not queue_worker.is_stopped:
            ends = [asyncio.create_task(event.wait()) for event in (enqueued, queue_worker.stopped)]
            try:
                await asyncio.wait({working, *ends}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for end in ends:
                    end.cancel()
            if enqueued.is_set():
                enqueued.clear()
                await queue_worker.recover()
                await self.look(queue_worker)
                await asyncio.wait({working}, timeout=HEAR_SECONDS)

    async def _sweep(self, jobs: Jobs, queue_worker: QueueWorker) -> None:
        """Wake for what the dead left and for what is due and has no job; end the jobs that are left over.

        Those are what a silent worker had, and whose end could not be stored: what they were to do is due, so it
        has another job by now.
        """
        await queue_worker.recover()
        await self.look(queue_worker)
        async with asyncio.timeout(_SILENT_SECONDS):
            stalled = await jobs.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=STALLED_SECONDS)
            over = {job.id for job in stalled if job.id} | self._over
            if over:
                await jobs.end(over)
                self._over -= over
        queue_worker.supervised.report_success()


def make_schema(db: Connection) -> None:
    """Make procrastinate's tables and functions, if they are not there."""
    if db.execute(text("SELECT to_regclass('procrastinate_jobs')")).scalar() is None:
        db.exec_driver_sql(SchemaManager.get_schema(), execution_options={"no_parameters": True})
