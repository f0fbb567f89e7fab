"""Tasks that fail: the n-th time that one of them waits for something, an exception comes in place of the answer."""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Self


class Boom(RuntimeError):
    """What nobody foresaw."""


class Raising:
    """Counts the waits of the tasks that `concerns` picks by their coroutine's name, and fails the `number`-th.

    Use it with `with`, on the running loop. `waits` tells how many there were, `has_raised` whether it came to that.
    """

    def __init__(self, concerns: Callable[[str], bool], number: int) -> None:
        self._concerns = concerns
        self._number = number
        self.waits = 0

    @property
    def has_raised(self) -> bool:
        return self.waits >= self._number

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._before = self._loop.get_task_factory()
        self._loop.set_task_factory(self._make)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.set_task_factory(self._before)

    def _make(self, loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> asyncio.Task[Any]:
        if self._concerns(coro.__qualname__):
            coro = self._counted(coro)
        return asyncio.Task(coro, loop=loop, **options)

    def _counted(self, coro: Coroutine[Any, Any, Any]) -> Coroutine[Any, Any, Any]:
        async def counted() -> Any:
            return await _Counted(coro, self._count)

        return counted()

    def _count(self) -> bool:
        self.waits += 1
        return self.waits == self._number


class _Counted:
    """An awaitable that runs a coroutine, and throws into it where `count` says so."""

    def __init__(self, coro: Coroutine[Any, Any, Any], count: Callable[[], bool]) -> None:
        self._coro = coro
        self._count = count

    def __await__(self) -> Generator[Any, Any, Any]:
        error: BaseException | None = None
        answer: Any = None
        while True:
            try:
                waited_for = self._coro.throw(error) if error else self._coro.send(answer)
            except StopIteration as end:
                return end.value
            answer = error = None
            if self._count():
                # As if what it waits for had failed: that goes on, and its answer reaches nobody.
                if asyncio.isfuture(waited_for):
                    waited_for._asyncio_future_blocking = False
                error = Boom("nobody foresaw this")
                continue
            try:
                answer = yield waited_for
            except BaseException as raised:  # noqa: BLE001 -- the coroutine hears of it
                error = raised
