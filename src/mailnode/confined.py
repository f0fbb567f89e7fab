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
        self._is_given_up = False

    def tell(self, job: bytes) -> IO[bytes]:
        """Give it a job, a line, and tell where its answers are read: one without its line end means that it died."""
        process = self._alive()
        if self._is_given_up:
            process.kill()
        told, heard = process.stdin, process.stdout
        assert told, "it was asked for"
        assert heard, "it was asked for"
        with suppress(BrokenPipeError):  # its silence tells
            told.write(job)
            told.flush()
        return heard

    def give_up(self) -> None:
        """Have it die, from another thread than that which hears its answers; that one has to `end` it then."""
        self._is_given_up = True
        if process := self._process:
            process.kill()

    def end(self) -> int | None:
        """End it, and tell its exit status if there was one to end."""
        process, self._process = self._process, None
        self._is_given_up = False
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
    lanes take turns, so that those of one that hang keep no other one waiting. A job that nobody waits for any more is
    ended with its process.
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
        self._working: set[_Job[Any]] = set()
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
        try:
            return await asyncio.wrap_future(job.future)
        except asyncio.CancelledError:
            with self._guard:
                job.give_up()
            raise

    def close(self) -> None:
        """End every process, whatever it does."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._guard:
            for job in chain.from_iterable(self._waiting.values()):
                job.future.cancel()
            self._waiting.clear()
            for job in self._working:
                job.give_up()
            self._is_closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()

    def _work(self) -> None:
        while found := self._next():
            lane, job = found
            if job.future.set_running_or_notify_cancel():
                try:
                    job.future.set_result(self._with_one(job))
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

    def _with_one(self, job: "_Job[T]") -> T:
        with self._guard:
            process = self._idle.pop() if self._idle else ConfinedProcess(self._program)  # the last one is the warmest
            job.process = process
            self._working.add(job)
            if job.is_given_up:
                process.give_up()
        try:
            return job.work(process)
        finally:
            with self._guard:
                self._working.discard(job)
                job.process = None
                is_wanted = not (job.is_given_up or self._is_closed)
                if is_wanted:
                    self._idle.append(process)
            if not is_wanted:
                process.end()


class _Job(Generic[T]):
    """Some work that waits for a process, and its end."""

    def __init__(self, work: Callable[[ConfinedProcess], T]) -> None:
        self.work = work
        self.future: Future[T] = Future()
        self.process: ConfinedProcess | None = None
        self.is_given_up = False

    def give_up(self) -> None:
        self.is_given_up = True
        if self.process:
            self.process.give_up()
