"""A command of mailnode that serves until it is stopped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support.forked_python import DEVNULL, PIPE, Process, python


@asynccontextmanager
async def serving(*arguments: str) -> AsyncIterator[tuple[Process, str]]:
    """Run it until the test is over; give the process, and all that it said until it had begun."""
    process = await python("-m", "mailnode", *arguments, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE)
    said = ""
    try:
        while "Press Ctrl-C to stop" not in said:
            assert process.stderr
            line = await asyncio.wait_for(process.stderr.readline(), 60)
            assert line, said
            said += line.decode()
        yield process, said
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
