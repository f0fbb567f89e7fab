"""What has faces at work: the queue of this process, and processes of their own."""

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from mailnode.app import Mailnode
from matrix.stage import Stage
from support.command import environment_of
from support.forked_python import Process, python

T = TypeVar("T")

_TESTS = str(Path(__file__).parents[1])


@asynccontextmanager
async def working(opened: Mailnode) -> AsyncIterator[None]:
    """Carry the queue meanwhile; a worker that ends by itself ends the case at once."""
    async with asyncio.TaskGroup() as group:
        group.create_task(opened.work())
        yield
        await opened.stop()


def processes(stage: Stage) -> tuple[str, ...]:
    """Give the options that have the queue worked by processes of its own, where the database allows several."""
    return ("--processes", "2") if stage.database_url else ()


@asynccontextmanager
async def process(stage: Stage, module: str, *arguments: str) -> AsyncIterator[Process]:
    """Run a module; what it says on stderr is read by whoever wants to, and is never a traceback."""
    started = await python(
        *("-m", module, *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment_of({**stage.variables, "PYTHONPATH": _TESTS}),
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        _, told = await started.communicate()
        assert "Traceback" not in told.decode(), told.decode()


async def while_it_lives(process: Process, work: Coroutine[Any, Any, T]) -> T:
    """Wait for a work that a process has a part in; one that has ended brings it to no end."""
    ended, task = asyncio.create_task(process.wait()), asyncio.create_task(work)
    await asyncio.wait({ended, task}, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    if not task.done():
        task.cancel()
    assert task.done(), "the process has ended before its work was done"
    return await task


async def heard(process: Process, pattern: str) -> str:
    """Wait for what a process says on stderr, and give the group of the pattern."""
    assert process.stderr
    said = ""
    while not (found := re.search(pattern, said)):
        line = await process.stderr.readline()
        assert line, said
        said += line.decode()
    return found[1]
