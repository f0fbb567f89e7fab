"""One thread that writes, and a commit that many writers share."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection

from mailnode.errors import StoreClosed, StoreError
from mailnode.store.backend import Backend
from mailnode.store.sql import savepoint
from mailnode.store.steps import InSteps, ask_in_steps, side_by_side

T = TypeVar("T")
Item = TypeVar("Item")
WorkOnAll = Callable[[Connection, list[Item]], Sequence[T | Exception] | InSteps[Sequence[T | Exception]]]

# The first of a group waits for the last: more than this gains no throughput.
MAX_GROUP = 100
# Whoever loses against another transaction finds it gone the next time; more often than this is no chance.
MAX_TRIES = 5
# How often a transaction takes in who waits: once it has begun, and once its first works have run.
MAX_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class _Job:
    work: WorkOnAll[Any, Any]
    item: Any
    future: asyncio.Future[Any]

    def answer(self, value: object) -> None:
        """Pass the answer on, in the event loop of the caller."""
        if self.future.done():  # its caller was cancelled
            return
        if isinstance(value, BaseException):
            self.future.set_exception(value)
        else:
            self.future.set_result(value)


class _WorkFailed(Exception):
    """One of several works has failed, and has left the transaction open: the others may still be committed."""


class GroupWriter:
    """Runs works in a thread of its own; those that wait at the same time share a transaction.

    Whoever comes while a transaction waits to begin, or while its first works run, is taken along. Only where a work
    fails are all run once more, each in a savepoint, so that an error undoes its own changes alone.
    """

    def __init__(self, backend: Backend) -> None:
        """Start no thread before there is work."""
        self._backend = backend
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mailnode-writer")
        self._waiting: deque[_Job] = deque()
        self._guard = threading.Lock()
        self._is_busy = False  # the thread has been told to take what waits, and has not found nothing since

    async def write(self, work: WorkOnAll[Item, T], item: Item) -> T:
        """Run a work once for the items of all who wait with it, and give this one's answer after the commit."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        with self._guard:
            if not self._is_busy:
                self._have_all_committed()
            self._waiting.append(_Job(work, item, future))
        return await future

    def close(self) -> None:
        """Commit what waits; nothing can be written any more."""
        self._thread.shutdown()

    def _have_all_committed(self) -> None:
        try:
            self._thread.submit(self._commit_all)
        except RuntimeError:
            raise StoreClosed("the database is closed") from None
        self._is_busy = True

    def _commit_all(self) -> None:
        while group := self._take_or_rest():
            try:
                answers = self._commit(group)
            except BaseException as error:  # noqa: BLE001 -- nobody waits for ever, whatever this is
                answers = [(job, error) for job in group]
            _answer(answers)

    def _take_or_rest(self) -> list[_Job]:
        with self._guard:
            group = self._take(MAX_GROUP)
            self._is_busy = bool(group)
        return group

    def _take(self, most: int) -> list[_Job]:
        group: list[_Job] = []
        while self._waiting and len(group) < most:
            job = self._waiting.popleft()
            if not job.future.cancelled():
                group.append(job)
        return group

    def _commit(self, group: list[_Job]) -> "_Answers":
        run, trouble = self._run_with_others, BaseException()
        for _ in range(MAX_TRIES):
            try:
                return run(group)
            except BaseException as error:  # noqa: BLE001 -- it is raised where the works are awaited
                trouble = error
                if self._backend.is_passing(error):
                    run = self._run_together if run == self._run_with_others else run
                elif run != self._run_each and len(group) > 1 and self._may_be_of_one(error):
                    run = self._run_each
                else:
                    break
        if isinstance(trouble, _WorkFailed) and trouble.__cause__:
            trouble = trouble.__cause__
        return self._failures(group, trouble)

    def _run_with_others(self, group: list[_Job]) -> "_Answers":
        """Run a group in one transaction, and add to it who has come once that has begun, and while the works run."""
        # Once only where rows are locked, and works lock theirs in one order, each time that they are run.
        rounds = MAX_ROUNDS if self._backend.takes_turns else 1
        return self._run_in_rounds(group, rounds, self._take_along)

    def _run_together(self, group: list[_Job]) -> "_Answers":
        return self._run_in_rounds(group, 1, lambda _group, _done: None)

    def _run_in_rounds(self, group: list[_Job], rounds: int, add: Callable[[list[_Job], int], None]) -> "_Answers":
        with self._backend.writing() as connection:
            answers: _Answers = []
            try:  # without savepoints, which take longer than a short work itself
                for _ in range(rounds):
                    add(group, len(answers))
                    answers += _run(_alike(group[len(answers) :]), connection)
            except BaseException as error:
                is_of_several = len({job.work for job in group}) > 1 and not self._backend.is_passing(error)
                if is_of_several and self._backend.has_transaction(connection):
                    raise _WorkFailed from error
                raise
            return answers

    def _take_along(self, group: list[_Job], done: int) -> None:
        with self._guard:
            # Those whose callers have gone are left out: what a caller does next must not come before what it did last.
            left = [job for job in group[done:] if not job.future.cancelled()]
            group[done:] = left + self._take(MAX_GROUP - done - len(left))

    def _run_each(self, group: list[_Job]) -> "_Answers":
        with self._backend.writing() as connection:
            return [answer for jobs in _alike(group) for answer in self._run_apart(jobs, connection)]

    def _run_apart(self, jobs: list[_Job], connection: Connection) -> "_Answers":
        """Run one work of several in a transaction, so that its error undoes only its own changes."""
        try:
            with savepoint(connection):
                return _run([jobs], connection)
        except BaseException as error:
            if self._backend.is_passing(error) or not self._backend.has_transaction(connection):
                raise
            if len(jobs) > 1 and self._is_of_one(error):
                return [answer for job in jobs for answer in self._run_apart([job], connection)]
            return self._failures(jobs, error)

    def _may_be_of_one(self, error: BaseException) -> bool:
        """Whether what failed together may succeed apart."""
        if isinstance(error, _WorkFailed):
            return True
        failure = self._backend.translate(error)
        return isinstance(error, Exception) and not (isinstance(failure, StoreError) and failure.transient)

    def _is_of_one(self, error: BaseException) -> bool:
        """Whether an error comes of what is written, and not of the database, so that it is one item's alone."""
        return isinstance(error, Exception) and not isinstance(self._backend.translate(error), StoreError)

    def _failures(self, jobs: list[_Job], error: BaseException) -> "_Answers":
        # One for each: each caller may add where it happened.
        return [(job, self._backend.translate(error)) for job in jobs]


_Answers = list[tuple[_Job, object]]


def _alike(group: list[_Job]) -> list[list[_Job]]:
    by_work: dict[WorkOnAll[Any, Any], list[_Job]] = {}
    for job in group:
        by_work.setdefault(job.work, []).append(job)
    return list(by_work.values())


def _run(works: list[list[_Job]], connection: Connection) -> _Answers:
    """Run works, each for the items of all its jobs; those that ask in steps take them beside each other."""
    made = [jobs[0].work(connection, [job.item for job in jobs]) for jobs in works]
    in_steps = iter(ask_in_steps(connection, side_by_side(*(one for one in made if isinstance(one, Generator)))))
    values = [next(in_steps) if isinstance(one, Generator) else one for one in made]
    return [pair for jobs, its in zip(works, values, strict=True) for pair in zip(jobs, its, strict=True)]


def _answer(answers: _Answers) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, _Answers] = {}
    for job, value in answers:
        by_loop.setdefault(job.future.get_loop(), []).append((job, value))
    for loop, its in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed: no caller waits any more
            loop.call_soon_threadsafe(_answer_all, its)


def _answer_all(answers: _Answers) -> None:
    for job, value in answers:
        job.answer(value)
