"""Mailnode: everything wired together from the environment; the only place that knows all the others."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, Unpack

from mailnode.access.audit import AuditLog
from mailnode.access.tokens import ApiTokens
from mailnode.background import Background
from mailnode.delivery.admin import Deliveries
from mailnode.delivery.circuit_breaker import CircuitBreaker
from mailnode.delivery.claims import Claims
from mailnode.delivery.dispatcher import Dispatcher
from mailnode.delivery.outbox import Outbox
from mailnode.delivery.queue_worker import QueueWorker
from mailnode.delivery.result import Result
from mailnode.delivery.route import Clients, Router
from mailnode.direct import DirectSender, SendOptions
from mailnode.engine.engine import engine_of
from mailnode.environment import Environment, OpenHome, open_connections
from mailnode.errors import MailnodeError, UsageError
from mailnode.events.repository import Webhooks
from mailnode.events.sender import EventSender
from mailnode.flow.builtin import own_registry
from mailnode.flow.clearing import HourlyClearing
from mailnode.flow.document import FlowDocument
from mailnode.flow.dry_run import CurrentRoutes, DryRun
from mailnode.flow.loader import FlowLoader
from mailnode.flow.rows import RowResult, RowsFile
from mailnode.flow.run import Run
from mailnode.flow.run_queries import Runs
from mailnode.flow.run_queue import AcceptedRun, RunQueue
from mailnode.flow.run_store import RunStore, store_outcomes
from mailnode.flow.run_worker import RunWorker
from mailnode.flow.runner import FlowRunner
from mailnode.flow.settling import drained, settled
from mailnode.message.envelope import Envelope
from mailnode.message.ready_made import Sendable
from mailnode.node.address_guard import AddressGuard
from mailnode.node.send_email import MailServices
from mailnode.submission.apps import Apps
from mailnode.submission.database_gate import DatabaseGate
from mailnode.submission.failure_reports import FailureReports
from mailnode.submission.received import own_name
from mailnode.worker_report import WorkerReport

LEAVE_SECONDS = 8.0  # how long email of runs that are left to others goes on


class Mailnode:
    """Flows, connections and deliveries over one database.

    `open` gives one, for as long as it is entered:

        async with Mailnode.open() as mailnode:
            run = await mailnode.run("order-shipped.flow.yaml", input={"email": "jane@example.org"})

    `deliveries` shows what has become of each email and has one sent again or cancelled, `runs` shows what flows have
    done, `connections` holds the stored logins, `apps` the programs that hand in email by SMTP (a SubmissionServer asks
    `gate` about them), and `webhooks` where outcomes are posted to. `unstored` counts the outcomes that the database
    does not accept just now (`count`), and those that were lost for that (`lost`).
    """

    def __new__(cls, *parts: object, **_: object) -> Self:
        """Refuse to make one without its parts: programs use `open`."""
        if not parts:
            raise UsageError("Mailnode() opens no database", hint="use `async with Mailnode.open() as mailnode:`")
        return super().__new__(cls)

    def __init__(self, environment: Environment, opened: OpenHome) -> None:
        """Connect the parts; programs use `open`."""
        database, cipher, self.connections, process = opened
        self.unstored = database.unstored
        self._clients = Clients()
        self._engine = engine_of(database.url, database.log)
        self._run_store = RunStore(database, process)
        on_end = FailureReports(self._engine.wake, self.connections, environment.ehlo_name).beside(store_outcomes)
        outbox = Outbox(database, process, self._engine.wake, on_end, self._run_store)
        self.runs = Runs(database, process)
        self._breaker = CircuitBreaker(database, process)
        redirect = environment.redirect_all_to
        router = Router(
            self.connections, ehlo_name=environment.ehlo_name, proxy=environment.smtp_proxy, redirect_all_to=redirect
        )
        self._dispatcher = Dispatcher(outbox, self._breaker, self._clients, router.find)
        claims = Claims(database, process, on_end)
        self._queue_worker = QueueWorker(outbox, claims, self._dispatcher, self._breaker, self._clients, router.find)
        guard = AddressGuard.from_text(environment.fetch_allow)
        services = MailServices(router=router, dispatcher=self._dispatcher, guard=guard, redirect_all_to=redirect)
        self.apps = Apps(database)
        self.tokens = ApiTokens(database)
        self.audit = AuditLog(database)
        name = own_name(environment.ehlo_name)
        self.gate = DatabaseGate(database, self.connections, router, self._engine.wake, name, redirect)
        self._direct = DirectSender(router, self._dispatcher, redirect)
        self._registry = own_registry(services, environment.notification)
        self._loader = FlowLoader(self._registry)
        run_queue = RunQueue(database, process)
        self._runner = FlowRunner(self._run_store, run_queue)
        self._run_worker = RunWorker(run_queue, self._run_store, self._runner, self._registry)
        current = CurrentRoutes(self._registry, router)
        self.deliveries = Deliveries(database, process, self._engine.wake, on_end, current.find)
        flows, days, key_days = environment.home / "flows", environment.keep_days, environment.keep_keys_days
        self.webhooks = Webhooks(database, cipher, environment.webhook_allow)
        events = EventSender(database, self.webhooks, lambda: self._dispatcher.is_busy)
        also = self.audit.clear, self.webhooks.sweep
        clearing = HourlyClearing(self.deliveries, flows, days, key_days, *also)
        self._background = Background(self._engine, self._queue_worker, self._run_worker, events, clearing)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, environment: Environment | None = None, *, home: str | Path | None = None
    ) -> AsyncIterator[Self]:
        """Open the database of the home, and close everything at the end, after waiting for answers that are due.

        `home` is the folder with database, key and flows; left out it is that of `environment`, which, left out, is
        read from the MAILNODE_ variables. A database that can't be reached is tried for a minute at most.

        Raises:
            StoreError: the database can't be opened, or the secret key is not the one that it was written with.
            UsageError: a variable can't be used.
        """
        environment = environment or Environment.read()
        if home is not None:
            environment = replace(environment, home=Path(home))
        async with open_connections(environment, seconds=None) as opened:
            mailnode = cls(environment, opened)
            try:
                yield mailnode
            finally:
                await mailnode._queue_worker.stop()
                await mailnode._dispatcher.close()
                await opened.database.unstored.close()
                await mailnode.audit.close()
                await mailnode._clients.close()
                await mailnode.webhooks.poster.close()

    async def send(
        self, message: Sendable | bytes, envelope: Envelope | None = None, **options: Unpack[SendOptions]
    ) -> Result:
        """Send an Email, an EmailMessage of the standard library, or bytes with an envelope, without a flow.

        The options are those of SendOptions. A delivery is stored first, as a node's is, and the result is what a node
        would store, also where every recipient was refused. `key` makes it safe to repeat: the same again sends nothing
        and gives the first one's result, with `duplicate`. An Email without a sender has the connection's.

        Raises:
            MailnodeError: nothing was stored or sent, as the message can't be made or no server is found for it;
                DeliveryError: the key belongs to an email with other content.
        """
        return await self._direct.send(message, envelope, **options)

    async def run(
        self,
        flow: str | Path | FlowDocument,
        *,
        input: dict[str, Any] | None = None,  # noqa: A002 -- the editor's word
        context: dict[str, Any] | None = None,
        run_id: str | None = None,
    ) -> Run:
        """Run a flow, from its file or read already, to its end.

        `input` and `context` are JSON objects. `run_id`, 1 to 200 printable characters, makes the run safe to repeat:
        the same again sends nothing and gives what happened the first time, or, if the process died meanwhile, does
        what is left. A node that fails does not raise: its error is in `nodes`, and `status` is `halted`.

        Raises:
            SettingsError: the flow, its settings or its arguments are wrong; nothing was sent.
            UsageError: the run id is not a text.
            DeliveryError: the run id belongs to another run.
        """
        return await self._runner.run(await self._loader.load(flow), input or {}, context or {}, run_id)

    async def queue_run(
        self,
        flow: str | Path | FlowDocument,
        *,
        input: dict[str, Any] | None = None,  # noqa: A002 -- the editor's word
        context: dict[str, Any] | None = None,
        run_id: str | None = None,
    ) -> AcceptedRun:
        """Store a run, with the flow as it is now, for a worker to run, and return at once.

        The arguments are those of `run`, and so are the errors. If the process that runs it dies, the next one takes
        it up as `run` does with the same run id; `runs.show` tells how far it is.
        """
        return await self._runner.queue(await self._loader.load(flow), input or {}, context or {}, run_id)

    async def run_rows(
        self,
        flow: str | Path,
        rows: RowsFile,
        *,
        input: Mapping[str, Any] | None = None,  # noqa: A002 -- the editor's word
        context: dict[str, Any] | None = None,
        prefix: str | None = None,
    ) -> AsyncGenerator[RowResult, None]:
        """Run a flow once for each row of a file, 50 at a time, and yield the result of each row as its run ends.

        The fields of a row replace those of `input`. Its run id is `prefix`, by default the file's digest, with the
        row's number, so that the same file again does only what is left. A row that fails does not stop the others.

        Raises:
            SettingsError: the flow is wrong, or the file was changed meanwhile; runs that have begun are finished.
        """
        loaded = await self._loader.load(flow)
        async for end in self._runner.run_rows(loaded, rows, input or {}, context or {}, prefix):
            yield end

    def dry_run(
        self,
        flow: str | Path | FlowDocument,
        node_id: str | None = None,
        *,
        input: Mapping[str, Any] | None = None,  # noqa: A002 -- the editor's word
        context: Mapping[str, Any] | None = None,
    ) -> DryRun:
        """Try out one node of a flow, from its file or read already, with this input and context.

        Without `node_id` it is the first node that sends email. Nothing happens until a method of the DryRun is called.
        """
        return DryRun(self._registry, flow, node_id, input or {}, context or {})

    async def work(self, *, drain: bool = False, runs: bool = True) -> None:
        """Send what is due in the queue and run what is queued, from any process, until `stop` is called.

        With `drain` it returns when nothing is due; without `runs` it only sends. Events are posted to webhooks.
        Meanwhile what ended more than MAILNODE_KEEP_DAYS ago is deleted hourly, and idempotency keys after
        MAILNODE_KEEP_KEYS_DAYS.
        """
        await self._background.work(drain=drain, runs=runs)

    async def settle_lost(self) -> None:
        """Settle email of flows that a defect has left; a process that calls `work` need not do so.

        Raises:
            StoreError: the database can't be asked now.
        """
        await self._dispatcher.settle_lost()

    @property
    def outcomes(self) -> Mapping[str, int]:
        """How many deliveries of the queue, and of queued runs, have ended in this process, by status."""
        return self._queue_worker.outcomes + self._run_worker.outcomes

    @property
    def report(self) -> WorkerReport:
        """What this process has done with the queue, and how it is."""
        return WorkerReport(
            outcomes=dict(self.outcomes),
            answers_due=self._dispatcher.answers_due,
            outcomes_waiting=self.unstored.count,
            lost=self.unstored.lost,
            reason=self.unstored.reason,
            tasks=self._background.tasks,
        )

    def on_route_trouble(self, tell: Callable[[str, MailnodeError | None], None]) -> None:
        """Call `tell` with a route's name and the error that its email begins to wait for, or None: it goes on."""
        self._breaker.on_change = tell

    async def stop(self, seconds: float | None = None, *, flows: bool = False) -> None:
        """Stop working on the queue: put back what no server has yet, and wait for answers that are due.

        It waits `seconds` at most; None is no limit. With `flows` the email of running flows ends so too; they go on.
        Queued runs are left to the next process that works on the queue.
        """
        left = await self._run_worker.stop()
        leaving = self._dispatcher.leave(left, LEAVE_SECONDS if seconds is None else seconds)
        closing = [self._dispatcher.close(seconds, left)] if flows else []
        await asyncio.gather(self._queue_worker.stop(seconds), leaving, *closing)

    @asynccontextmanager
    async def working(self, *, runs: bool = True) -> AsyncIterator[None]:
        """Work on the queue in the background for as long as this is entered; without `runs` only send."""
        task = asyncio.create_task(self.work(runs=runs))
        try:
            yield
        finally:
            await self.stop()
            await asyncio.wait({task})
            if not task.cancelled():
                task.result()

    async def drained(self, queued: Sequence[str]) -> AsyncIterator[tuple[str, Result | None]]:
        """Yield deliveries by id as they end, with the result, or None if deleted; some process has to work on them."""
        async for ended in drained(self.deliveries, self._dispatcher, queued):
            yield ended

    async def settled(self, run: Run, watch: Callable[[int], None] = lambda _left: None) -> Run:
        """Wait until each email that a run has queued has its outcome, and give the run with the outcomes.

        Some process has to work on them: this one within `working`, or another one. `watch` is called with the number
        of those that are left. An outcome that the database does not accept for a minute is given as it is known here.
        """
        return await settled(self._run_store, self._dispatcher, run, watch)
