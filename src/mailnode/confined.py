"""Programs of ours that run in processes of their own, because what they are given may hang them or take all memory.

A program reads a line of JSON, a job, from its standard input, and answers with lines. It knows nothing of our
environment, and may die alone.
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
    """One process of a program, started with its first job; after each that had to be ended another one."""

    def __init__(self, program: Path) -> None:
        """Start nothing yet."""
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    def tell(self, job: bytes) -> IO[bytes]:
        """Give it a job, a line, and tell where its answers are read: one without its line end means that it died."""
        process = self._alive()
        told, heard = process.stdin, process.stdout
        assert told, "it was asked for"
        assert heard, "it was asked for"
        with suppress(BrokenPipeError):  # its silence tells
            told.write(job)
            told.flush()
        return heard

    def end(self) -> int | None:
        """End it, and tell its exit status if there was one to end."""
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
    """A few processes of one program, of which each has one job at a time; a thread waits for each.

    Another process is started only while all that are there are busy. Jobs of one lane never have all of them, and
    lanes take turns, so that those of one that hang keep no other one waiting.
    """

    def __init__(self, program: Path, most: int) -> None:
        """Start nothing yet; `most` is 2 or more."""
        self._program = program
        self._most_of_lane = most - 1
        self._threads = ThreadPoolExecutor(most, thread_name_prefix=f"mailnode-{program.stem}")
        self._guard = threading.Lock()
        self._waiting: dict[Hashable, deque[_Job[Any]]] = {}
        self._busy: Counter[Hashable] = Counter()
        self._idle: list[ConfinedProcess] = []
        self._is_closed = False

    @property
    def is_started(self) -> bool:
        """Whether a job has been done, so that there is a process."""
        return bool(self._idle)

    async def run(self, work: Callable[[ConfinedProcess], T], lane: Hashable) -> T:
        """Do some work with one of the processes, in a thread; what it raises comes out here."""
        job = _Job(work)
        with self._guard:
            self._waiting.setdefault(lane, deque()).append(job)
        self._threads.submit(self._work)
        return await asyncio.wrap_future(job.future)

    def close(self) -> None:
        """End every process that has nothing to do; one that works ends with its job."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._guard:
            for job in chain.from_iterable(self._waiting.values()):
                job.future.cancel()
            self._waiting.clear()
        self._is_closed = True
        while self._idle:
            self._idle.pop().end()

    def _work(self) -> None:
        while found := self._next():
            lane, job = found
            if job.future.set_running_or_notify_cancel():
                try:
                    job.future.set_result(self._with_one(job.work))
                except BaseException as error:  # noqa: BLE001 -- it is raised where the job is awaited
                    job.future.set_exception(error)
            with self._guard:
                self._busy -= Counter([lane])

    def _next(self) -> "tuple[Hashable, _Job[Any]] | None":
        """Take the job that is next, if one may be done now; its lane goes behind the others."""
        with self._guard:
            for lane in (one for one in self._waiting if self._busy[one] < self._most_of_lane):
                jobs = self._waiting.pop(lane)
                job = jobs.popleft()
                if jobs:
                    self._waiting[lane] = jobs
                self._busy[lane] += 1
                return lane, job
        return None  # those who are busy with what waits look again

    def _with_one(self, work: Callable[[ConfinedProcess], T]) -> T:
        process = self._idle.pop() if self._idle else ConfinedProcess(self._program)  # the last one used is the warmest
        try:
            return work(process)
        finally:
            self._idle.append(process)
            if self._is_closed:
                self.close()


class _Job(Generic[T]):
    """Some work that waits for a process, and its end."""

    def __init__(self, work: Callable[[ConfinedProcess], T]) -> None:
        self.work = work
        self.future: Future[T] = Future()
