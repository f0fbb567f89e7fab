"""Programs in processes of their own: one that hangs lives no longer than somebody waits for it."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mailnode.confined import ConfinedPool, ConfinedProcess

SECONDS = 60
PROGRAM = """
import sys
for job in sys.stdin:
    print("taken", flush=True)
    while job != "answer\\n":
        pass
    print("answer", flush=True)
"""


class Jobs:
    """Jobs of a pool whose course can be awaited."""

    def __init__(self, pool: ConfinedPool) -> None:
        self.pool = pool
        self._loop = asyncio.get_running_loop()
        self.taken = asyncio.Event()
        self.over = asyncio.Event()

    async def run(self, job: str) -> bytes:
        return await self.pool.run(lambda process: self._work(process, job), "group")

    def _work(self, process: ConfinedProcess, job: str) -> bytes:
        heard = process.send(job.encode() + b"\n")
        heard.readline()
        self._loop.call_soon_threadsafe(self.taken.set)
        answer = heard.readline()
        if not answer:
            process.end()
        self._loop.call_soon_threadsafe(self.over.set)
        return answer


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[ConfinedPool]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    with closing(ConfinedPool(program, 2)) as pool:
        yield pool


async def test_a_job_that_nobody_waits_for_is_ended_and_the_next_has_a_process(pool: ConfinedPool) -> None:
    for _ in range(3):
        jobs = Jobs(pool)
        hanging = asyncio.create_task(jobs.run("hang"))
        await asyncio.wait_for(jobs.taken.wait(), SECONDS)
        hanging.cancel()
        await asyncio.wait_for(jobs.over.wait(), SECONDS)
        assert await asyncio.wait_for(jobs.run("answer"), SECONDS) == b"answer\n"


async def test_closing_ends_what_hangs(pool: ConfinedPool) -> None:
    jobs = Jobs(pool)
    hanging = asyncio.create_task(jobs.run("hang"))
    await asyncio.wait_for(jobs.taken.wait(), SECONDS)
    pool.close()
    assert await asyncio.wait_for(hanging, SECONDS) == b""


async def test_a_job_given_up_before_it_began_leaves_no_process_behind(pool: ConfinedPool) -> None:
    """Given up in the moment in which a thread takes it: cancelled at every turn of the loop until it was taken."""
    for turns in range(30):
        jobs = Jobs(pool)
        hanging = asyncio.create_task(jobs.run("hang"))
        for _ in range(turns):
            await asyncio.sleep(0)
        hanging.cancel()
        await asyncio.wait({hanging})
        assert await asyncio.wait_for(jobs.run("answer"), SECONDS) == b"answer\n"


def test_an_abandoned_process_does_no_job_though_it_had_to_be_started_again(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    process = ConfinedProcess(program)
    try:
        assert process.send(b"answer\n").readline() == b"taken\n"
        process.abandon()
        assert process._process
        process._process.wait(SECONDS)  # dead before its next job, which was abandoned meanwhile
        assert process.send(b"hang\n").readline() == b""
    finally:
        process.end()
