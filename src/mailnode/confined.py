"""Programs of ours in processes of their own, because their input may make them hang or take all memory.

A program reads jobs, lines of JSON, from its standard input, and answers with lines. It gets no environment variables
but PYTHONPATH, and may crash alone.
"""

import asyncio
import atexit
import os
import subprocess
import sys
import threading
from collections import Counter, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

T = TypeVar("T")


class ConfinedProcess:
    """A process of a program, started with its first job, and again after it had to be ended."""

    def __init__(self, program: Path) -> None:
        """Start no process yet."""
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._is_abandoned = False

    def send(self, job: bytes) -> IO[bytes]:
        """Send a job, a line, and give the stream of its answers: a missing line end means that the process died."""
        process = self._alive()
        if self._is_abandoned:
            process.kill()
        requests, answers = process.stdin, process.stdout
        assert requests, "it was asked for"
        assert answers, "it was asked for"
        with suppress(BrokenPipeError):  # the answer will be missing
            requests.write(job)
            requests.flush()
        return answers

    def abandon(self) -> None:
        """Kill it for good, from another thread than the one that reads its answers, which has to `end` it then."""
        self._is_abandoned = True
        if process := self._process:
            process.kill()

    def end(self) -> int | None:
        """End it, and give its exit status; None if there was no process."""
        process, self._process = self._process, None
        if not process:
            return None
        atexit.unregister(self.end)
        process.kill()
        process.communicate()
        return process.returncode

    def _alive(self) -> subprocess.Popen[bytes]:
        if self._process and self._process.poll() is not None:
            self.end()
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 -- our own program
                [sys.executable, "-S", "-s", self._program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))},
                start_new_session=True,  # Ctrl-C is for this process
            )
            atexit.register(self.end)
        return self._process


class ConfinedPool:
    """A few processes of one program with one job at a time each; a thread waits for each.

    A process is started only while all others are busy. Jobs of one group never occupy all of them, and groups take
    turns, so that hanging jobs of one group block no other. A job whose caller was cancelled ends with its process.
    """

    def __init__(self, program: Path, most: int) -> None:
        """Start no process yet; `most` is at least 2."""
        self._program = program
        self._most_of_group = most - 1
        self._threads = ThreadPoolExecutor(most, thread_name_prefix=f"mailnode-{program.stem}")
        self._guard = threading.Lock()
        self._waiting: dict[Hashable, deque[_Job[Any]]] = {}
        self._busy: Counter[Hashable] = Counter()
        self._idle: list[ConfinedProcess] = []
        self._working: set[_Job[Any]] = set()
        self._is_closed = False

    @property
    def is_started(self) -> bool:
        """Whether a job has been done, so that there is a process."""
        return bool(self._idle)

    async def run(self, work: Callable[[ConfinedProcess], T], group: Hashable) -> T:
        """Run `work` with one of the processes, in a thread, and give its result; jobs of one `group` share a limit."""
        job = _Job(work)
        with self._guard:
            self._waiting.setdefault(group, deque()).append(job)
        self._threads.submit(self._work)
        try:
            return await asyncio.wrap_future(job.future)
        except asyncio.CancelledError:
            with self._guard:
                job.abandon()
            raise

    def close(self) -> None:
        """End all processes, also busy ones."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._guard:
            for job in chain.from_iterable(self._waiting.values()):
                job.future.cancel()
            self._waiting.clear()
            for job in self._working:
                job.abandon()
            self._is_closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()

    def _work(self) -> None:
        while found := self._next():
            group, job = found
            if job.future.set_running_or_notify_cancel():
                try:
                    job.future.set_result(self._run_job(job))
                except BaseException as error:  # noqa: BLE001 -- it is raised where the job is awaited
                    job.future.set_exception(error)
            with self._guard:
                self._busy -= Counter([group])

    def _next(self) -> "tuple[Hashable, _Job[Any]] | None":
        """Take the next job that may run now; its group goes behind the others."""
        with self._guard:
            for group in (one for one in self._waiting if self._busy[one] < self._most_of_group):
                jobs = self._waiting.pop(group)
                job = jobs.popleft()
                if jobs:
                    self._waiting[group] = jobs
                self._busy[group] += 1
                return group, job
        return None  # busy threads take the waiting jobs later

    def _run_job(self, job: "_Job[T]") -> T:
        with self._guard:
            process = self._idle.pop() if self._idle else ConfinedProcess(self._program)  # the last used one
            job.process = process
            self._working.add(job)
            if job.is_abandoned:
                process.abandon()
        try:
            return job.work(process)
        finally:
            with self._guard:
                self._working.discard(job)
                job.process = None
                is_wanted = not (job.is_abandoned or self._is_closed)
                if is_wanted:
                    self._idle.append(process)
            if not is_wanted:
                process.end()


class _Job(Generic[T]):
    """Work that waits for a process, and its result."""

    def __init__(self, work: Callable[[ConfinedProcess], T]) -> None:
        self.work = work
        self.future: Future[T] = Future()
        self.process: ConfinedProcess | None = None
        self.is_abandoned = False

    def abandon(self) -> None:
        self.is_abandoned = True
        if self.process:
            self.process.abandon()
