"""Each event loop that mailnode runs on: both differ in what they tell of a connection that is gone."""

import asyncio
from collections.abc import Awaitable, Callable

import uvloop

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def on_loop(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run a test to its end on the loop of that name."""

    async def main() -> None:
        await work()

    with asyncio.Runner(loop_factory=LOOPS[name]) as runner:
        runner.run(main())
