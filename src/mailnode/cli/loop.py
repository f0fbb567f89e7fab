"""The event loop of commands that run for long."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_long(work: Coroutine[Any, Any, T]) -> T:
    """Run on uvloop where it exists; a command that ends at once is quicker without importing it."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
