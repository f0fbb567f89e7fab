"""Mailnode in a thread of its own, for programs without an event loop: opened when it is first needed."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, wait
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from mailnode.app import Mailnode
from mailnode.environment import Environment

T = TypeVar("T")
# How long the end of the program waits for what is under way; what is queued by then is safe.
END_SECONDS = 10.0
NAME = "mailnode-threaded"


class ThreadedMailnode:
    """A home's Mailnode, in a thread whose event loop does what other threads ask for."""

    _all: ClassVar[dict[tuple[int, Path, str | None], "ThreadedMailnode"]] = {}
    _choosing: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, environment: Environment) -> None:
        """Start the thread."""
        self._environment = environment
        self._stack = AsyncExitStack()
        self._mailnode: Mailnode | None = None
        self._pending = set[Future[Any]]()
        self._loop = asyncio.new_event_loop()
        self._opening = asyncio.Lock()
        self._thread = threading.Thread(target=self._loop.run_forever, name=NAME, daemon=True)
        self._thread.start()
        # Before the pools of threads end, which the database has; `atexit` comes after that.
        threading._register_atexit(self.close)  # type: ignore[attr-defined]  # noqa: SLF001 -- nothing public does it

    @classmethod
    def of(cls, home: str | None) -> "ThreadedMailnode":
        """Give the one of a home (None: MAILNODE_HOME) in this process; a forked one has another.

        Raises:
            UsageError: a MAILNODE_ variable can't be used.
        """
        environment = Environment.read()
        if home is not None:
            environment = replace(environment, home=Path(home))
        key = os.getpid(), environment.home, environment.database_url
        with cls._choosing:
            threaded = cls._all.get(key)
            if threaded is None or threaded.is_closed:
                threaded = cls._all[key] = cls(environment)
            return threaded

    @property
    def is_closed(self) -> bool:
        """Whether its thread has ended."""
        return not self._thread.is_alive()

    def submit(self, work: Callable[[Mailnode], Awaitable[T]]) -> Future[T]:
        """Have something done, and give what will tell how it ended."""
        future = asyncio.run_coroutine_threadsafe(self._do(work), self._loop)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        return future

    def flush(self, seconds: float = END_SECONDS) -> None:
        """Wait until all that was asked for so far is done, for so many seconds at most."""
        wait(list(self._pending), timeout=seconds)

    @classmethod
    def close_all(cls) -> None:
        """Close those of this process."""
        for threaded in list(cls._all.values()):
            threaded.close()

    def close(self) -> None:
        """Wait as `flush` does, close the home, and end the thread."""
        if self.is_closed:  # or a process that was forked from the one that has it
            return
        self.flush()
        with suppress(Exception):  # the program ends, and whatever is left is found by the next process
            asyncio.run_coroutine_threadsafe(self._stack.aclose(), self._loop).result(END_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(END_SECONDS)
        if not self._loop.is_running():
            self._loop.close()

    async def _do(self, work: Callable[[Mailnode], Awaitable[T]]) -> T:
        async with self._opening:
            if self._mailnode is None:
                self._mailnode = await self._stack.enter_async_context(Mailnode.open(self._environment))
        return await work(self._mailnode)
