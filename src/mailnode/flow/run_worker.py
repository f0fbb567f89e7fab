"""Runs what is queued and nobody waits for, whichever process has put it there, and whoever died while running it."""

import asyncio
import errno
import logging
from collections import Counter
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR

from mailnode.delivery.result import describe
from mailnode.errors import InternalError, MailnodeError, SettingsError, StoreError
from mailnode.flow.loader import FlowLoader, LoadedFlow
from mailnode.flow.queued_run import QueuedRun
from mailnode.flow.registry import Registry
from mailnode.flow.run import Run
from mailnode.flow.run_queue import DueRun, RunQueue
from mailnode.flow.run_start import new_run
from mailnode.flow.run_store import RunStore
from mailnode.flow.runner import RUNS_AT_ONCE, FlowRunner
from mailnode.store.retry import retry_transient
from mailnode.supervision import Supervised

# How often a worker looks for what it was not woken for.
LOOK_SECONDS = 1.0
# What is shorter is read without a thread, which would cost more.
_SHORT_CHARACTERS = 65_536
# A worker that has not looked for so long is stuck.
SILENT_SECONDS = 60.0
# How long a run rests that could not be begun or ended: at once it would fail again, and again without end.
REST_SECONDS = 60.0
# Why a folder can't be looked into, as long as nobody changes something.
_STAYS = {errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG}
_log = logging.getLogger(__name__)


class RunWorker:
    """Takes up queued runs for one process; `outcomes` counts how the email ended that they waited for."""

    def __init__(self, queue: RunQueue, run_store: RunStore, runner: FlowRunner, registry: Registry) -> None:
        """Take from `queue`, and run with `runner`."""
        self._queue = queue
        self._run_store = run_store
        self._runner = runner
        self._loader = FlowLoader(registry)  # apart from that of the files, which keeps one flow of each
        self._tasks: dict[str, asyncio.Task[None]] = {}
        # Those whose files are not on this machine.
        self._elsewhere: set[str] = set()
        self._resting: set[str] = set()
        self.outcomes: Counter[str] = Counter()
        self._woken = asyncio.Event()
        self._stopped = asyncio.Event()
        self.supervised = Supervised("the runs that are queued", stalled_after=SILENT_SECONDS)
        queue.wake = self._woken.set

    @property
    def is_stopped(self) -> bool:
        """Whether it takes nothing up any more."""
        return self._stopped.is_set()

    async def work(self, *, drain: bool = False) -> None:
        """Run what is queued until `stop` is called; with `drain` until nothing is left."""
        self._stopped.clear()
        if drain:
            while await retry_transient(self._start_due) or self._tasks:
                await self._wait()
        else:
            await self.supervised.run(self._look_until_stopped, self._stopped)

    async def stop(self) -> frozenset[str]:
        """Leave the runs under way to the next worker, and give their ids; their email that is under way goes on."""
        self._stopped.set()
        self._woken.set()
        left = dict(self._tasks)
        for task in left.values():
            task.cancel()
        await asyncio.gather(*left.values(), return_exceptions=True)
        return frozenset(left)

    async def _look_until_stopped(self) -> None:
        while not self._stopped.is_set():
            await self._start_due()
            self.supervised.report_success()
            await self._wait()

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), LOOK_SECONDS)

    async def _start_due(self) -> int:
        """Start what can be started now, and tell how many."""
        self._woken.clear()
        free = RUNS_AT_ONCE - len(self._tasks)
        if self._stopped.is_set() or free <= 0:
            return 0
        found = await self._queue.due(free + len(self._elsewhere | self._resting), self._run_store.is_under_way)
        self._elsewhere.intersection_update(one.id for one in found)
        if lost := [one.id for one in found if one.is_lost]:
            _log.error("queued runs whose processes have died too often are left: %s", ", ".join(lost))
            await self._queue.give_up(lost)
        # Asked for without a lock: a run may have been begun here meanwhile, or be found by others, too.
        known = {*lost, *self._elsewhere, *self._resting, *self._tasks}
        due = [one for one in found if one.id not in known and not self._run_store.is_under_way(one.id)][:free]
        if not self._stopped.is_set():
            for one in due:
                self._start(one)
        return len(due)

    def _start(self, due: DueRun) -> None:
        self._tasks[due.id] = task = asyncio.create_task(self._run(due))
        task.add_done_callback(lambda task: self._ended(due, task))

    def _ended(self, due: DueRun, task: asyncio.Task[None]) -> None:
        del self._tasks[due.id]
        self._woken.set()
        if not task.cancelled() and (error := task.exception()):
            self._resting.add(due.id)
            task.get_loop().call_later(REST_SECONDS, self._resting.discard, due.id)
            defect = None if isinstance(error, MailnodeError) else error
            _log.error("the queued run %s is left for %g s: %s", due.id, REST_SECONDS, error, exc_info=defect)

    async def _run(self, due: DueRun) -> None:
        if (text := await self._queue.request_of(due.id)) is None:
            return
        request: QueuedRun | MailnodeError
        try:
            if len(text) <= _SHORT_CHARACTERS:
                request = QueuedRun.from_text(due.id, text)
            else:
                request = await asyncio.to_thread(QueuedRun.from_text, due.id, text)
        except StoreError as error:
            request = error
        if isinstance(request, QueuedRun) and not _is_here(due, request.document.folder):
            self._elsewhere.add(due.id)
            return
        if not await self._run_store.take_up(due.id, due.flow, due.digest):
            return
        try:
            loaded, run = await self._begun(due, request)
        except MailnodeError as error:
            await self._halt(due, request, error)
            return
        except Exception as error:  # noqa: BLE001 -- it is logged, and the run ends with it
            await self._halt_by_defect(due, request, error)
            return
        except BaseException:
            await self._run_store.abandon(due.id)
            raise
        try:
            self._count(await self._runner.carry_out(loaded, run))
        except Exception as error:  # noqa: BLE001 -- it is logged, and the run ends with it
            await self._halt_by_defect(due, request, error)

    def _count(self, run: Run) -> None:
        if run.status == "halted":
            _log.warning("the queued run %s of flow %s halted", run.id, run.flow)
        results = [node.result for node in run.nodes if isinstance(node.result, dict) and "deliveryId" in node.result]
        self.outcomes.update(one["status"] for one in results if one["status"] != "queued" and "duplicate" not in one)

    async def _begun(self, due: DueRun, request: QueuedRun | MailnodeError) -> tuple[LoadedFlow, Run]:
        if isinstance(request, MailnodeError):
            raise request
        loaded = await self._loader.load(request.document)
        return loaded, new_run(request.document, due.id, request.input, request.context)

    async def _halt_by_defect(self, due: DueRun, request: QueuedRun | MailnodeError, error: Exception) -> None:
        _log.error("the queued run %s met an internal error", due.id, exc_info=error)
        await self._halt(due, request, InternalError.of(error))

    async def _halt(self, due: DueRun, request: QueuedRun | MailnodeError, error: MailnodeError) -> None:
        """End a run that can't be run, with the error at its node."""
        _log.error("the queued run %s can't be run: %s", due.id, error)
        run: Run | None = None
        if isinstance(request, QueuedRun):
            with suppress(SettingsError):  # its input may be what is damaged
                run = new_run(request.document, due.id, request.input, request.context)
        if run is None:
            try:
                await self._queue.give_up([due.id])
            finally:
                await self._run_store.abandon(due.id)
            return
        run.status = "halted"
        failed = next((node for node in run.nodes if node.id == error.node), run.nodes[0])
        failed.status, failed.error = "failed", describe(error)
        await self._run_store.end(run.id, run.status, run.stored())


def _is_here(due: DueRun, folder: Path | None) -> bool:
    """Tell whether the files of a flow may be here: what another machine has queued may name some of its own."""
    try:
        return folder is None or S_ISDIR(folder.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError as error:
        if error.errno not in _STAYS:
            raise
        # It does not fail: it may be on another machine, or here with a worker of the user who has queued it.
        hint = "let this worker's user enter the folder, and start the worker again"
        words = "the queued run %s is left to another worker, since this one can't look into %s: %s; %s"
        _log.error(words, due.id, folder, error.strerror, hint)
        return False
