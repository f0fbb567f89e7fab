"""Many runs of one flow."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import NamedTuple, TypeVar

from mailnode.errors import MailnodeError
from mailnode.flow.run import Run

Given = TypeVar("Given")
Made = TypeVar("Made")


class RowEnd(NamedTuple):
    """How the run of one row ended: either `run` or `error` is given."""

    number: int
    run_id: str
    run: Run | None
    error: MailnodeError | None


async def some_at_a_time(
    work: Callable[[Given], Awaitable[Made]], given: Iterable[Given], most: int
) -> AsyncIterator[Made]:
    """Do a work on each, `most` of them at once, and give what it makes of them as it comes.

    No more are taken from `given` than are worked on. Whoever leaves before the end gets what is under way finished;
    who is cancelled ends it.
    """
    under_way: set[asyncio.Future[Made]] = set()
    try:
        for one in given:
            under_way.add(asyncio.ensure_future(work(one)))
            if len(under_way) == most:
                done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        while under_way:
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    except asyncio.CancelledError:
        for task in under_way:
            task.cancel()
        raise
    finally:
        if under_way:
            await asyncio.wait(under_way)
