"""Workers in processes of their own under this one: started, restarted when they die, and stopped together.

Each is `mailnode worker`, told by a hidden option that it has a parent: it labels its lines of the log, which is this
process's, reports by a line of JSON each second on its standard output, and stops when its standard input is closed,
which the kernel does when this process dies, however it dies.
"""

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from dataclasses import replace

from mailnode.supervision import Supervised, TaskStatus
from mailnode.worker_report import QUEUE_TASK, WorkerReport, total

# A process that has reported nothing for so long is stuck.
SILENT_SECONDS = 60.0
# A line of a report may quote what a database said, and that many times.
_REPORT_BYTES = 2**20
EXIT_FAILED = 1
# How one ends that is stopped while it loads, or once it has told all: by the signal, or by the exit status for it.
_BY_SIGNAL = {-signal.SIGTERM, 128 + signal.SIGTERM}
_NOTHING_YET = WorkerReport(tasks=(TaskStatus(QUEUE_TASK, False, None, None, "it has not started", 0),))
_log = logging.getLogger(__name__)


class WorkerProcesses:
    """So many workers; `report` adds up what they have done."""

    def __init__(self, count: int, *, drain: bool = False, is_proven: bool = False) -> None:
        """Start none yet; with `drain` each ends when nothing is due any more, and is not started again.

        Unless settings and database have proved to be right (`is_proven`), the first one starts alone: what is wrong
        with them is told once, and ends all.
        """
        self._stopped = asyncio.Event()
        self._is_proven = is_proven
        restarts = not drain
        self._workers = [
            _WorkerProcess(number, self._stopped, drain=drain, restarts=restarts) for number in range(1, count + 1)
        ]

    @property
    def report(self) -> WorkerReport:
        """What they have done together, and how they are."""
        return total(worker.report for worker in self._workers)

    @property
    def has_begun(self) -> bool:
        """Whether one of them has begun to work."""
        return any(worker.has_begun.is_set() for worker in self._workers)

    async def run(self) -> None:
        """Run them until all have ended."""
        first, *others = self._workers
        running = [asyncio.create_task(first.run(is_proven=self._is_proven))]
        try:
            if self._is_proven or await first.begins(running[0]):
                running += [asyncio.create_task(worker.run(is_proven=True)) for worker in others]
            await asyncio.gather(*running)
        finally:
            self.kill()
            await asyncio.wait(running)

    def stop(self) -> None:
        """Have each return to the queue what no server has yet, wait for the answers that are due, and end."""
        self._stopped.set()
        for worker in self._workers:
            worker.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End them at once; what they were sending is in doubt, as after any crash."""
        self._stopped.set()
        for worker in self._workers:
            worker.send_signal(signal.SIGKILL)


class _WorkerProcess:
    """One worker: a process, and the next one when that has died."""

    def __init__(self, number: int, stopped: asyncio.Event, *, drain: bool, restarts: bool) -> None:
        self._number = number
        self._stopped = stopped
        self._options = ["--process", str(number), *(["--drain"] if drain else [])]
        self._restarts = restarts
        self._supervised = Supervised(f"worker {number}", stalled_after=SILENT_SECONDS)
        self._process: asyncio.subprocess.Process | None = None
        self._past = _NOTHING_YET
        self._last: WorkerReport | None = None
        self._exit_status = 0
        self.has_begun = asyncio.Event()

    @property
    def report(self) -> WorkerReport:
        """What its processes have done, and how the last one is."""
        report = self._past.followed_by(self._last) if self._last else self._past
        return replace(report, tasks=(self._supervised.status, *report.tasks), exit_status=self._exit_status)

    async def begins(self, running: asyncio.Task[None]) -> bool:
        """Wait until it has begun to work, and tell whether it has."""
        begun = asyncio.create_task(self.has_begun.wait())
        await asyncio.wait({running, begun}, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        return self.has_begun.is_set()

    async def run(self, *, is_proven: bool) -> None:
        """Run it, again after each end that nobody asked for, until it is stopped or has drained the queue."""
        while True:
            self._supervised.report_start()
            status = await self._run_once()
            last, how = self._last, _words(status)
            self._past = (self._past.followed_by(last) if last else self._past).ended(f"its process {how}")
            self._last = None
            if self._stopped.is_set():
                was_idle = last is None or last.is_last
                self._exit_status = 0 if status == 0 or (was_idle and status in _BY_SIGNAL) else EXIT_FAILED
                return
            self._exit_status = status if status >= 0 else EXIT_FAILED
            if not is_proven and not self.has_begun.is_set():
                if status < 0:  # otherwise it has said why
                    _log.error("worker %d: its process %s before it began to work", self._number, how)
                return
            if not self._restarts:
                if status:
                    _log.error("worker %d: its process %s; the next worker takes over what it had", self._number, how)
                return
            wait = self._supervised.report_end(how)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), wait)
                return

    async def _run_once(self) -> int:
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                # Where this process has found its modules, and not in its working folder.
                *(sys.executable, "-P", "-m", "mailnode", "worker", *self._options),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_REPORT_BYTES,
                start_new_session=True,  # Ctrl-C is for this process
            )
        except OSError as error:  # too many processes, no memory
            _log.warning("worker %d can't be started: %s", self._number, error.strerror)
            return EXIT_FAILED
        if self._stopped.is_set():
            self.send_signal(signal.SIGTERM)
        assert process.stdout
        async for line in process.stdout:
            with suppress(ValueError, TypeError, KeyError):  # it has died within a line
                self._last = WorkerReport.from_line(line)
                self._supervised.report_success()
                self.has_begun.set()
        return await process.wait()

    def send_signal(self, number: int) -> None:
        """Send a signal to its process, if there is one."""
        if self._process:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)


def _words(status: int) -> str:
    if status < 0:
        # Most real-time signals have no name.
        name = signal.Signals(-status).name if -status in {*signal.Signals} else f"signal {-status}"
        return f"was ended by {name}"
    return f"has ended with exit status {status}"
